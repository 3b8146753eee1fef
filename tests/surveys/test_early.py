"""The test that ends early: what passes under noise and under an effect, by drawing and by counting every case."""

from fractions import Fraction

import numpy as np
import pytest

from explorer.faithfulness.verdict import DEFAULT_OPERATORS, decide
from explorer.surveys.brief import decided
from explorer.surveys.early import ALONE, FIRST, MOST, STEPS, passes


def ended(larger: np.ndarray, alone: bool = False) -> bool:
    """Whether a value passes, by which of the random ones are larger, drawn step by step."""
    for drawn in ALONE if alone else STEPS:
        if (found := passes(int(larger[:drawn].sum()), drawn, alone)) is not None:
            return found
    raise AssertionError("it never ends")


def test_noise_passes_in_five_percent_of_cases():
    """By counting: the value's rank among the random ones, and the places of those above it, are all equally likely."""
    none = Fraction(1, FIRST + 1)
    one = Fraction(1, MOST + 1) * Fraction(FIRST, MOST)  # second of all, and the first of them among the first drawn
    assert Fraction(49, 1000) < none + one <= Fraction(5, 100)
    draw = np.random.default_rng(0)
    values = draw.normal(size=(40_000, MOST + 1))
    larger = values[:, 1:] >= values[:, :1]
    assert np.mean([ended(row) for row in larger]) == pytest.approx(float(none + one), abs=0.004)
    assert np.mean([ended(row, alone=True) for row in larger]) == pytest.approx(1 / 41, abs=0.003)


def test_what_matters_passes_nearly_as_often_as_against_forty_at_once():
    draw = np.random.default_rng(1)
    for chance, lost in ((0.002, 0.01), (0.01, 0.03), (0.02, 0.06)):
        larger = draw.random((20_000, MOST)) < chance
        assert np.mean([ended(row) for row in larger]) > (larger[:, :40].sum(1) <= 1).mean() - lost


class Known:
    """A test of which all random orders are known."""

    def __init__(self, larger: np.ndarray) -> None:
        self.reference = self
        self.random = larger
        self.beaten = 1 - larger.mean()


def test_noise_is_called_chance_in_95_percent_of_verdicts():
    """Spreads of noise, an order beside its reverse, under two replacements that agree or have nothing in common."""
    draw = np.random.default_rng(2)
    for shared in (0.0, 0.7, 1.0):
        called, measured = 0, []
        for _ in range(4_000):
            common = draw.normal(size=MOST // 2 + 1)
            spreads = {o: shared * common + (1 - shared) * draw.normal(size=MOST // 2 + 1) for o in DEFAULT_OPERATORS}
            larger = {o: np.stack([s[1:], -s[1:]], 1).ravel() >= s[0] for o, s in spreads.items()}
            tests = decided(lambda operator, orders, known=larger: Known(known[operator][:orders]))  # pyright: ignore
            measured.append(sum(len(test.random) for test in tests))  # pyright: ignore
            p_values = [(1 + test.random.sum()) / (1 + len(test.random)) for test in tests]  # pyright: ignore
            called += decide(p_values) == "chance"
        assert called / 4_000 >= 0.95 - 0.007
        assert np.mean(measured) < 25  # most end after 8
