"""Where the rules disagree about a token: one says that it pushes towards the wrong answer, another away from it."""

from collections.abc import Sequence

import numpy as np

from explorer.trace.explain import RULES, Explanation

LEAST = 0.1
"""Of a map's strongest token outside the template: what a token must have there for its sign to count."""
ASKED = ("attnlrp", "cplrp", "gradient")
"""The rules that are compared: those that read the input of the first block."""


def disputed_tokens(maps: Sequence[Explanation]) -> dict[int, str]:
    """Return the tokens that two maps give different signs, with every map's value in words.

    A map has a say about a token where its |relevance| is at least ``LEAST`` of the map's largest outside the template.

    Args:
        maps: of one contrast, under different rules, each (T,).
    """
    inside = np.array([token.segment != "template" for token in maps[0].tokens], dtype=bool)
    values = np.stack([one.relevance for one in maps])
    size = np.abs(values)
    largest = size[:, inside].max(axis=1, keepdims=True, initial=0.0)
    counts = (size >= LEAST * largest) & (size > 0) & inside
    disputed = (counts & (values > 0)).any(axis=0) & (counts & (values < 0)).any(axis=0)
    return {
        int(i): ", ".join(f"{RULES[one.rule]} {one.relevance[i]:+.2g}" for one in maps)
        for i in np.flatnonzero(disputed)
    }
