"""The verdict is itself tested: true maps hold, shuffled ones and noise do not, at the stated rates."""

from collections import Counter

import numpy as np
import pytest

from explorer import explain, verdicts
from explorer.errors import PromptError
from explorer.faithfulness.curves import FEWEST
from explorer.faithfulness.verdict import best, decide, words
from explorer.trace.explain import Explanation
from tests.faithfulness.decided import KEY, decided_loaded
from tests.vectors.tiny import tiny_loaded


def with_relevance(explanation: Explanation, relevance: np.ndarray) -> Explanation:
    """The explanation with another map at layer 0."""
    from dataclasses import replace

    values = explanation.trace.relevance.copy()
    values[0] = relevance
    return replace(explanation, trace=replace(explanation.trace, relevance=values))


def judged(seed: int) -> tuple[str, str, str]:
    """Verdicts on the true map of a model with a deciding token, on the map shuffled, and on noise."""
    loaded, failure = decided_loaded(seed)
    draw, true = np.random.default_rng(seed), explain(failure, loaded)
    players = [t.index for t in true.tokens if t.segment not in ("template", "generated")]
    shuffled, noise = true.relevance.copy(), draw.normal(size=len(true.tokens))
    shuffled[players] = draw.permutation(shuffled[players])
    maps = [true, with_relevance(true, shuffled), with_relevance(true, noise)]
    kinds = [verdict.kind for verdict in verdicts(maps, loaded, seed=seed)]
    return kinds[0], kinds[1], kinds[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "true_holds", "false_holds", "noise_is_chance"),
    [(20, 0.8, 0.1, 0.8), pytest.param(200, 0.95, 0.05, 0.95, marks=pytest.mark.slow)],
)
def test_true_maps_hold_and_false_ones_do_not(seeds, true_holds, false_holds, noise_is_chance):
    true, shuffled, noise = (Counter(kinds) for kinds in zip(*map(judged, range(seeds)), strict=True))
    assert true["holds"] >= true_holds * seeds, true
    assert shuffled["holds"] <= false_holds * seeds, shuffled
    assert noise["chance"] >= noise_is_chance * seeds, noise
    assert noise["holds"] <= false_holds * seeds, noise


def test_the_verdict_says_which_figures_it_rests_on():
    loaded, failure = decided_loaded(0)
    explanation = explain(failure, loaded)
    assert explanation.strongest(1, 1)[0][0].text == KEY
    verdict = explanation.verdict(loaded)
    assert verdict.kind == "holds"
    assert verdict.sentence.startswith("Holds: ")
    assert "all 50 random orders (mean embedding)" in verdict.sentence
    figures = verdict.to_json()
    assert figures["verdict"] == "holds"
    assert [test["replacement"] for test in figures["tests"]] == ["mean", "delete"]
    assert verdict.sentence in verdict.table()


def test_the_same_seed_gives_the_same_figures_and_another_others():
    loaded, failure = decided_loaded(1)
    explanation = explain(failure, loaded)
    first, again, other = (explanation.verdict(loaded, seed=seed).to_json() for seed in (0, 0, 1))
    assert first == again != other


def test_progress_tells_what_is_known_so_far_and_may_end_the_work():
    loaded, failure = decided_loaded(0)
    told: list[tuple[str, float, float]] = []
    explain(failure, loaded).verdict(loaded, progress=lambda *what: told.append(what))
    so_far = [(what, done, total) for what, done, total in told if "so far" in what]
    assert so_far[0][0] == "AttnLRP beats 10 of 10 random orders so far (mean embedding)"
    assert so_far[-1][1:] == (100, 100)

    def stop(*_what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain(failure, loaded).verdict(loaded, progress=stop)


def test_a_whole_answer_and_another_layer_are_judged_too():
    loaded, failure = decided_loaded(2)
    whole = explain(failure, loaded, whole=True)
    verdict = whole.verdict(loaded, orders=10)
    assert (verdict.unit, verdict.whole) == ("nats", True)
    assert verdict.tests[0].reference.gap == pytest.approx(whole.trace.gap, abs=1e-6)
    assert explain(failure, loaded, layer=1).verdict(loaded, orders=10).layer == 1


def test_too_short_a_prompt_has_no_verdict():
    from explorer import Failure

    loaded = tiny_loaded()
    with pytest.raises(PromptError, match=f"a verdict needs {FEWEST}"):
        explain(Failure("a b", "X", "Y", raw=True), loaded).verdict(loaded)
    with pytest.raises(PromptError, match="expected some of mean, delete, likely"):
        explain(Failure("a b c d e f g", "X", "Y", raw=True), loaded).verdict(loaded, operators=["zero"])


@pytest.mark.parametrize(
    ("p_values", "kind"),
    [
        ([0.02, 0.04], "holds"),
        ([0.02, 0.06], "disagree"),
        ([0.04, 0.06], "chance"),  # 0.04 alone is above 0.05 / 2
        ([0.5, 0.9], "chance"),
        ([0.03], "holds"),
        ([0.02, 0.02, 0.05], "holds"),
        ([0.02, 0.03, 0.2], "disagree"),
    ],
)
def test_benjamini_hochberg_over_the_replacements(p_values, kind):
    assert decide(p_values) == kind
    below = sorted(p_values)
    m = len(below)
    rejected = max((k for k in range(1, m + 1) if below[k - 1] <= 0.05 * k / m), default=0)
    assert kind == ("holds" if rejected == m else "disagree" if rejected else "chance")
    assert words("chance", "drawing").endswith("do not trust this drawing")


def test_the_best_map_is_the_one_with_the_best_verdict_then_effect():
    loaded, failure = decided_loaded(0)
    true = explain(failure, loaded)
    flat = with_relevance(true, -true.relevance)
    assert best(verdicts([flat, true], loaded)).tests[0].spread > 0
