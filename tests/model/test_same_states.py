"""Gradient views compute what their models do, at every position: also where attention code is the family's own."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

from explorer.errors import UncoveredModel
from explorer.graph.check import check_graph
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.lrp import _build, lrp_view
from explorer.model.same_states import check_same
from explorer.trace.trace import trace_ids
from tests.model.families import FAMILIES, tiny_model
from tests.vectors.tiny import tiny_tokenizer

SMALL: dict[str, Any] = {"vocab_size": 320, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512}
OWN_CODE: dict[str, Any] = {
    "falcon with alibi": transformers.FalconConfig(
        vocab_size=320, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, alibi=True
    ),
    "falcon": transformers.FalconConfig(vocab_size=320, hidden_size=32, num_hidden_layers=3, num_attention_heads=4),
    "mpt": transformers.MptConfig(vocab_size=320, d_model=32, n_layers=3, n_heads=4, max_seq_len=512),
    "bloom": transformers.BloomConfig(vocab_size=320, hidden_size=32, n_layer=3, n_head=4),
    "gptj": transformers.GPTJConfig(**SMALL, rotary_dim=4),
    "codegen": transformers.CodeGenConfig(**SMALL, rotary_dim=4),
}


def model_of(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(OWN_CODE[name]).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("name", OWN_CODE)
def test_gradients_are_the_models_own_far_into_a_text(name):
    model, ids = model_of(name), torch.randint(3, 320, (340,)).tolist()
    trace = trace_ids(lrp_view(model, "gradient"), ids, 5, 6)
    x = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=x).logits[0, -1]
    gap = logits[5] - logits[6]
    assert trace.gap == pytest.approx(gap.item(), rel=1e-3, abs=1e-4)
    if name in ("falcon", "falcon with alibi", "mpt", "gptj", "codegen"):  # Bloom norms its embeddings first
        wanted = (x * torch.autograd.grad(gap, x)[0]).sum(-1)[0].detach()
        torch.testing.assert_close(torch.tensor(trace.relevance[0]), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", OWN_CODE)
def test_attention_code_of_its_own_has_maps_by_the_rules_but_no_graph(name):
    """The maps add up to the gap and what biases bring; ``check_graph`` refuses edges, as no attention can be read."""
    model, ids = model_of(name), torch.randint(3, 320, (60,)).tolist()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias"):
            parameter.zero_()
    trace = trace_ids(lrp_view(model, "cplrp"), ids, 5, 6)
    assert abs(trace.gap) > 0.01
    assert trace.relevance.sum(1) == pytest.approx(trace.gap, rel=1e-3)
    assert trace_ids(lrp_view(model, "attnlrp"), ids, 5, 6).gap == pytest.approx(trace.gap, rel=1e-4)
    with pytest.raises(UncoveredModel, match="has no graph, only maps work: a block runs 0 attention layers"):
        check_graph(LoadedModel(ModelSpec(name), model, tiny_tokenizer()), "cplrp")


def test_what_works_is_said_only_where_it_does(monkeypatch):
    model = model_of("mpt")
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(UncoveredModel, match=r"can't be explained here: running it failed .division by") as plain:
        lrp_view(model, "gradient")
    with pytest.raises(UncoveredModel, match="LRP rules, nor do gradient maps work") as ruled:
        lrp_view(model, "attnlrp")
    assert "\n" not in str(plain.value) + str(ruled.value)


def without_window(model: PreTrainedModel) -> PreTrainedModel:
    other = copy.deepcopy(model)
    other.config.sliding_window = None  # pyright: ignore
    return _build(other, "cplrp")


@pytest.mark.parametrize("window", [4, 100])
def test_a_view_that_forgets_a_window_is_refused(window):
    model = tiny_model("mistral", dtype=torch.float32, sliding_window=window)
    check_same(model, partial(_build, rule="cplrp"))
    with pytest.raises(UncoveredModel, match=r"states of 1.. tokens differ by up to"):
        check_same(model, without_window)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_views_by_the_rules_compute_the_same(family, dtype):
    check_same(tiny_model(family, dtype=dtype), partial(_build, rule="attnlrp"))


@pytest.mark.parametrize("rule", ["attnlrp", "gradient"])
def test_a_model_that_reads_in_both_directions_is_refused(rule):
    """Edges and padded batches take it that no token sees a later one."""
    config = transformers.BertConfig(
        vocab_size=320, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))
    with pytest.raises(UncoveredModel, match="see those that come after them"):
        lrp_view(model, rule)
