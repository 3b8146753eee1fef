"""How often a model shows a behavior: Wilson intervals, and the relative change between two rates."""

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Rate:
    """``hits`` of ``n`` answers match; ``low`` and ``high`` bound the 95 % Wilson interval of the rate, 0..1.

    ``hits`` is a mean, and need not be whole, where several models answered the same ``n`` prompts.
    """

    hits: float
    n: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """A rate against another one: −0.7 is 70 % less. ``low`` and ``high`` bound its 95 % interval."""

    change: float
    low: float
    high: float


def wilson(hits: float, n: int, z: float = 1.96) -> Rate:
    """Return the rate with its Wilson interval; n = 0 gives 0 within (0, 1)."""
    if n == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Rate(hits, n, p, max(0.0, middle - half), min(1.0, middle + half))


def relative_change(after: Rate, before: Rate) -> Change | None:
    """Return after / before − 1 with a 95 % interval from two Wilson intervals; None where ``before`` may be 0.

    MOVER-R (Donner and Zou, Statistical Methods in Medical Research 21, 2012), which stays sound where a rate is 0.
    The two rates are taken as independent; answers to the same prompts are not, which makes the interval wider than it
    need be, not narrower.
    """
    p, q = after.rate, before.rate
    if before.low <= 0 or q <= 0:
        return None
    lower = sqrt(max(0.0, (p * q) ** 2 - after.low * before.high * (2 * p - after.low) * (2 * q - before.high)))
    upper = sqrt(max(0.0, (p * q) ** 2 - after.high * before.low * (2 * p - after.high) * (2 * q - before.low)))
    least = (p * q - lower) / (before.high * (2 * q - before.high))
    most = (p * q + upper) / (before.low * (2 * q - before.low))
    return Change(p / q - 1, max(0.0, least) - 1, most - 1)
