"""A map's verdict in brief, for one of many: few random orders, two points of the curve, an early end.

It draws on the sets of tokens that the outcome is held against: they are the beginnings of the same random orders, so
that nothing is measured twice.
"""

from collections.abc import Callable

from explorer.faithfulness.curves import CurveTest, curve_sizes, measure_maps
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, MapVerdict
from explorer.surveys.early import ALONE, STEPS, passes
from explorer.trace.explain import Explanation

SECOND = {"mean": 0.5, "delete": 0.9}
"""Replacement → share of the players at the second point. How often two agree with the whole curve is told in
docs/survey.md; where nine tenths are deleted, little is left to be read."""


def brief_verdict(explanation: Explanation, prompt: MaskedPrompt, masked: int, *, seed: int = 0) -> MapVerdict:
    """Judge a map by its first ``masked`` tokens and by a second point of the curve.

    A map of noise passes as rarely as it does the whole verdict.

    Args:
        prompt: that of the explanation; what it has measured already is not measured again.
        masked: tokens that the outcome masks; no figure of the random orders enters that number.
        seed: of the random orders; the outcome's are the same under the same seed.

    Raises PromptError for a prompt with too few tokens.
    """
    relevance, n = explanation.relevance[prompt.players], len(prompt.players)

    def test_of(operator: str, orders: int) -> CurveTest:
        sizes = sorted({masked, *curve_sizes(n, (SECOND[operator],))})
        return measure_maps(prompt, [relevance], operator, orders, seed, sizes=sizes, leave_one_out=False)[0]

    return MapVerdict(explanation.rule, explanation.layer, explanation.whole, explanation.unit, n, decided(test_of))


def decided(test_of: Callable[[str, int], CurveTest]) -> tuple[CurveTest, ...]:
    """The tests of a verdict, one a replacement, each of as few random orders as decide it.

    Where one replacement fails, the other has to pass alone, at half the level (Benjamini–Hochberg over both).

    Args:
        test_of: of a replacement and a number of random orders; fewer are the first of more.
    """
    first, second = DEFAULT_OPERATORS
    one, passed = _until(test_of, first)
    other, passed_other = _until(test_of, second, alone=not passed)
    if passed and not passed_other:
        one, _ = _until(test_of, first, alone=True)
    return one, other


def _until(test_of: Callable[[str, int], CurveTest], operator: str, alone: bool = False) -> tuple[CurveTest, bool]:
    """(the test of a replacement as soon as it is decided, whether it passes)."""
    for orders in ALONE if alone else STEPS:
        test = test_of(operator, orders)
        drawn = len(test.reference.random)
        found = passes(round((1 - test.beaten) * drawn), drawn, alone)
        if found is not None:
            return test, found
    raise AssertionError("the last step decides")
