"""Relative changes against a simulation and by hand."""

from math import inf

import numpy as np

from explorer.repair.rates import relative_change, wilson


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
