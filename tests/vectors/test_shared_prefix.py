"""Vectors with shared prefixes against those of a plain pass, and that sharing does happen and does save."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from explorer.model.lrp import lrp_view, view_state
from explorer.vectors import one_pass as module
from explorer.vectors import shared_prefix
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.shared_prefix import shared_states
from explorer.vectors.tokenize import Exchange
from tests.model.families import FAMILIES, random_ids
from tests.vectors.reference import blocks
from tests.vectors.test_one_pass import BATCH, error, model_of

TRUNK = tuple(random_ids(9, 50))


def chat(own: int, answer: int, seed: int, prompt_seed: int | None = None) -> Exchange:
    """An exchange that begins with the trunk."""
    prompt = random_ids(own, seed if prompt_seed is None else prompt_seed)
    ids = (*TRUNK, *prompt, *random_ids(answer, 1000 + seed))
    return Exchange(ids, ((len(TRUNK) + own, len(ids)),))


SINGLES = (chat(3, 4, 1), chat(7, 2, 2), chat(5, 6, 3))
PAIRS = (chat(3, 4, 4, 70), chat(3, 6, 5, 70), chat(6, 1, 6, 71), chat(6, 3, 7, 71))
MULTI = (Exchange((*TRUNK, *random_ids(12, 9)), ((11, 14), (17, 21))), SINGLES[0])


def plain_pass(monkeypatch: pytest.MonkeyPatch, view: Any, exchanges: Any, layers: Any) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(module, "shared_states", lambda *_given: None)
        return one_pass(view, exchanges, layers)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("exchanges", (SINGLES, PAIRS, MULTI), ids=("singles", "pairs", "turns"))
def test_vectors_are_those_of_a_plain_pass(family: str, exchanges: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    view = lrp_view(model_of(family, torch.float32), "gradient")
    for layers in ((2,), (3,), (2, 3)):
        wanted = plain_pass(monkeypatch, view, exchanges, layers)
        for _ in range(2):  # the first batch of a view is checked, the next one is not
            found = one_pass(view, exchanges, layers)
            assert found.keys() == wanted.keys() == {(part, layer) for part in PARTS for layer in layers}
            for key, vectors in wanted.items():
                size = float(vectors.norm(dim=1).max())
                assert error(found[key], vectors, size) < 2e-5, key
    assert view_state(view).shares_prefixes


def test_it_saves_what_is_shared() -> None:
    """Tokens that the first block sees: the trunk and each pair's prompt once, then what is left."""
    view, seen = lrp_view(model_of("llama", torch.float32), "gradient"), list[int]()
    view_state(view).shares_prefixes = True
    hook = blocks(view)[0].register_forward_pre_hook(lambda _b, args: seen.append(args[0].shape[:2].numel()))
    states = shared_states(view, PAIRS, 3)
    assert states is not None and states.shape[:2] == (4, 18)
    assert seen == [9, 2 * 6, 4 * 6]
    seen.clear()
    assert shared_states(view, SINGLES, 3) is not None
    assert seen == [9, 3 * 11]
    hook.remove()


def test_a_sliding_window_shares_the_trunk_alone() -> None:
    view, seen = lrp_view(model_of("mistral", torch.float32), "gradient"), list[int]()
    view_state(view).shares_prefixes = True
    hook = blocks(view)[0].register_forward_pre_hook(lambda _b, args: seen.append(args[0].shape[:2].numel()))
    assert shared_states(view, PAIRS, 3) is not None
    hook.remove()
    assert seen == [9, 4 * 9]


@pytest.mark.parametrize(("exchanges", "layer"), ((BATCH, 3), (SINGLES, 1), (SINGLES[:1], 3)))
def test_what_is_not_shared(exchanges: Any, layer: int) -> None:
    view = lrp_view(model_of("llama", torch.float32), "gradient")
    assert shared_states(view, exchanges, layer) is None
    assert view_state(view).shares_prefixes is None


def test_a_family_whose_states_come_out_otherwise_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    view, own = lrp_view(model_of("llama", torch.float32), "gradient"), shared_prefix._grown
    monkeypatch.setattr(shared_prefix, "_grown", lambda *given: own(*given) * 1.01)
    wanted = plain_pass(monkeypatch, view, SINGLES, (3,))
    found = one_pass(view, SINGLES, (3,))
    assert view_state(view).shares_prefixes is False
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_nothing_stays_on_the_view() -> None:
    view = lrp_view(model_of("llama", torch.float32), "gradient")
    one_pass(view, PAIRS, (3,))
    assert all("forward" not in vars(m) for m in view.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in view.modules())
