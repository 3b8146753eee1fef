"""A map's verdict in brief, for one of many: the fewest random orders, two points of the curve, an early end.

It draws on the sets of tokens that the outcome is held against: they are the beginnings of the same random orders, so
that nothing is measured twice.
"""

from explorer.faithfulness.curves import LEVEL, CurveTest, curve_sizes, measure_maps
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, MapVerdict
from explorer.trace.explain import Explanation

ORDERS = 40
"""Random orders: the fewest with which one replacement alone can pass."""
SECOND = {"mean": 0.5, "delete": 0.9}
"""Replacement → share of the players at the second point. How often two agree with the whole curve is told in
docs/survey.md; where nine tenths are deleted, little is left to be read."""


def brief_verdict(explanation: Explanation, prompt: MaskedPrompt, masked: int, *, seed: int = 0) -> MapVerdict:
    """Judge a map by its first ``masked`` tokens and by a second point of the curve.

    Under a map of noise it passes as rarely as the whole verdict does: its p-values are exact, or larger where it is
    known early that they can't be small enough (Besag & Clifford, 1991).

    Args:
        prompt: that of the explanation; what it has measured already is not measured again.
        masked: tokens that the outcome masks; no figure of the random orders enters that number.
        seed: of the random orders; the outcome's are the same under the same seed.

    Raises PromptError for a prompt with too few tokens.
    """
    relevance, tests = explanation.relevance[prompt.players], list[CurveTest]()
    n = len(prompt.players)
    for operator in DEFAULT_OPERATORS:
        sizes = sorted({masked, *curve_sizes(n, (SECOND[operator],))})
        failed = any(test.p > LEVEL for test in tests)  # then the other must pass alone (Benjamini-Hochberg)
        bound = LEVEL / len(DEFAULT_OPERATORS) if failed else LEVEL
        (test,) = measure_maps(prompt, [relevance], operator, ORDERS, seed, sizes=sizes, bound=bound)
        tests.append(test)
    return MapVerdict(explanation.rule, explanation.layer, explanation.whole, explanation.unit, n, tuple(tests))
