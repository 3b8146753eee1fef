"""The search for the smallest set, against all subsets one by one: set functions with traps, and their limits."""

from itertools import combinations

import numpy as np
import pytest

from explorer.faithfulness.smallest import AT_MOST, POOL, other_sets, smallest_sets


def brute_force(value, n: int) -> list[frozenset[int]]:
    """All sets of the smallest size whose value is below 0, by asking one set after the other."""
    for size in range(1, n + 1):
        if below := [frozenset(s) for s in combinations(range(n), size) if value(frozenset(s)) < 0]:
            return below
    return []


def by_mask(value):
    return lambda masks: np.array([value(frozenset(np.flatnonzero(mask).tolist())) for mask in masks])


def as_sets(masks) -> list[frozenset[int]]:
    return [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]


def lumpy(seed: int, n: int):
    """A set function that no order of elements decides: weights, and a bonus or a penalty for every set."""
    rng = np.random.default_rng(seed)
    weights, base, noise = rng.normal(size=n), rng.uniform(1, 4), rng.normal(size=2**n)
    return lambda chosen: base - sum(weights[i] for i in chosen) + (noise[sum(1 << i for i in chosen)] if chosen else 0)


@pytest.mark.parametrize("n", [1, 2, 5, POOL])
def test_up_to_a_pool_of_elements_the_result_is_the_smallest(n):
    sizes = set()
    for seed in range(60):
        value = lumpy(seed, n)
        expected = brute_force(value, n)
        found = as_sets(smallest_sets(by_mask(value), np.random.default_rng(seed).permutation(n)))
        assert bool(found) == bool(expected)
        if found:
            sizes.add(len(found[0]))
            assert set(found) <= set(expected)
            assert value(found[0]) == min(map(value, found))
    assert len(sizes) >= min(n, 3)  # not the easy cases alone


def test_beyond_the_pool_no_element_of_the_result_can_be_left_out():
    sizes, smallest = [], 0
    for seed in range(40):
        n = 12
        rng = np.random.default_rng(seed)
        weights, base = rng.exponential(size=n), rng.uniform(2, 9)
        value = lambda chosen, weights=weights, base=base: base - sum(weights[i] for i in chosen)  # noqa: E731
        expected = brute_force(value, n)
        order = np.argsort(-(weights + rng.normal(size=n)))
        found = as_sets(smallest_sets(by_mask(value), order))
        assert bool(found) == bool(expected)
        for each in found:
            assert value(each) < 0
            assert all(value(each - {i}) >= 0 for i in each)
        if found:
            sizes.append(len(found[0]))
            smallest += len(found[0]) == len(expected[0])
    assert max(sizes) > 3 and smallest >= 0.9 * len(sizes)


def test_a_pair_that_no_single_element_points_at_is_found_in_the_pool():
    value = lambda chosen: -1.0 if {2, 5} <= chosen and 0 not in chosen else 1.0  # noqa: E731
    (found,) = as_sets(smallest_sets(by_mask(value), np.arange(POOL)))
    assert found == {2, 5}


def test_of_many_that_do_it_the_best_come_first():
    gains = np.array([0.5, 3.0, 1.5, 4.0, 2.0])
    value = lambda chosen: 1.0 - sum(gains[i] for i in chosen)  # noqa: E731
    found = as_sets(smallest_sets(by_mask(value), np.arange(5)))
    assert found == [{3}, {1}, {4}] and len(found) == AT_MOST


def test_nothing_that_does_it_is_no_set():
    assert smallest_sets(lambda masks: np.ones(len(masks)), np.arange(11)) == []
    assert smallest_sets(lambda masks: np.ones(len(masks)), np.arange(0)) == []


@pytest.mark.parametrize(("size", "expected"), [(1, 5), (3, 19), (6, 0)])
def test_other_sets_are_all_different_and_as_many_as_there_are(size, expected):
    chosen = np.arange(6) < size
    others = as_sets(other_sets(chosen, 30, seed=1))
    assert len(others) == len(set(others)) == expected
    assert all(len(each) == size and each != set(range(size)) for each in others)
    assert as_sets(other_sets(chosen, 30, seed=1)) == others
    assert len(other_sets(chosen, 2, seed=1)) == min(2, expected)
