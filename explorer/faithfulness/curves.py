"""Curves of the gap while tokens are replaced, in the order of a map and in random orders, and what follows from them.

Deletion curves as in Samek et al. (2017); comprehensiveness and sufficiency as in ERASER (DeYoung et al., 2020);
randomisation against matched random orders as in ICE (arXiv 2603.18579).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from explorer.errors import PromptError, count
from explorer.faithfulness.operators import MaskedPrompt, prefix_masks, random_orders

SHARES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)
"""Of the players, replaced at the points of a curve; at least one token, and at most all but one."""
LEVEL = 0.05
"""Of p-values: what passes."""
FEWEST = 5
"""Players that a verdict needs: fewer have too few orders to be held against."""
ORDERS = 50
_CHUNK = 10
_RESAMPLES = 1000


@dataclass(frozen=True)
class Reference:
    """What every map of a contrast is held against under one replacement; no map enters it.

    Attributes:
        operator: a key of ``OPERATORS``.
        sizes: (K,) tokens replaced at the points of a curve, from 0 to all.
        random: (orders, K) the gap along random orders, each followed by its reverse.
        single: (n,) the gap with one player replaced; None where that was not asked for.
    """

    operator: str
    sizes: tuple[int, ...]
    random: np.ndarray
    single: np.ndarray | None

    @property
    def gap(self) -> float:
        """The gap of the prompt as it is."""
        return float(self.random[0, 0])

    def random_quantile(self, share: float) -> np.ndarray:
        """(K,) the gap that so large a share of the random orders does not exceed."""
        return np.quantile(self.random, share, axis=0)


@dataclass(frozen=True)
class CurveTest:
    """A map under one replacement, beside random orders of the same tokens.

    Attributes:
        most_first, least_first: (K,) the gap while tokens are replaced, reddest first and bluest first.
        leave_one_out: Spearman correlation of relevance and the fall of the gap when that token alone is replaced.
        leave_one_out_random: the same for the 95th of 100 maps whose values are shuffled between the tokens; both None
            where no token was replaced alone.
    """

    reference: Reference
    most_first: np.ndarray
    least_first: np.ndarray
    leave_one_out: float | None
    leave_one_out_random: float | None

    @property
    def spread(self) -> float:
        """Mean gap while the bluest go first less that while the reddest do: + where the map's order is right."""
        return area(self.least_first, self.reference) - area(self.most_first, self.reference)

    @property
    def random_spreads(self) -> np.ndarray:
        """(orders,) the spread of the random orders: each against its reverse."""
        areas = np.array([area(curve, self.reference) for curve in self.reference.random])
        return (areas.reshape(-1, 2)[:, ::-1] - areas.reshape(-1, 2)).reshape(-1)

    @property
    def beaten(self) -> float:
        """Share of the random orders whose spread is smaller."""
        return float((self.random_spreads < self.spread - self._tolerance).mean())

    @property
    def p(self) -> float:
        """Randomisation test: the chance that a random order has a spread as large, (1 + as large) / (1 + orders)."""
        random = self.random_spreads
        return float((1 + (random >= self.spread - self._tolerance).sum()) / (1 + len(random)))

    @property
    def effect(self) -> tuple[float, float, float]:
        """(effect, low, high): the spread in standard deviations of the random ones, 95 % bootstrap over the orders."""
        random = self.random_spreads.reshape(-1, 2)
        draws = np.random.default_rng(0).integers(len(random), size=(_RESAMPLES, len(random)))
        resampled = random[draws].reshape(_RESAMPLES, -1).std(1)
        sizes = self.spread / np.maximum(resampled, 1e-12)
        low, high = np.quantile(sizes, (0.025, 0.975))
        return self.spread / max(float(random.std()), 1e-12), float(low), float(high)

    @property
    def comprehensiveness(self) -> float:
        """Mean fall of the gap when the reddest tokens are replaced, over ``SHARES``: large is good."""
        return self.reference.gap - float(self.most_first[1:-1].mean())

    @property
    def sufficiency(self) -> float:
        """Mean fall of the gap when the reddest tokens alone are kept, over 1 − ``SHARES``: small is good."""
        return self.reference.gap - float(self.least_first[1:-1].mean())

    @property
    def random_fall(self) -> tuple[float, float, float]:
        """(mean, 5 %, 95 %) of both falls, for random orders."""
        falls = self.reference.gap - self.reference.random[:, 1:-1].mean(1)
        low, high = np.quantile(falls, (0.05, 0.95))
        return float(falls.mean()), float(low), float(high)

    @property
    def _tolerance(self) -> float:
        """Differences of rounding are none."""
        return 1e-6 * max(1.0, float(np.abs(self.reference.random).max()))

    def to_json(self) -> dict[str, Any]:
        """The object of one replacement in ``explorer trace --faithfulness --json -``."""
        effect, low, high = self.effect
        mean, least, most = self.random_fall
        return {
            "replacement": self.reference.operator,
            "beats_random_orders": self.beaten,
            "p": self.p,
            "spread": self.spread,
            "effect": {"value": effect, "low": low, "high": high},
            "comprehensiveness": self.comprehensiveness,
            "sufficiency": self.sufficiency,
            "random": {"mean": mean, "low": least, "high": most, "orders": len(self.reference.random)},
            "leave_one_out": {"spearman": self.leave_one_out, "random_95": self.leave_one_out_random},
            "replaced": list(self.reference.sizes),
            "most_first": self.most_first.tolist(),
            "least_first": self.least_first.tolist(),
        }


def area(curve: np.ndarray, reference: Reference) -> float:
    """Mean gap along a curve from no token replaced to all (trapezoids over the share of tokens)."""
    sizes = np.array(reference.sizes, dtype=float)
    return float(np.trapezoid(curve, sizes / sizes[-1]))


def curve_sizes(players: int, shares: Sequence[float] = SHARES) -> tuple[int, ...]:
    """Return how many tokens are replaced at the points of a curve. Raises PromptError for too few players."""
    if players < FEWEST:
        raise PromptError(
            f"The prompt has {count(players, 'token')} that can be replaced; a verdict needs {FEWEST}, "
            "as fewer have too few orders to be held against."
        )
    inner = {min(players - 1, max(1, round(share * players))) for share in shares}
    return (0, *sorted(inner), players)


def measure_maps(
    prompt: MaskedPrompt,
    maps: Sequence[np.ndarray],
    operator: str,
    orders: int = ORDERS,
    seed: int = 0,
    on_orders: Callable[[list[CurveTest]], object] | None = None,
    sizes: Sequence[int] = (),
    leave_one_out: bool = True,
) -> list[CurveTest]:
    """Replace tokens in the orders of several maps of one contrast, and in random orders that all of them share.

    Args:
        maps: (n,) relevance of the players each.
        orders: at least 50 for a verdict; rounded up to pairs of an order and its reverse.
        seed: the same seed gives the same orders.
        on_orders: told what is known so far, after every ``_CHUNK`` orders.
        sizes: how many players are replaced at the points of a curve, from 0 to all; by default those of ``SHARES``.
        leave_one_out: also replace every token alone, and correlate.

    Raises PromptError for a prompt with fewer than ``FEWEST`` tokens that can be replaced.
    """
    n = len(prompt.players)
    sizes = tuple(sizes) or curve_sizes(n)
    by_map = [np.argsort(-sign * relevance, kind="stable") for relevance in maps for sign in (1, -1)]
    drawn = random_orders(n, orders + orders % 2, seed)
    step = _CHUNK if on_orders else len(drawn)
    _curves(prompt, [*by_map, *drawn[:step]], sizes, operator)  # in passes that they share; known from here on
    curves = _curves(prompt, by_map, sizes, operator).reshape(len(maps), 2, len(sizes))
    single, agreement = None, [(None, None) for _ in maps]
    if leave_one_out:
        single = prompt.gaps(np.eye(n, dtype=bool), operator)
        agreement = [_leave_one_out(relevance, curves[0, 0, 0] - single) for relevance in maps]
    random, tests = np.empty((0, len(sizes))), []
    for start in range(0, len(drawn), step):
        random = np.concatenate([random, _curves(prompt, drawn[start : start + step], sizes, operator)])
        reference = Reference(operator, sizes, random, single)
        tests = [
            CurveTest(reference, most, least, *found) for (most, least), found in zip(curves, agreement, strict=True)
        ]
        if on_orders:
            on_orders(tests)
    return tests


def _curves(prompt: MaskedPrompt, orders: Sequence[np.ndarray] | np.ndarray, sizes: Sequence[int], operator: str):  # noqa: ANN202
    """(orders, K) the gap along some orders."""
    masks = np.concatenate([prefix_masks(order, sizes) for order in orders])
    return prompt.gaps(masks, operator).reshape(len(orders), len(sizes))


def _leave_one_out(relevance: np.ndarray, falls: np.ndarray) -> tuple[float, float]:
    """(Spearman correlation, the 95th of 100 with the map's values shuffled)."""
    generator = np.random.default_rng(0)
    shuffled = [_spearman(generator.permutation(relevance), falls) for _ in range(100)]
    return _spearman(relevance, falls), float(np.quantile(shuffled, 0.95))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0
