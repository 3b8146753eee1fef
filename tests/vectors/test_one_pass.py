"""The one pass against the slow reference of each part (reference.py), and what it must leave alone."""

from __future__ import annotations

import threading
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel
from explorer.model.lrp import lrp_view
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.tokenize import Exchange
from tests.model.families import FAMILIES, random_ids, tiny_model
from tests.vectors.reference import blocks, reference_parts, stream

RUN = FAMILIES
LAYERS = (1, 2, 3)


def exchange(prompt: int, answer: int, seed: int) -> Exchange:
    return Exchange(tuple(random_ids(prompt + answer, seed)), ((prompt, prompt + answer),))


BATCH = (exchange(5, 4, 0), exchange(9, 2, 1), exchange(1, 6, 2), exchange(12, 9, 3))
"""Unlike lengths: a prompt of one token, and more tokens than a sliding window."""


def fresh_model(family: str, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    """A random model."""
    return tiny_model(family, dtype=dtype)


@cache
def model_of(family: str, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    return fresh_model(family, dtype).requires_grad_(False)


def error(found: Tensor, wanted: Tensor, scale: float | None = None) -> float:
    """The length of the difference over the wanted length, or over another scale."""
    assert found.shape == wanted.shape
    assert wanted.norm() > 0
    return float((found.double() - wanted.double()).norm() / (scale or wanted.double().norm()))


def outer_scale(model: PreTrainedModel, e: Exchange, layer: int) -> float:
    """‖z̄‖² ‖ḡ‖: what the numbers in −z̄⟨z̄, ḡ⟩ are like before they cancel in the inner product."""
    s = stream(model, e.ids, e.start, layer)
    z, g = s.z[e.start :].mean(0), s.g[e.start :].mean(0)
    return float(z.norm() ** 2 * g.norm())


# --- the reference itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_states_are_the_models_hidden_states(family: str) -> None:
    model, e = fresh_model(family), BATCH[0]  # transformers leaves hooks of its own in a model that hands out states
    with torch.no_grad():
        states = model(torch.tensor([e.ids]), output_hidden_states=True).hidden_states
    for layer in (1, 2):  # the last one of hidden_states is after the final norm
        s = stream(model, e.ids, e.start, layer)
        torch.testing.assert_close(s.z, states[layer - 1][0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(s.h, states[layer][0], rtol=1e-9, atol=1e-9)


def test_reference_gradient_is_the_slope_of_the_loss() -> None:
    """∂L/∂H by pushing one number of H up and down; GPT-2's norms are exact enough for it."""
    model, e, layer = model_of("gpt2"), BATCH[0], 2
    wanted = stream(model, e.ids, e.start, layer).g
    losses = []
    for step in (1e-4, -1e-4):
        push = torch.zeros_like(wanted)
        push[3, 7] = step
        hook = blocks(model)[layer].register_forward_pre_hook(
            lambda _b, args, push=push: (args[0] + push, *args[1:])  # the next block's input is this one's output
        )
        try:
            with torch.no_grad():
                logits = model(torch.tensor([e.ids])).logits[0, e.start - 1 : -1]
        finally:
            hook.remove()
        losses.append(nn.functional.cross_entropy(logits, torch.tensor(e.answer)).item())
    assert (losses[0] - losses[1]) / 2e-4 == pytest.approx(wanted[3, 7].item(), rel=1e-6)


# --- the pass against the reference ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", RUN)
def test_every_part_at_every_layer_equals_the_reference(family: str) -> None:
    model = model_of(family)
    found = one_pass(lrp_view(model, "gradient"), BATCH, LAYERS)
    assert found.keys() == {(part, layer) for part in PARTS for layer in LAYERS}
    for layer in LAYERS:
        for i, e in enumerate(BATCH):
            for part, wanted in reference_parts(model, e.ids, e.start, layer).items():
                assert found[part, layer].dtype == torch.float64
                assert error(found[part, layer][i], wanted) < 1e-6, (part, layer, i)


def test_an_answer_of_one_token() -> None:
    """No loss stands behind its only token, so that the outer product of the printed formula is 0."""
    model, e = model_of("llama"), exchange(9, 1, 1)
    found = one_pass(lrp_view(model, "gradient"), [BATCH[0], e], (2,))
    for part, wanted in reference_parts(model, e.ids, e.start, 2).items():
        if part == "outer":
            assert not found[part, 2][1].any() and not wanted.any()
        else:
            assert error(found[part, 2][1], wanted) < 1e-6, part


def test_a_family_with_its_own_attention_is_refused_or_right() -> None:
    """Bloom takes no attention function from outside."""
    model = model_of("bloom")
    try:
        found = one_pass(lrp_view(model, "gradient"), BATCH, (1,))
    except UncoveredModel:
        return
    for i, e in enumerate(BATCH):
        assert error(found["state", 1][i], reference_parts(model, e.ids, e.start, 1)["state"]) < 1e-6


@pytest.mark.parametrize("family", ("llama", "gpt_neox"))
@pytest.mark.parametrize("layers", ((3,), (2,), (3, 1)))
def test_which_layers_are_asked_for_does_not_matter(family: str, layers: tuple[int, ...]) -> None:
    model = model_of(family)
    found = one_pass(lrp_view(model, "gradient"), BATCH[:2], layers)
    assert {layer for _, layer in found} == set(layers)
    for (part, layer), vectors in found.items():
        wanted = reference_parts(model, BATCH[1].ids, BATCH[1].start, layer)[part]
        assert error(vectors[1], wanted) < 1e-6, (part, layer)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone(part: str) -> None:
    view = lrp_view(model_of("llama"), "gradient")
    found, whole = one_pass(view, BATCH, (2,), (part,)), one_pass(view, BATCH, (2,))
    assert found.keys() == {(part, 2)}
    torch.testing.assert_close(found[part, 2], whole[part, 2], rtol=1e-12, atol=0)


def test_half_precision_stays_near_the_reference() -> None:
    view = lrp_view(model_of("llama", torch.bfloat16), "gradient")
    found = one_pass(view, BATCH, (3,))
    model = tiny_model("llama", dtype=torch.bfloat16).double().requires_grad_(False)
    for (part, layer), vectors in found.items():
        assert vectors.dtype == torch.float32
        for i, e in enumerate(BATCH):
            scale = outer_scale(model, e, layer) if part == "outer" else None
            assert error(vectors[i], reference_parts(model, e.ids, e.start, layer)[part], scale) < 0.06, (part, i)


# --- one example is one example -------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", RUN)
def test_batches_and_padding_do_not_matter(family: str) -> None:
    view = lrp_view(model_of(family, torch.float32), "gradient")
    companions = (exchange(2, 1, 7), exchange(20, 3, 8), exchange(3, 40, 9))
    for e in BATCH:
        alone = one_pass(view, [e], LAYERS)
        scale = {("outer", layer): outer_scale(model_of(family), e, layer) for layer in LAYERS}
        for batch in ([companions[0], e], [e, companions[1]], [*companions, e], [e, e, *BATCH]):
            at = batch.index(e)
            for key, vectors in one_pass(view, batch, LAYERS).items():
                assert error(vectors[at], alone[key][0], scale.get(key)) < 1e-5, (key, len(batch))


def test_a_later_token_changes_nothing_before_it() -> None:
    """The state at p₀ is the prompt's alone; the gradient there is not."""
    view = lrp_view(model_of("llama"), "gradient")
    first, second = BATCH[0], Exchange((*BATCH[0].ids[:5], 7, 8, 9), ((5, 8),))
    found = one_pass(view, [first, second], (2,))
    torch.testing.assert_close(found["state", 2][0], found["state", 2][1], rtol=1e-9, atol=1e-12)
    assert error(found["gradient", 2][0], found["gradient", 2][1]) > 0.1


# --- what is left alone ---------------------------------------------------------------------------------------------


def hooks_of(model: nn.Module) -> int:
    return sum(
        len(getattr(module, name))
        for module in model.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )


@pytest.mark.parametrize("family", RUN)
def test_no_parameter_gets_a_gradient_and_no_hook_stays(family: str) -> None:
    model = fresh_model(family)
    assert all(p.requires_grad for p in model.parameters())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    view = lrp_view(model, "gradient")
    with torch.no_grad():
        found = one_pass(view, BATCH, LAYERS)
        assert not torch.is_grad_enabled()
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert hooks_of(model) == hooks_of(view) == 0
    assert not any(vector.requires_grad for vector in found.values())
    assert all("forward" not in vars(module) for module in model.modules())


def test_nothing_below_the_lowest_layer_is_differentiated_and_logits_only_of_answers() -> None:
    view = lrp_view(model_of("llama"), "gradient")
    differentiated, heads = [], []
    hooks = [
        b.register_forward_hook(lambda _b, _a, out: differentiated.append(out.requires_grad)) for b in blocks(view)
    ]
    head = view.get_output_embeddings()
    assert isinstance(head, nn.Module)
    hooks.append(head.register_forward_hook(lambda _h, _a, out: heads.append(out.shape[:-1].numel())))
    one_pass(view, BATCH, (2, 3))
    for hook in hooks:
        hook.remove()
    assert differentiated == [False, True, True]
    assert heads == [sum(len(e.answer) for e in BATCH)]


@pytest.mark.parametrize("layers", ((1, 9), (9,)))
def test_a_pass_that_fails_leaves_no_hook(layers: tuple[int, ...]) -> None:
    view = lrp_view(model_of("llama"), "gradient")
    with pytest.raises(Exception):  # noqa: B017
        one_pass(view, BATCH, layers)
    assert hooks_of(view) == 0


def test_a_layer_below_the_first_is_refused() -> None:
    with pytest.raises(Exception):  # noqa: B017
        one_pass(lrp_view(model_of("llama"), "gradient"), BATCH, (0,))


@pytest.mark.parametrize("family", ("llama", "gemma3"))
def test_two_threads_on_one_view(family: str) -> None:
    view = lrp_view(model_of(family, torch.float32), "gradient")
    work = [(BATCH[:2], (1, 3), PARTS), (BATCH[1:], (2, 3), ("gradient", "lora"))]
    alone = [one_pass(view, *given) for given in work]
    found: list[list[dict[tuple[str, int], Tensor]]] = [[], []]
    barrier = threading.Barrier(2)

    def run(i: int) -> None:
        torch.set_num_threads(1)
        barrier.wait()
        for _ in range(15):
            found[i].append(one_pass(view, *work[i]))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, wanted in zip(found, alone, strict=True):
        assert len(results) == 15
        for result in results:
            assert result.keys() == wanted.keys()
            assert all(torch.equal(result[key], wanted[key]) for key in wanted)
