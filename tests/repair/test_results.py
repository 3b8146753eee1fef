"""Relative changes against a simulation and by hand; verdicts for every outcome."""

from math import inf

import numpy as np
import pytest

from explorer.files import write_json
from explorer.repair.results import (
    ONE_TRAINING,
    RESULT,
    Result,
    Row,
    pooled,
    read_result,
    relative_change,
    row,
    seed_rates,
    verdict,
    wilson,
)


def arm(name: str, hits: int, seed: int = 0, k: int = 150, n: int = 40, guard: int = 70) -> Row:
    counts = {"behavior": (hits, n), "guard": (guard, 78), "control": (1, 32)}
    return row(name, 0 if name == "none" else k, seed, counts, "x")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [arm(name, hits, seed) for name, hits in (("none", 36), ("top", 2), ("random", 35)) for seed in (0, 1)],
            "The ranking found causes: −94 %",
        ),
        ([arm("none", 36), arm("top", 2), arm("random", 35)], f"The ranking found causes, {ONE_TRAINING}: −94 %"),
        (
            [arm("none", 36), arm("none", 36, 1), arm("top", 2), arm("top", 2, 1), arm("random", 35)],
            f"The ranking found causes, {ONE_TRAINING}: −94 %",
        ),
        ([arm("none", 36), arm("top", 30), arm("random", 33)], "No better than nothing"),
        ([arm("none", 36), arm("top", 18), arm("random", 20)], "No better than random"),
        ([arm("none", 2), arm("top", 0), arm("random", 2)], "Nothing can be shown: only 5%"),
        ([arm("none", 36), arm("top", 2)], "Not shown yet"),
        ([arm("none", 36)], "Not shown yet"),
        ([arm("none", 36), arm("top", 2), arm("random", 35), arm("bottom", 36)], "The last 150: +0 %"),
        ([arm("none", 36), arm("top", 2, guard=60), arm("random", 35)], "Ordinary tasks are worse: 90% → 77%"),
        ([arm("none", 36), arm("top", 2, guard=69), arm("random", 35)], "Ordinary tasks are kept"),
        ([arm("none", 36), arm("top", 2, k=9), arm("top", 30), arm("random", 33)], "No better than nothing"),
    ],
)
def test_verdicts(rows, words):
    assert words in verdict(rows)


def test_by_hand_is_said():
    assert verdict([arm("none", 36), arm("top", 2), arm("random", 35)], by_hand=True).startswith(
        "The chosen datapoints are"
    )


def test_a_verdict_is_read_from_the_figures(tmp_path):
    """A file may hold the sentence of an older version, which said nothing of a single training."""
    rows = [arm("none", 36), arm("top", 2), arm("random", 35)]
    write_json(tmp_path / RESULT, Result(rows, ranking={"method": "x"}, verdict="The ranking found causes.").to_json())
    result = read_result(tmp_path)
    assert result and result.verdict == verdict(rows) and ONE_TRAINING in result.verdict


def test_seeds_do_not_count_as_more_prompts():
    lines = pooled([arm("none", 36), arm("top", 2), arm("none", 38, 1), arm("none", 34, 2)])
    assert [line.arm for line in lines] == ["none", "top"] and lines[0].seeds == 3
    assert (lines[0].low, lines[0].high, lines[0].n) == (wilson(36, 40).low, wilson(36, 40).high, 40)
    assert [(line.least, line.most) for line in lines] == [(0.85, 0.95), (0.05, 0.05)]
    assert [seed_rates(line) for line in lines] == ["3: 85–95 %", "1"]


def test_the_interval_of_a_change_holds_the_truth_as_often_as_it_says():
    """MOVER-R covers about 95 % in simulated experiments, also with rates near 0 (a plain log-ratio fails there)."""
    rng = np.random.default_rng(0)
    for p, q in ((0.8, 0.8), (0.2, 0.8), (0.02, 0.7), (0.5, 0.4)):
        covered = 0
        for _ in range(2000):
            change = relative_change(wilson(rng.binomial(40, p), 40), wilson(rng.binomial(40, q), 40))
            covered += change is not None and change.low <= p / q - 1 <= change.high
        assert 0.93 <= covered / 2000 <= 0.99, (p, q, covered)


def test_a_change_by_hand():
    change = relative_change(wilson(0, 40), wilson(40, 40))
    assert change is not None and change.change == change.low == -1 and -1 < change.high < -0.85
    same = relative_change(wilson(20, 40), wilson(20, 40))
    assert same is not None and same.change == 0 and same.low < -0.2 and 0.2 < same.high < inf
    assert relative_change(wilson(3, 40), wilson(0, 40)) is None


def test_wilson_interval():
    rate = wilson(8, 10)
    assert (rate.rate, round(rate.low, 3), round(rate.high, 3)) == (0.8, 0.49, 0.943)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
