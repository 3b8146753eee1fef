"""Outcomes on tiny models in which one known token decides: the true map is meaningful, a shuffled one is not."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.faithfulness.curves import measure_maps
from explorer.faithfulness.operators import MaskedPrompt, random_orders
from explorer.faithfulness.verdict import DEFAULT_OPERATORS
from explorer.surveys.early import MOST
from explorer.surveys.outcomes import Judged, hold_masks, judge, mask_size
from explorer.trace.explain import explain
from tests.faithfulness.decided import KEY, decided_loaded


def recorded(seed):
    loaded, failure = decided_loaded(seed)
    explanation = explain(failure, loaded, record=True)
    if explanation.trace.gap < 0:
        failure = replace(failure, wrong=failure.right, right=failure.wrong)
        explanation = explain(failure, loaded, record=True)
    return loaded, explanation


def judged_of(explanation, loaded) -> Judged:
    judged = judge(explanation, loaded)
    assert judged
    return judged


def shuffled(explanation, seed):
    """The same map with its values exchanged between the tokens."""
    relevance = explanation.trace.relevance.copy()
    relevance[0] = np.random.default_rng(seed).permutation(relevance[0])
    return replace(explanation, trace=replace(explanation.trace, relevance=relevance))


def test_the_token_that_decides_is_a_meaningful_attribution():
    meaningful = 0
    for seed in range(10):
        loaded, explanation = recorded(seed)
        judged = judged_of(explanation, loaded)
        meaningful += judged.outcome == "M-IA"
        if judged.outcome == "M-IA":
            assert judged.pattern in ("OIT", "both") and judged.graph_percentile is None
    assert meaningful >= 9


def test_a_shuffled_map_is_none_but_by_chance():
    passed = 0
    for seed in range(30):
        loaded, explanation = recorded(seed)
        passed += judged_of(shuffled(explanation, seed), loaded).outcome == "M-IA"
    assert passed <= 4  # 5 % of 30, and two standard deviations


@pytest.mark.parametrize(("letters", "known"), [(5, False), (6, True)])
def test_a_prompt_of_five_tokens_has_no_outcome(letters, known):
    loaded, explanation = recorded(1)
    failure = decided_loaded(1)[1]
    sides = {"wrong": explanation.contrast.wrong, "right": explanation.contrast.right}
    short = explain(replace(failure, prompt="abcdefg"[:letters], **sides), loaded, record=True)
    assert len(MaskedPrompt(loaded, short).players) == letters
    assert (judge(short, loaded) is not None) is known


@pytest.mark.parametrize("size", [1, 3])
def test_what_passes_against_gaps_one_at_a_time(size):
    """Every random set is measured by itself; an early end changes nothing that the rule does not say."""
    loaded, explanation = recorded(3)
    prompt = MaskedPrompt(loaded, explanation)
    n, passed = len(prompt.players), 0
    assert n <= 40  # then all sets of one are tried
    sets = np.eye(n, dtype=bool) if size == 1 else [order_mask(n, order[:size]) for order in random_orders(n, MOST, 0)]
    alone = {o: MaskedPrompt(loaded, explanation) for o in DEFAULT_OPERATORS}
    falls = {o: explanation.trace.gap - np.array([alone[o].gaps(row[None], o)[0] for row in sets]) for o in alone}
    for players in [np.arange(at, at + size) for at in range(n - size + 1)]:
        own = {o: explanation.trace.gap - alone[o].gaps(order_mask(n, players)[None], o)[0] for o in alone}
        larger = {o: f >= own[o] - 1e-6 * max(1, np.abs(f).max()) for o, f in falls.items()}
        if size == 1:  # its own set is among them
            expected = all(each.sum() <= 0.05 * n for each in larger.values())
        else:
            expected = all(not each[:22].any() or each.sum() <= 1 for each in larger.values())
        (told,) = hold_masks(prompt, [(players, 1)])
        assert told.passes is expected and (told.share > 0.95 - 1e-9 or not expected)
        passed += expected
    assert 0 < passed < n - size + 1


def order_mask(n, players):
    mask = np.zeros(n, dtype=bool)
    mask[players] = True
    return mask


@pytest.mark.slow
def test_the_brief_verdict_is_that_of_all_orders_at_its_points():
    """An early end changes no verdict that its rule does not, and masks known from the outcome change no figure."""
    kinds = set()
    for seed in range(12):
        loaded, explanation = recorded(seed)
        for of in (explanation, shuffled(explanation, seed)):
            told = judged_of(of, loaded).verdict
            relevance, larger = of.relevance[MaskedPrompt(loaded, of).players], []
            for test in told.tests:
                sizes, operator = test.reference.sizes, test.reference.operator
                whole = measure_maps(MaskedPrompt(loaded, of), [relevance], operator, MOST, sizes=sizes)[0]
                known = len(test.reference.random)
                assert np.allclose(whole.reference.random[:known], test.reference.random, atol=1e-4)
                larger.append(
                    whole.random_spreads >= whole.spread - 1e-6 * max(1.0, np.abs(whole.reference.random).max())
                )
            passed = [not each[:22].any() or each.sum() <= 1 for each in larger]
            alone = [not each[:40].any() for each in larger]
            assert told.kind == ("holds" if all(passed) else "disagree" if any(alone) else "chance")
            kinds.add(told.kind)
    assert kinds >= {"holds", "chance"}


def test_evidence_that_the_map_overlooks_is_underweight():
    """The deciding token speaks for the right answer here: as evidence it is seen, any faint token is overlooked."""
    loaded, explanation = recorded(1)
    failure = decided_loaded(1)[1]
    sides = {"wrong": explanation.contrast.wrong, "right": explanation.contrast.right}
    faintest = int(np.abs(explanation.relevance).argmin())
    for evidence, underweight in ((failure.prompt[faintest], True), (KEY, False)):
        asked = explain(replace(failure, **sides, evidence=evidence), loaded, record=True)
        assert (judged_of(asked, loaded).pattern in ("URT", "both")) is underweight


@pytest.mark.parametrize(
    ("relevance", "size"),
    [([9.0, 1, 1, 1] + [0] * 26, 1), ([1.0] * 30, 5), ([3.0, 3, 3, 1] + [0] * 26, 2), ([9.0, 1, 1, 1, 0, 0], 3)],
)
def test_as_many_tokens_are_masked_as_hold_half(relevance, size):
    assert mask_size(np.array(relevance)) == size
