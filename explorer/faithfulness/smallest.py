"""The smallest set of elements that brings a value below 0, by trying sets many at a time."""

from collections.abc import Callable, Iterable
from itertools import chain, combinations
from math import comb
from typing import Any

import numpy as np

from explorer.faithfulness.operators import prefix_masks

POOL = 8
"""Of the most promising elements every subset is tried: at most 255."""
AT_MOST = 3
"""Sets of one size that are returned."""
_CHUNK = 8
Values = Callable[[np.ndarray], np.ndarray]
"""(m, n) bool sets → (m,) values."""


def smallest_sets(values: Values, order: np.ndarray) -> list[np.ndarray]:
    """Return the smallest sets found whose value is below 0, at most ``AT_MOST`` of one size, lowest value first.

    Every single element is tried, so that one or two elements are proved to be the fewest. Then prefixes of ``order``
    and of the order that the single ones give, reduced until no element can be left out; then every smaller subset of
    the ``POOL`` elements that come first in both, so that the result is exact for up to ``POOL`` elements.

    Args:
        values: the value of each of some sets, (m, n) bool; the empty set's is not below 0.
        order: (n,) all elements, the most promising one first.
    """
    if not (n := len(order)):
        return []
    single = np.eye(n, dtype=bool)
    at_once = values(single)
    if (at_once < 0).any():
        return _lowest(single, at_once)
    orders = [order, np.argsort(at_once, kind="stable")]
    starts = [start for each in orders if (start := _first_prefix(values, each)) is not None]
    found = sorted((_reduce(values, start) for start in starts), key=lambda one: (one.sum(), values(one[None])[0]))
    pool = list(dict.fromkeys(chain.from_iterable(zip(*orders, strict=True))))[:POOL]
    most = int(found[0].sum()) if found else n + 1
    for size in range(2, min(most, len(pool) + 1)):
        sets = _masks(combinations(pool, size), n)
        if ((value := values(sets)) < 0).any():
            return _lowest(sets, value)
    return found[:1]


def _lowest(sets: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    return [sets[i] for i in np.argsort(values, kind="stable")[:AT_MOST] if values[i] < 0]


def _first_prefix(values: Values, order: np.ndarray) -> np.ndarray | None:
    """The shortest prefix of an order, of two elements or more, whose value is below 0."""
    for start in range(2, len(order) + 1, _CHUNK):
        sets = prefix_masks(order, range(start, min(start + _CHUNK, len(order) + 1)))
        if len(below := np.flatnonzero(values(sets) < 0)):
            return sets[below[0]]
    return None


def _reduce(values: Values, chosen: np.ndarray) -> np.ndarray:
    """Leave elements out until none can be: as many at once as go, those first that are missed least."""
    while True:
        members = np.flatnonzero(chosen)
        single = values(chosen & ~_masks(members[:, None], len(chosen)))
        if not (single < 0).any():
            return chosen
        spare = members[np.argsort(single, kind="stable")]
        steps = [2**k for k in range(len(spare).bit_length()) if 2**k < len(spare)] or [1]
        fewer = chosen & ~_masks([spare[:step] for step in steps], len(chosen))
        chosen = fewer[np.flatnonzero(values(fewer) < 0)[-1]]


def _masks(groups: Iterable[Any], n: int) -> np.ndarray:
    """(m, n) bool masks of groups of indices."""
    groups = list(groups)
    masks = np.zeros((len(groups), n), dtype=bool)
    for mask, group in zip(masks, groups, strict=True):
        mask[list(group)] = True
    return masks


def other_sets(chosen: np.ndarray, most: int, seed: int) -> np.ndarray:
    """(m, n) random sets of the size of one: up to ``most``, all different, and other than it."""
    generator, n, size = np.random.default_rng(seed), len(chosen), int(chosen.sum())
    sets = {chosen.tobytes(): chosen}
    while len(sets) <= min(most, comb(n, size) - 1):
        mask = _masks([generator.permutation(n)[:size]], n)[0]
        sets[mask.tobytes()] = mask
    return np.array(list(sets.values())[1:], dtype=bool).reshape(-1, n)
