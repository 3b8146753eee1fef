"""Verdicts for every outcome."""

import pytest

from explorer.repair.rates import wilson
from explorer.repair.results import Row, pooled, row, verdict


def arm(name: str, hits: int, seed: int = 0, k: int = 150, n: int = 40, guard: int = 70) -> Row:
    counts = {"behavior": (hits, n), "guard": (guard, 78), "control": (1, 32)}
    return row(name, 0 if name == "none" else k, seed, counts, "x")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([arm("none", 36), arm("top", 2), arm("random", 35)], "The ranking found causes: −94 %"),
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


def test_seeds_do_not_count_as_more_prompts():
    lines = pooled([arm("none", 36), arm("top", 2), arm("none", 38, 1), arm("none", 34, 2)])
    assert [line.arm for line in lines] == ["none", "top"] and lines[0].seeds == 3
    assert (lines[0].low, lines[0].high, lines[0].n) == (wilson(36, 40).low, wilson(36, 40).high, 40)
