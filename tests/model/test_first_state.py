"""What the first position holds whatever token stands there, and the relevance that is left without it."""

import pytest
import torch

from explorer.model.first_state import TOKENS, mean_first_states
from explorer.model.hooks import output_states, with_output_states
from explorer.model.lrp import lrp_view
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import trace_ids
from tests.model.families import FAMILIES, VOCABULARY, random_ids, tiny_model

LAYER = 2


def slow_mean(model) -> torch.Tensor:
    """(layers, width): every token of the sample read alone by the plain model; without the last, normed state."""
    sample = [int(i) for i in torch.linspace(0, VOCABULARY - 1, TOKENS)]
    with torch.no_grad():
        states = [model(input_ids=torch.tensor([[i]]), output_hidden_states=True).hidden_states[:-1] for i in sample]
    return torch.stack([torch.stack([one[layer][0, 0] for one in states]).mean(0) for layer in range(len(states[0]))])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_mean_is_that_of_tokens_read_alone(family):
    model = tiny_model(family)
    means = mean_first_states(lrp_view(model))
    assert means.shape == (4, 32)
    torch.testing.assert_close(
        means[:-1], slow_mean(model), rtol=1e-5, atol=1e-6
    )  # norms of transformers round to float32


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_relevance_in_context_is_what_autograd_gives(family):
    """(x − r)·∂gap/∂x of the state cut out of the view's own graph, with r of tokens read one by one."""
    model, ids, target, foil = tiny_model(family), random_ids(9, seed=1), 11, 12
    view, leaves = lrp_view(model), []
    trace = trace_ids(view, ids, target, foil)

    def cut(_block, _args, output):
        leaves.append(output_states(output).detach().requires_grad_())
        return with_output_states(output, leaves[0])

    handle = decoder_blocks(view)[LAYER - 1].register_forward_hook(cut)
    logits = view(input_ids=torch.tensor([ids])).logits[0, -1]
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[target] - logits[foil], leaves[0])
    reference = torch.zeros_like(leaves[0][0])
    reference[0] = slow_mean(model)[LAYER]
    expected = ((leaves[0][0] - reference) * gradient[0]).sum(-1).detach().numpy()
    assert trace.sink is not None
    actual = trace.relevance[LAYER].copy()
    actual[0] -= trace.sink[LAYER]
    assert actual == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_only_attnlrp_knows_the_part_and_a_long_prompt_knows_the_same(monkeypatch):
    model, ids = tiny_model("llama"), random_ids(9, seed=2)
    assert trace_ids(lrp_view(model, "cplrp"), ids, 3, 4).sink is None
    view = lrp_view(model)
    at_once = trace_ids(view, ids, 3, 4).sink
    monkeypatch.setattr("explorer.trace.trace.LONG_HEATMAP", 4)
    assert trace_ids(view, ids, 3, 4).sink == pytest.approx(at_once, rel=1e-9)


def test_the_embedded_models_first_state_is_a_sink(smollm):
    """After block 3 it is long and much the same for every token; the others are neither."""
    view, texts = smollm.view("gradient"), ["The dog sleeps", "Paris is large", "Seven of them"]
    means = mean_first_states(view)[3]
    for text in texts:
        ids = smollm.tokenizer(text)["input_ids"]
        passes = trace_ids(view, ids, 3, 4, record=True).passes
        assert passes is not None
        first, *others = passes.states[3]
        assert torch.cosine_similarity(first, means, dim=0) > 0.99 and first.norm() > 500
        assert all(torch.cosine_similarity(other, means, dim=0) < 0.8 and other.norm() < 200 for other in others)
