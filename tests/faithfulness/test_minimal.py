"""The minimal edit on tiny models in float64, against the plain model on every subset of the prompt's tokens."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import pytest
import torch

from explorer import Failure, explain, minimal_edit
from explorer.data.failures import read_failures
from explorer.faithfulness.minimal import RANDOM_SETS, MinimalEdit, rerun_without
from explorer.faithfulness.operators import FIXED
from explorer.progress import Stopped
from explorer.trace.explain import Explanation
from tests.vectors.tiny import restless_loaded

WHALE = Failure("a whale is a ", "Seoul", "Ottawa", raw=True)
SEEDS = range(12)


def plain_gap(loaded, explanation: Explanation, gone: frozenset[int]) -> float:
    """The gap without some tokens, one sequence at a time, by the model itself."""
    c = explanation.contrast
    prompt = [t.id for t in c.tokens if t.segment != "generated" and t.index not in gone]

    def scores(ids):
        with torch.no_grad():
            return loaded.model(input_ids=torch.tensor([ids])).logits[0]

    if not explanation.whole:
        last = scores([*prompt, *(t.id for t in c.tokens if t.segment == "generated")])[-1]
        return (last[c.target] - last[c.foil]).item()
    total = 0.0
    for sign, answer in ((1, c.wrong_ids), (-1, c.right_ids)):
        each = scores([*prompt, *answer]).log_softmax(-1)
        total += sign * sum(each[len(prompt) + i - 1, token].item() for i, token in enumerate(answer))
    return total


def players(explanation: Explanation) -> list[int]:
    return [t.index for t in explanation.tokens if t.segment not in FIXED]


def smallest(loaded, explanation: Explanation, wanted) -> tuple[int, set[frozenset[int]]] | None:
    """(size, all sets of it) of the smallest sets of tokens for which ``wanted`` holds, from no token to all."""
    for size in range(len(players(explanation)) + 1):
        sets = {frozenset(s) for s in combinations(players(explanation), size) if wanted(frozenset(s))}
        if sets:
            return size, sets
    return None


@cache
def cases(whole: bool) -> list[tuple]:
    """(model, failure, explanation, minimal edit): random models, the answers such that the wrong one is preferred."""
    made = []
    for seed in SEEDS:
        loaded = restless_loaded(seed)
        failure, explanation = WHALE, explain(WHALE, loaded, whole=whole)
        if explanation.trace.gap < 0:
            failure = replace(WHALE, wrong=WHALE.right, right=WHALE.wrong)
            explanation = explain(failure, loaded, whole=whole)
        made.append((loaded, failure, explanation, minimal_edit(failure, loaded, explanation=explanation)))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True])
def test_the_removed_set_is_the_smallest_of_all_subsets(whole):
    sizes = []
    for loaded, _, explanation, found in cases(whole):
        assert 4 <= len(players(explanation)) <= 8
        expected = smallest(loaded, explanation, lambda gone, m=loaded, e=explanation: plain_gap(m, e, gone) < 0)
        assert (found.removed is None) == (expected is None)
        if found.removed and expected:
            assert (len(found.removed.indices), frozenset(found.removed.indices) in expected[1]) == (expected[0], True)
            gone = frozenset(found.removed.indices)
            assert (
                found.removed.gap == pytest.approx(plain_gap(loaded, explanation, gone), abs=1e-6)
                and found.removed.gap < 0
            )
            assert found.removed.smallest and found.gap == pytest.approx(explanation.trace.gap, abs=1e-6)
            assert all(plain_gap(loaded, explanation, gone - {i}) >= 0 for i in gone)
        sizes.append(len(found.removed.indices) if found.removed else 0)
    assert {1, 2} <= set(sizes)  # both cases did occur


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True])
def test_the_kept_set_is_the_smallest_that_keeps_the_wrong_answer(whole):
    sizes = set()
    for loaded, _, explanation, found in cases(whole):
        every = frozenset(players(explanation))

        def keeps(left, m=loaded, e=explanation, every=every) -> bool:
            return plain_gap(m, e, every - left) > 0

        size, sets = smallest(loaded, explanation, keeps)  # pyright: ignore[reportGeneralTypeIssues]
        assert found.kept and (len(found.kept.indices), frozenset(found.kept.indices) in sets) == (size, True)
        assert found.kept.gap == pytest.approx(
            plain_gap(loaded, explanation, every - set(found.kept.indices)), abs=1e-6
        )
        assert found.bare == pytest.approx(plain_gap(loaded, explanation, every), abs=1e-6)
        assert ("isn't needed" in " ".join(found.keeping)) == (size == 0)
        sizes.add(size)
    assert {0, 1} <= sizes


def test_random_sets_are_counted_by_the_plain_model():
    some = 0
    for loaded, _, explanation, found in cases(False):
        if not found.removed:
            continue
        size = len(found.removed.indices)
        sets = [frozenset(s) for s in combinations(players(explanation), size)]
        flips = sum(plain_gap(loaded, explanation, s) < 0 for s in sets) - 1
        flipped, of = found.random
        assert of == min(RANDOM_SETS, len(sets) - 1)
        assert flipped == flips if of == len(sets) - 1 else flipped <= flips
        some += flipped
    assert some


def test_the_rerun_is_of_the_text_and_says_where_it_does_not_hold():
    held = set()
    for _, failure, _, found in cases(False):
        if not found.removed:
            continue
        sentence = " ".join(found.removal)
        if found.rerun is None:
            assert found.refused in sentence and not found.flips
            continue
        assert {edit.index for edit in found.rerun.edits} == set(found.removed.indices)
        assert len(found.rerun.failure.prompt) < len(failure.prompt)
        assert found.flips == (found.rerun.gap < 0)
        assert ("does not hold" in sentence) == (not found.flips)
        assert f"{found.rerun.gap:+.2f} logits" in sentence
        held.add(found.flips)
    assert True in held


def test_where_the_right_answer_is_preferred_there_is_nothing_to_remove():
    loaded, failure, *_ = cases(False)[0]
    found = minimal_edit(replace(failure, wrong=failure.right, right=failure.wrong), loaded)
    assert found.gap < 0 and found.removed is found.kept is found.rerun is None
    assert "nothing to remove" in " ".join(found.lines())
    assert found.to_json()["removed"] is None


def test_where_nothing_flips_the_gap_that_is_left_is_told():
    """A model to which all tokens are the same."""
    loaded = restless_loaded(0)
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[:] = loaded.model.get_input_embeddings().weight[7].clone()  # pyright: ignore
    explanation = explain(WHALE, loaded)
    failure = WHALE if explanation.trace.gap > 0 else replace(WHALE, wrong=WHALE.right, right=WHALE.wrong)
    found = minimal_edit(failure, loaded)
    assert found.removed is None and found.lowest == pytest.approx(found.gap) == found.bare > 0
    assert f"{found.lowest:+.2f} logits" in " ".join(found.removal)
    assert found.kept and not found.kept.indices


def test_the_same_seed_gives_the_same_finding():
    loaded, failure, explanation, found = cases(False)[1]
    again = minimal_edit(failure, loaded, explanation=explanation)
    assert isinstance(again, MinimalEdit) and again == found


def test_it_can_be_stopped():
    loaded, failure, explanation, _ = cases(False)[0]

    def stop(*_told) -> None:
        raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        minimal_edit(failure, loaded, explanation=explanation, progress=stop)


@pytest.mark.slow
def test_a_shipped_failure_loses_the_luring_word(smollm):
    found = minimal_edit(read_failures()["wrong-dog"], smollm)
    assert found.removed and found.removed.texts == (" Bella",)
    assert found.flips and found.rerun and " Bella" not in found.rerun.failure.prompt
    assert found.random == (0, RANDOM_SETS)
    assert "0 of 20 other single tokens, drawn at random, flip" in " ".join(found.lines())


def test_a_text_that_can_not_be_rerun_is_told():
    loaded, failure, explanation, found = next(case for case in cases(False) if case[3].removed)
    assert rerun_without(failure, loaded, explanation, found.removed.indices) == (found.rerun, "")
    done, refused = rerun_without(failure, loaded, explanation, players(explanation))
    assert done is None and "prompt is empty" in refused
    sentence = " ".join(replace(found, rerun=None, refused=refused).removal)
    assert refused in sentence and f"{found.removed.gap:+.2f} logits" in sentence
