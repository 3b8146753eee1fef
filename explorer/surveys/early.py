"""When enough random ones are drawn: a test against random masks or orders that ends where it is decided.

A value is held against exchangeable random ones, as many at a time as ``STEPS`` say. Two that are as large end it: it
fails. None among the first ``FIRST`` ends it: it passes. With one of them it passes only if there is no other among
``MOST``. So noise passes with probability 1/23 + 22/(58·59) = 4.99 %, as in a test against a fixed number, and what
matters passes nearly as often as against 40 with one allowed (docs/survey.md). An early end by failing follows
Besag & Clifford (1991).
"""

FIRST, MOST = 22, 58
STEPS = (8, FIRST, MOST)
ALONE = (8, FIRST, 40)
"""Steps of a test that has to pass at half the level, p ≤ 0.025: none of 40 is as large."""


def passes(larger: int, drawn: int, alone: bool = False) -> bool | None:
    """Whether a value passes that ``larger`` of ``drawn`` random ones reach; None where more have to be drawn.

    Args:
        alone: at half the level.
    """
    if larger > (0 if alone else 1):
        return False
    enough = ALONE[-1] if alone else FIRST if not larger else MOST
    return True if drawn >= enough else None
