"""Exact edges against per-target back-propagation: one target token at a time, through one block, by autograd."""

import numpy as np
import pytest
import torch

import explorer.trace.trace
from explorer.errors import ExplorerError
from explorer.graph.block_parts import vertical_parts
from explorer.graph.edges import edge_matrix, split_edge
from explorer.graph.replay import skip_edges
from explorer.model.lrp import lrp_view
from explorer.model.residual import decoder_blocks
from explorer.progress import Stopped
from explorer.trace.trace import Trace, trace_ids
from tests.model.families import FAMILIES, random_ids, tiny_model

IDS = random_ids(12, seed=0)
RULES = ("attnlrp", "cplrp")
VARIANTS = (
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"num_key_value_heads": 1}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    ("gpt_neox", {"use_parallel_residual": False}),
    ("phi3", {"sliding_window": 4}),
)


def per_target(view, trace: Trace, low: int, high: int) -> np.ndarray:
    """A[j, i] by seeding the gradient of the gap at one token j of layer ``high`` and going back to ``low``."""
    passes = trace.passes
    assert passes
    rows = []
    for j in range(len(trace.ids)):
        x = passes.states[low].unsqueeze(0).clone().requires_grad_()
        y = x
        for block, call in zip(list(decoder_blocks(view))[low:high], passes.calls[low:high], strict=True):
            y = call.run(block, y)
        scalar = (y[0, j] * passes.gradients[high][j]).sum()
        rows.append((x * torch.autograd.grad(scalar, x)[0])[0].sum(-1).detach().numpy())
    return np.stack(rows)


def traced(family: str, rule: str, **settings) -> tuple:
    model = tiny_model(family, **settings)
    view = lrp_view(model, rule)
    return view, trace_ids(view, IDS, 3, 5, record=True)


def worst(computed: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(computed - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("family", "settings"), [*((f, {}) for f in FAMILIES), *VARIANTS])
def test_all_edges_equal_per_target_backpropagation(family, settings, rule):
    view, trace = traced(family, rule, **settings)
    for layer in range(3):
        computed = edge_matrix(view, trace, layer).numpy()
        assert worst(computed, per_target(view, trace, layer, layer + 1)) < 1e-6
        assert worst(computed.sum(0), trace.relevance[layer]) < 1e-9  # columns add up to what enters
        assert not np.triu(computed, 1).any()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "gpt_oss"])  # its up + 1 is a bias
def test_rows_add_up_to_what_leaves_under_cplrp_without_biases(family):
    view, trace = traced(family, "cplrp", bias_free=True)
    for layer in range(3):
        assert worst(edge_matrix(view, trace, layer).numpy().sum(1), trace.relevance[layer + 1]) < 1e-6


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_skip_edges_equal_per_target_backpropagation(family, rule):
    view, trace = traced(family, rule)
    targets = [11, 4, 7, 0]
    for low, high in ((0, 3), (1, 3), (0, 2), (1, 2)):
        computed = skip_edges(view, trace, low, high, targets, batch=3)
        assert worst(computed, per_target(view, trace, low, high)[targets]) < 1e-6


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_split_edge_adds_up(family, rule):
    view, trace = traced(family, rule)
    matrix = edge_matrix(view, trace, 1).numpy()
    for target, source in ((9, 7), (6, 6), (11, 10), (0, 0)):
        split = split_edge(view, trace, 1, target, source)
        parts = split.value.sum() + split.key.sum() + split.rest
        assert split.total == pytest.approx(matrix[target, source], abs=1e-9 * np.abs(matrix).max())
        assert parts == pytest.approx(split.total, abs=1e-9 * np.abs(matrix).max())
        if family == "gpt_oss":  # a sink takes the rest
            assert (split.attention.sum(1) < 1 - 1e-3).all()
        else:
            assert np.allclose(split.attention.sum(1), 1)
        assert split.attention.shape == (4, target + 1)
        if rule == "cplrp" or target == 11:  # other targets may lie outside every window
            assert bool(split.key.any()) == (rule == "attnlrp")


@pytest.mark.parametrize("family", ("llama", "gpt2", "gemma3"))
def test_long_prompts_give_the_same_edges(family, monkeypatch):
    view, trace = traced(family, "attnlrp")
    monkeypatch.setattr(explorer.trace.trace, "LONG", 4)
    long = trace_ids(view, IDS, 3, 5, record=True)
    assert long.passes is not None
    assert long.passes.layers is None
    np.testing.assert_allclose(long.relevance, trace.relevance, rtol=0, atol=1e-12)  # norms are rounded otherwise
    for layer in range(3):
        torch.testing.assert_close(edge_matrix(view, long, layer), edge_matrix(view, trace, layer), rtol=0, atol=1e-12)


def test_small_row_blocks_give_the_same_edges(monkeypatch):
    view, trace = traced("qwen3", "attnlrp")
    whole = edge_matrix(view, trace, 1)
    monkeypatch.setattr("explorer.graph.edges._BLOCK", 4 * 12 * 5)
    assert torch.allclose(edge_matrix(view, trace, 1), whole, atol=1e-12)


def test_float32_on_the_embedded_model(smollm):
    view = smollm.view("attnlrp")
    ids = smollm.tokenizer.encode("Lena has a dog called Rocky. Her best friend has a dog called Bella.")
    trace = trace_ids(view, ids, 10, 20, record=True)
    for layer in range(30):
        computed = edge_matrix(view, trace, layer).numpy()
        assert worst(computed, per_target(view, trace, layer, layer + 1)) < 1e-4


def test_skip_edges_report_and_can_be_stopped():
    view, trace = traced("llama", "attnlrp")
    seen = []

    def watch(_what: str, done: float = 0, total: float = 0) -> None:
        seen.append((done, total))

    skip_edges(view, trace, 0, 2, [1, 2, 3], batch=2, progress=watch)
    assert seen == [(0, 3), (2, 3), (3, 3)]

    def stop(_what: str, done: float = 0, _total: float = 0) -> None:
        if done == 2:
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        skip_edges(view, trace, 0, 2, [1, 2, 3], batch=2, progress=stop)


def test_a_trace_without_a_graph_says_so():
    view = lrp_view(tiny_model("llama"), "attnlrp")
    with pytest.raises(ExplorerError, match="was not recorded"):
        edge_matrix(view, trace_ids(view, IDS, 3, 5), 0)
    plain = lrp_view(tiny_model("llama"), "gradient")
    with pytest.raises(ExplorerError, match="not for 'gradient'"):
        edge_matrix(plain, trace_ids(plain, IDS, 3, 5, record=True), 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("family", "settings"), [*((f, {}) for f in FAMILIES), *VARIANTS])
def test_halves_of_a_block(family, settings, rule):
    """Against autograd: without attention (its output cut off) only residual connection and MLP are left."""
    view, trace = traced(family, rule, **settings)
    block, passes = decoder_blocks(view)[1], trace.passes
    assert passes
    attention = next(m for name, m in block.named_children() if "attn" in name or name == "attention")
    hook = attention.register_forward_hook(lambda _m, _a, out: (out[0].detach(), *out[1:]))
    try:
        without = per_target(view, trace, 1, 2)
    finally:
        hook.remove()
    assert worst(without, np.diag(np.diag(without))) < 1e-12
    parts = vertical_parts(view, trace, 1)
    whole = edge_matrix(view, trace, 1).numpy().diagonal()
    assert worst(parts.residual + parts.mlp, np.diag(without)) < 1e-6
    assert worst(parts.residual + parts.attention + parts.mlp, whole) < 1e-9
    assert worst(parts.residual, (passes.states[1] * passes.gradients[2]).sum(-1).numpy()) < 1e-12
