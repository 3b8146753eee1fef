"""The colours: alike and opposite can be told apart, and from those of wrong and right, whoever looks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from explorer.figures.style import ACCENT, ALIKE_HEX, BLUE_HEX, OPPOSITE_HEX, RED_HEX, coloured

# Machado, Oliveira & Fernandes (2009), severity 1: what is left of linear RGB
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [(0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)]
    ),
    "deuteranopia": np.array(
        [(0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)]
    ),
    "tritanopia": np.array(
        [(1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)]
    ),
}
XYZ = np.array([(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = XYZ @ rgb.clip(0, 1) / (0.9505, 1, 1.089)
    f = [np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_alike_and_opposite_are_told_apart(sight: str) -> None:
    one, other = (lab(SIGHT[sight] @ linear(colour)) for colour in (ALIKE_HEX, OPPOSITE_HEX))
    assert np.linalg.norm(one - other) > 50


def test_no_colour_means_two_things() -> None:
    for one, other in product((ALIKE_HEX, OPPOSITE_HEX), (RED_HEX, BLUE_HEX, ACCENT)):
        assert np.linalg.norm(lab(linear(one)) - lab(linear(other))) > 35, (one, other)


@pytest.mark.parametrize("paper", ("#ffffff", "#0e1117"))
def test_both_stand_out_from_light_and_dark(paper: str) -> None:
    back = linear(paper) @ XYZ[1]
    for colour in (ALIKE_HEX, OPPOSITE_HEX):
        low, high = sorted((back, linear(colour) @ XYZ[1]))
        assert (high + 0.05) / (low + 0.05) > 2.5


def test_scripts_get_the_numbers() -> None:
    assert coloured("[$ALIKE] [$OPPOSITE] [$RED]") == "[232, 135, 30] [15, 122, 138] [220, 38, 38]"
