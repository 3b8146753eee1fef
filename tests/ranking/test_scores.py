"""Scores against cosines by formula, targets against the slow reference, and what scoring holds in memory."""

from __future__ import annotations

import itertools
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.errors import ExplorerError
from explorer.model.prompts import Prompt
from explorer.ranking.scores import Target, encode_target, scores
from explorer.vectors.index import PAIR, SINGLE, UNRANKED, Index
from explorer.vectors.items import Item
from explorer.vectors.methods import MEASURES, METHODS, QUERIES, Blend
from tests.ranking.reference import (
    BLENDS,
    WIDTHS,
    drawn,
    kinds_of,
    make_index,
    method_of,
    reference_scores,
    target_of,
    write_index,
)
from tests.vectors.reference import reference_parts
from tests.vectors.tiny import tiny_loaded


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Index]:
    folder = tmp_path_factory.mktemp("indexes")
    return {name: make_index(folder / name, kinds_of(name)) for name in ("mixed", "single", "pairs")}


# --- scores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", (False, True))
@pytest.mark.parametrize("query", sorted(QUERIES))
@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("corpus", ("mixed", "single", "pairs"))
@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_scores_equal_the_formula(
    indexes: dict[str, Index], corpus: str, blend: Blend, query: str, centre: bool, measure: str
) -> None:
    index, method = indexes[corpus], method_of(blend)
    target = target_of(5, PAIR if query == "contrast" else SINGLE)
    found = scores(index, target, method, 5, centre, query, measure=measure)
    wanted = reference_scores(index, target, method, 5, centre, query, measure=measure)[:, 0]
    assert found.shape == (60,)
    size = 1.0 if measure == "cosine" else float(np.nanmax(np.abs(wanted)))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=2e-5 * size)
    assert np.isnan(wanted).sum() == kinds_of(corpus).count(UNRANKED)
    assert np.nanmax(np.abs(wanted)) > 0.2


@pytest.mark.parametrize("query", sorted(QUERIES))
@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("part", ("state", "gradient"))
def test_one_part_has_one_score_however_it_is_blended(
    indexes: dict[str, Index], part: str, blend: Blend, query: str
) -> None:
    target = target_of(3, PAIR)
    wanted = reference_scores(indexes["mixed"], target, method_of("joined", part), 2, True, query)[:, 0]
    found = scores(indexes["mixed"], target, method_of(blend, part), 2, True, query)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=2e-5)


def test_the_blends_differ(indexes: dict[str, Index]) -> None:
    """So that no blend passes for another: joined is all but the state alone, since it is ten thousand times longer."""
    target = target_of(4, SINGLE)
    found = {blend: scores(indexes["single"], target, method_of(blend), 2, True, "bad") for blend in BLENDS}
    state = scores(indexes["single"], target, method_of("joined", "state"), 2, True, "bad")
    assert (found["joined"] - state).abs().max() < 1e-3
    assert all((found[a] - found[b]).abs().max() > 0.05 for a, b in itertools.combinations(BLENDS, 2))


@pytest.mark.parametrize("query", ("bad", "contrast"))
@pytest.mark.parametrize("blend", BLENDS)
def test_weights_are_several_means_at_once(indexes: dict[str, Index], blend: Blend, query: str) -> None:
    target, method = target_of(5, PAIR), method_of(blend)
    weights = drawn(3, 4, 5).abs()
    weights[2] = torch.tensor([0, 1, 0, 0, 0])
    weights[3] = drawn(4, 5)  # as signed as a regression's
    found = scores(indexes["mixed"], target, method, 7, True, query, weights.float())
    wanted = reference_scores(indexes["mixed"], target, method, 7, True, query, weights.numpy())
    assert found.shape == (60, 4)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=2e-5)
    one = Target({k: v[1:2] for k, v in target.vectors.items()}, target.kinds[1:2])
    alone = scores(indexes["mixed"], one, method, 7, True, query)
    np.testing.assert_allclose(found[:, 2].numpy(), alone.numpy(), rtol=0, atol=2e-5)


def test_one_row_of_weights_keeps_its_column(indexes: dict[str, Index]) -> None:
    found = scores(indexes["mixed"], target_of(3, PAIR), method_of("joined"), 2, False, "bad", torch.ones(1, 3))
    assert found.shape == (60, 1)


@pytest.mark.parametrize(("exact", "tolerance"), ((True, 2e-5), (False, 0.02)))
@pytest.mark.parametrize("centre", (False, True))
@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("query", ("bad", "bank"))
def test_many_queries_and_what_bfloat16_rounds(
    indexes: dict[str, Index], query: str, blend: Blend, centre: bool, exact: bool, tolerance: float
) -> None:
    target, method = target_of(40, SINGLE), method_of(blend)
    weights = None if query == "bank" else torch.rand(20, 40, generator=torch.Generator().manual_seed(0))
    found = scores(indexes["mixed"], target, method, 5, centre, query, weights, exact)
    numbers = None if weights is None else weights.double().numpy()
    wanted = reference_scores(indexes["mixed"], target, method, 5, centre, query, numbers)
    np.testing.assert_allclose(found.reshape(wanted.shape).numpy(), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("exact", "tolerance"), ((True, 1e-4), (False, 0.02)))
def test_centred_scores_do_not_drown_in_the_mean(tmp_path: Path, exact: bool, tolerance: float) -> None:
    """States of a real model lie close together: here, twenty times farther from 0 than from each other, as SmolLM2's
    are before the answer (13 times at layer 4, 39 times at layer 1)."""
    index, method = make_index(tmp_path, [SINGLE] * 60, offset=20.0), method_of("joined", "state")
    near = index.rows("state", 2, torch.arange(20)).double()
    queries = (near + drawn(1, *near.shape)).float()
    target = Target({"state.2": queries}, torch.ones(20, dtype=torch.uint8))
    weights = torch.eye(20)
    found = scores(index, target, method, 2, True, "bad", weights, exact)
    wanted = reference_scores(index, target, method, 2, True, "bad", weights.double().numpy())
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("blend", BLENDS)
def test_scores_are_cosines(indexes: dict[str, Index], blend: Blend) -> None:
    """In −1..1, and 1 for a row that is asked for itself, at whatever length."""
    index, method, which = indexes["mixed"], method_of(blend), torch.tensor([4])
    kind = index.kinds[which]
    assert kind.item() != UNRANKED
    for factor in (1.0, 1e-6, 1e6):
        vectors = {f"{p}.2": index.rows(p, 2, which) for p in WIDTHS}
        target = Target({key: v * factor for key, v in vectors.items()}, kind)
        found = scores(index, target, method, 2, False, "bad")
        assert found[4].item() == pytest.approx(1, abs=1e-5)
        assert found[~found.isnan()].abs().max() <= 1 + 1e-5


def test_a_row_or_query_of_length_0_scores_0(tmp_path: Path) -> None:
    wholes = {f"{part}.2": drawn(0, 5, width).to(torch.bfloat16) for part, width in WIDTHS.items()}
    for vectors in wholes.values():
        vectors[4] = 0
    index = write_index(tmp_path, wholes, torch.ones(5, dtype=torch.uint8), 2, [2], list(WIDTHS))
    target = target_of(2, SINGLE)
    nothing = Target({k: torch.zeros_like(v) for k, v in target.vectors.items()}, target.kinds)
    for blend, query in itertools.product(BLENDS, QUERIES):
        found = scores(index, target, method_of(blend), 2, False, query)
        assert found[4] == 0 and (found[:4] != 0).all() and found.isfinite().all()
        assert scores(index, nothing, method_of(blend), 2, False, query).tolist() == [0] * 5


@pytest.mark.parametrize("centre", (False, True))
def test_a_part_that_never_varies_does_not_silence_the_other(tmp_path: Path, centre: bool) -> None:
    """As where every row has the same prompt: the centred state is 0."""
    wholes = {f"{part}.2": drawn(0, 30, width).to(torch.bfloat16) for part, width in WIDTHS.items()}
    wholes["state.2"][:] = 3.0 if centre else 0.0
    index = write_index(tmp_path, wholes, torch.ones(30, dtype=torch.uint8), 17, [2], list(WIDTHS))
    target = target_of(3, SINGLE)
    found = scores(index, target, method_of("averaged"), 2, centre, "contrast")
    wanted = reference_scores(index, target, method_of("joined", "gradient"), 2, centre, "contrast")[:, 0]
    np.testing.assert_allclose(2 * found.numpy(), wanted, rtol=0, atol=2e-5)


def test_scores_leave_what_they_are_given_alone(indexes: dict[str, Index]) -> None:
    index, target = indexes["mixed"], target_of(4, SINGLE)
    before = {k: v.clone() for k, v in target.vectors.items()}
    weights = torch.rand(2, 4)
    own = weights.clone()
    first = scores(index, target, method_of("joined"), 7, True, "bad", weights)
    assert all(torch.equal(v, before[k]) for k, v in target.vectors.items())
    assert torch.equal(weights, own)
    again = scores(index, target, method_of("joined"), 7, True, "bad", weights)
    torch.testing.assert_close(first, again, rtol=0, atol=0, equal_nan=True)


def test_a_layer_or_part_that_the_index_lacks(indexes: dict[str, Index]) -> None:
    with pytest.raises(ExplorerError, match="no vectors of 'gradient' at layer 3; the index has parts state, gradient"):
        scores(indexes["mixed"], target_of(1, SINGLE), method_of("joined", "gradient"), 3, False, "bad")
    with pytest.raises(ExplorerError, match="no vectors of 'lora'"):
        scores(indexes["mixed"], target_of(1, SINGLE), method_of("joined", "lora"), 2, False, "bad")


# --- targets --------------------------------------------------------------------------------------------------------

ITEMS = (
    Item(Prompt("the capital of Canada"), "Seoul", "Ottawa, a city"),
    Item(Prompt("two plus two"), "seven", "four"),
)


def test_targets_of_a_behavior() -> None:
    loaded, method = tiny_loaded(), METHODS["rept"]
    encode = loaded.tokenizer.encode
    for query, kind in (("bad", SINGLE), ("bank", SINGLE), ("contrast", PAIR)):
        target = encode_target(loaded, ITEMS, method.parts, (1, 3), query)
        assert target.kinds.tolist() == [kind] * 2
        assert target.vectors.keys() == {f"{part}.{layer}" for part in method.parts for layer in (1, 3)}
        for i, item in enumerate(ITEMS):
            before = encode(f"<|user|>{item.prompt.text}</s><|assistant|>", add_special_tokens=False)
            made = [
                reference_parts(loaded.model, before + encode(f"{text}</s>", add_special_tokens=False), len(before), 3)
                for text in (item.answer, item.other or "")
            ]
            gradient = made[0]["gradient"] - (made[1]["gradient"] if query == "contrast" else 0)
            size = float(made[0]["gradient"].norm())
            assert (target.vectors["gradient.3"][i] - gradient).norm() < 1e-5 * size
            assert (target.vectors["state.3"][i] - made[0]["state"]).norm() < 1e-5 * made[0]["state"].norm()


def test_targets_that_can_not_be_made() -> None:
    loaded, method = tiny_loaded(), METHODS["gradient"]
    with pytest.raises(ExplorerError, match="no prompts"):
        encode_target(loaded, [], method.parts, (1,), "bad")
    with pytest.raises(ExplorerError, match="'contrast' needs a good answer for every prompt"):
        encode_target(loaded, [*ITEMS, Item(Prompt("a whale"), "a fish")], method.parts, (1,), "contrast")
    for query, item in (("bad", Item(Prompt("a"), " ", "b")), ("contrast", Item(Prompt("a"), "b", " "))):
        with pytest.raises(ExplorerError, match="no answer of the behavior has a token"):
            encode_target(loaded, [item], method.parts, (1,), query)


def test_an_item_without_an_answer_is_left_out() -> None:
    target = encode_target(
        tiny_loaded(), [ITEMS[0], Item(Prompt("a"), "\n"), ITEMS[1]], METHODS["gradient"].parts, (1,), "bad"
    )
    alone = encode_target(tiny_loaded(), ITEMS, METHODS["gradient"].parts, (1,), "bad")
    assert target.kinds.tolist() == [SINGLE] * 2
    torch.testing.assert_close(target.vectors["gradient.1"], alone.vectors["gradient.1"], rtol=1e-4, atol=1e-9)


# --- memory ----------------------------------------------------------------------------------------------------------


class Live(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at once, ``most`` at the peak; of those made while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.users: Counter[int] = Counter()
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
                self.now += size if not self.users[place] else 0
                self.users[place] += 1
                self.most = max(self.most, self.now)
                weakref.finalize(tensor, self.leave, place, size)
        return out

    def leave(self, place: int, size: int) -> None:
        self.users[place] -= 1
        self.now -= size if not self.users[place] else 0


@pytest.mark.parametrize("exact", (False, True))
def test_scoring_holds_a_shard_at_a_time(tmp_path: Path, exact: bool) -> None:
    """An index of 60,000 rows has 61 MB, in shards of 4 MB."""
    n, parts, width, size = 60_000, ["state", "gradient"], 256, 4096
    target = Target({f"{p}.1": torch.randn(1, width) for p in parts}, torch.tensor([SINGLE]))
    wholes = {f"{p}.1": torch.randn(n, width).to(torch.bfloat16) for p in parts}
    index = write_index(tmp_path, wholes, torch.ones(n, dtype=torch.uint8), size, [1], parts)
    with Live() as live:
        found = scores(index, target, method_of("joined"), 1, True, "bad", exact=exact)
    assert found.shape == (n,) and found.isfinite().all()
    assert found.nbytes < live.most < sum(x.nbytes for x in wholes.values()) / 3, f"{live.most / 2**20:.0f} MB"
