"""The LRP view and the trace against a slow reference written by hand (reference_lrp.py)."""

from __future__ import annotations

import copy
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from explorer.model.lrp import RULES, lrp_view
from explorer.trace.trace import trace_ids
from tests.model.families import FAMILIES, random_ids, tiny_model
from tests.model.reference_lrp import (
    Explicit,
    Norm,
    autograd_relevance,
    reference_gap,
    reference_logits,
    reference_relevance,
)

IDS = random_ids(12, seed=0)
LRP = ("attnlrp", "cplrp")
ROUTED = ("mixtral", "qwen3_moe", "gpt_oss")
"""Families whose tokens go to experts: by another precision to others."""

# Settings of covered families that change a formula: a bias, an order, a scale, a mask, an activation.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("llama", {"attention_bias": True, "mlp_bias": True, "hidden_act": "gelu"}),
    ("llama", {"hidden_act": "relu", "num_key_value_heads": 1}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}),
    ("gpt_neox", {"use_parallel_residual": False}),
    ("phi3", {"sliding_window": 4, "rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}),
)


@cache
def model_of(family: str, bias_free: bool = False) -> PreTrainedModel:
    return tiny_model(family, bias_free=bias_free)


def contrast(model: PreTrainedModel, ids: list[int] = IDS) -> tuple[int, int]:
    """The most against the least likely token: a gap well away from 0."""
    last = reference_logits(model, ids)[-1]
    return int(last.argmax()), int(last.argmin())


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest error of any layer over the largest wanted magnitude of that layer."""
    assert found.shape == wanted.shape
    return float((np.abs(found - wanted).max(-1) / np.abs(wanted).max(-1)).max())


def gradient_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest error over the largest wanted magnitude of all layers.

    After the last block, gradient × input is 0 in exact arithmetic: an RMSNorm does not see the scale of its input.
    """
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def check_trace(model: PreTrainedModel, rule: str) -> None:
    target, foil = contrast(model)
    trace = trace_ids(lrp_view(model, rule), IDS, target, foil)
    wanted = reference_relevance(model, IDS, target, foil, rule)
    assert trace.gap == pytest.approx(reference_gap(model, IDS, target, foil), rel=1e-6)
    if rule == "gradient":  # the plain model's own norms are in float32, whatever its weights are
        assert gradient_error(trace.relevance, wanted) < 1e-5
    else:
        assert error(trace.relevance, wanted) < 1e-6


# --- the reference itself -------------------------------------------------------------------------------------------


class Detached(Explicit):
    """The rules by detaching, for autograd: a second way to write them, to check the first."""

    def __init__(self, model: PreTrainedModel, length: int, rule: str) -> None:
        super().__init__(model, length)
        self.attnlrp = rule == "attnlrp"

    def inverse_std(self, norm: Norm, x: Tensor) -> Tensor:
        return super().inverse_std(norm, x).detach()

    def act(self, z: Tensor) -> Tensor:
        return z * (super().act(z) / z).detach()

    def product(self, gate: Tensor, up: Tensor) -> Tensor:
        return _scaled(gate * up, 2) if self.attnlrp else gate.detach() * up

    def routed(self, weights: Tensor, outputs: Tensor) -> Tensor:
        return self.product(weights, outputs)

    def capped(self, x: Tensor, cap: float | None) -> Tensor:
        return x * (super().capped(x, cap) / x).detach()

    def cut(self, x: Tensor, low: float, high: float) -> Tensor:
        return x * (super().cut(x, low, high) / x).detach()

    def arms(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.attnlrp:
            return _scaled(q, 4), _scaled(k, 4), _scaled(v, 2)
        return q.detach(), k.detach(), v


def _scaled(x: Tensor, divisor: float) -> Tensor:
    """x, whose gradient is divided."""
    return x / divisor + (x - x / divisor).detach()


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_forward_is_the_model(family: str) -> None:
    model = tiny_model(family, attn_implementation="eager")
    with torch.no_grad():
        wanted = model(torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(reference_logits(model, IDS), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("rule", LRP)
@pytest.mark.parametrize("family", FAMILIES)
def test_reference_backward_is_the_rules_by_detaching(family: str, rule: str) -> None:
    model = model_of(family)
    found = reference_relevance(model, IDS, *contrast(model), rule)
    assert error(found, autograd_relevance(Detached(model, len(IDS), rule), IDS, *contrast(model))) < 1e-12


# --- the program against the reference ------------------------------------------------------------------------------


def test_rules_are_these_three() -> None:
    assert set(RULES) == {"attnlrp", "cplrp", "gradient"}


@pytest.mark.parametrize("rule", (*LRP, "gradient"))
@pytest.mark.parametrize("family", FAMILIES)
def test_relevance_and_gap_equal_the_reference(family: str, rule: str) -> None:
    check_trace(model_of(family), rule)


@pytest.mark.parametrize("rule", (*LRP, "gradient"))
@pytest.mark.parametrize(("family", "settings"), VARIANTS)
def test_variants_equal_the_reference(family: str, settings: dict[str, Any], rule: str) -> None:
    check_trace(tiny_model(family, **settings), rule)


@pytest.mark.parametrize(("dtype", "tolerance"), ((torch.float32, 1e-5), (torch.bfloat16, 0.05)))
@pytest.mark.parametrize("rule", LRP)
@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ROUTED])
def test_lower_precision_stays_near_the_reference(family: str, rule: str, dtype: torch.dtype, tolerance: float) -> None:
    model = tiny_model(family, dtype=dtype)
    target, foil = contrast(model)
    trace = trace_ids(lrp_view(model, rule), IDS, target, foil)
    assert error(trace.relevance, reference_relevance(model, IDS, target, foil, rule)) < tolerance


@pytest.mark.parametrize("implementation", ("eager", "sdpa"))
def test_relevance_does_not_depend_on_the_models_attention(implementation: str) -> None:
    check_trace(tiny_model("gemma3", attn_implementation=implementation), "attnlrp")


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "gpt_oss"])  # its up + 1 is a bias
def test_cplrp_sums_to_the_gap_at_every_layer(family: str) -> None:
    model = model_of(family, bias_free=True)
    trace = trace_ids(lrp_view(model, "cplrp"), IDS, *contrast(model))
    np.testing.assert_allclose(trace.relevance.sum(1), trace.gap, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_attnlrp_does_not_sum_to_the_gap(family: str) -> None:
    model = model_of(family, bias_free=True)
    trace = trace_ids(lrp_view(model, "attnlrp"), IDS, *contrast(model))
    assert abs(trace.relevance[0].sum() / trace.gap - 1) > 0.01


@pytest.mark.parametrize("rule", LRP)
@pytest.mark.parametrize("family", ("llama", "gemma3", "gpt2"))
def test_a_pre_activation_of_zero_is_no_pole(family: str, rule: str) -> None:
    """Exact zeros and almost-zeros before the activation take its slope at 0."""
    model = tiny_model(family)
    for name, parameter in model.named_parameters():
        if "c_fc" in name or "gate_proj" in name:  # c_fc is (in, out), gate_proj (out, in)
            units = parameter.detach().transpose(0, -1) if "c_fc" in name else parameter.detach()
            units[:8] = 0.0
            units[8:16] *= 1e-13
            units[16:24] *= 1e-300
    check_trace(model, rule)
    assert np.isfinite(trace_ids(lrp_view(model.float(), rule), IDS, 5, 6).relevance).all()


def test_a_prompt_of_one_token() -> None:
    model = model_of("llama")
    trace = trace_ids(lrp_view(model, "attnlrp"), IDS[:1], 5, 6)
    assert error(trace.relevance, reference_relevance(model, IDS[:1], 5, 6, "attnlrp")) < 1e-6


# --- the model is left alone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", (*LRP, "gradient"))
@pytest.mark.parametrize("family", FAMILIES)
def test_view_shares_every_tensor(family: str, rule: str) -> None:
    model = tiny_model(family)
    view = lrp_view(model, rule)
    trace_ids(view, IDS, 5, 6)
    for list_tensors in (nn.Module.named_parameters, nn.Module.named_buffers):
        ours: dict[str, Tensor] = dict(list_tensors(model, remove_duplicate=False))
        theirs: dict[str, Tensor] = dict(list_tensors(view, remove_duplicate=False))
        assert theirs.keys() == ours.keys()
        for name, tensor in ours.items():
            assert theirs[name] is tensor or theirs[name].data_ptr() == tensor.data_ptr() != 0, name
    assert not {id(module) for module in model.modules()} & {id(module) for module in view.modules()}


def library_names() -> Iterator[tuple[str, object]]:
    """Every global and class attribute of the loaded modules of transformers and torch.nn, and the shared tables."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "transformers" or name.startswith("torch.nn"):
            for key, value in list(vars(module).items()):
                yield f"{name}.{key}", value
                if isinstance(value, type):
                    yield from ((f"{name}.{key}.{part}", item) for part, item in list(vars(value).items()))
    for table in (ALL_ATTENTION_FUNCTIONS, ALL_MASK_ATTENTION_FUNCTIONS, ACT2FN):
        yield from ((f"{type(table).__name__}[{key}]", table.get(key)) for key in list(table))


@pytest.mark.parametrize("rule", LRP)
def test_no_class_or_table_of_transformers_changes(rule: str) -> None:
    models = [tiny_model(family) for family in FAMILIES]
    settings = [copy.deepcopy(model.config.to_dict()) for model in models]
    attention = [model.config._attn_implementation for model in models]
    before = dict(library_names())
    views = [lrp_view(model, rule) for model in models]
    for view in views:
        trace_ids(view, IDS, 5, 6)
    after = dict(library_names())
    assert not before.keys() - after.keys()
    changed = {name for name, value in before.items() if after[name] is not value}
    assert changed <= {"torch.nn.modules.module.RemovableHandle.next_id"}  # torch's own count of hooks
    assert [model.config._attn_implementation for model in models] == attention
    for model, was in zip(models, settings, strict=True):
        assert model.config.to_dict() == was
        for module in model.modules():
            assert "forward" not in vars(module)
            assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks


def test_nothing_in_transformers_comes_from_here() -> None:
    """Patches made while explorer is imported would be in place before any test looks: seek their origin instead."""
    tables = ("AttentionInterface[", "AttentionMaskInterface[")
    names = [name for name, value in library_names() if str(getattr(value, "__module__", "")).startswith("explorer")]
    assert all(name.startswith(tables) or "Interface._global_mapping" in name for name in names), names


def plain_gradients(model: PreTrainedModel) -> list[Tensor]:
    """Gradients of a plain loss with respect to the input embeddings and every parameter."""
    embeddings = model.get_input_embeddings()(torch.tensor([IDS])).detach().requires_grad_()
    loss = model(inputs_embeds=embeddings).logits[0, -1, :7].sum()
    return list(torch.autograd.grad(loss, [embeddings, *model.parameters()], allow_unused=True))


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists of gradients are equal bit for bit."""
    pairs = zip(first, second, strict=True)
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_gradients_stay_bit_identical(family: str) -> None:
    model, other = tiny_model(family), tiny_model(family, seed=1)
    before, other_before = plain_gradients(model), plain_gradients(other)
    view = lrp_view(model, "attnlrp")
    trace_ids(view, IDS, 5, 6)
    assert same(plain_gradients(model), before), "while the view lives"
    assert same(plain_gradients(other), other_before), "another model, while the view lives"
    del view
    gc.collect()
    assert same(plain_gradients(model), before), "after the view is gone"
    assert same(plain_gradients(other), other_before), "another model, after the view is gone"
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


# --- several at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ("llama", "gemma3", "gpt2"))
def test_two_rules_interleaved(family: str) -> None:
    prompts = [random_ids(9, seed) for seed in range(3)]
    alone = {r: [trace_ids(lrp_view(tiny_model(family), r), ids, 5, 6).relevance for ids in prompts] for r in LRP}
    model = tiny_model(family)
    views = {rule: lrp_view(model, rule) for rule in LRP}
    for i, ids in enumerate(prompts):
        for rule in LRP:
            np.testing.assert_array_equal(trace_ids(views[rule], ids, 5, 6).relevance, alone[rule][i])


def in_threads(work: Callable[[int], None], count: int) -> list[BaseException]:
    """Runs work(0), …, work(count − 1) in threads that start together; what they raised."""
    barrier, raised = threading.Barrier(count), []

    def run(i: int) -> None:
        barrier.wait()
        try:
            work(i)
        except BaseException as problem:  # handed to the test
            raised.append(problem)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("family", ("llama", "gpt_neox"))
def test_four_threads_on_one_view(family: str) -> None:
    view = lrp_view(tiny_model(family), "attnlrp")
    prompts = [random_ids(6 + 3 * seed, seed) for seed in range(4)]
    serial = [trace_ids(view, ids, 5, 6) for ids in prompts]
    found: list[list[Any]] = [[] for _ in prompts]

    def work(i: int) -> None:
        found[i] = [trace_ids(view, prompts[i], 5, 6) for _ in range(5)]

    assert in_threads(work, 4) == []
    for traces, wanted in zip(found, serial, strict=True):
        assert len(traces) == 5
        for trace in traces:
            np.testing.assert_array_equal(trace.relevance, wanted.relevance)
            assert trace.gap == wanted.gap


def test_plain_gradients_beside_traces() -> None:
    """Two threads trace while two others take plain gradients of the same model."""
    model = tiny_model("llama")
    view = lrp_view(model, "attnlrp")
    relevance, gradients = trace_ids(view, IDS, 5, 6).relevance, plain_gradients(model)

    def work(i: int) -> None:
        for _ in range(5):
            if i % 2:
                assert same(plain_gradients(model), gradients)
            else:
                np.testing.assert_array_equal(trace_ids(view, IDS, 5, 6).relevance, relevance)

    assert in_threads(work, 4) == []


def test_a_trace_sets_its_own_grad_mode() -> None:
    view = lrp_view(model_of("llama"), "cplrp")
    wanted = trace_ids(view, IDS, 5, 6)
    with torch.no_grad():
        np.testing.assert_array_equal(trace_ids(view, IDS, 5, 6).relevance, wanted.relevance)
        assert not torch.is_grad_enabled()
