"""Matrices made by hand: subjects and datapoints as random vectors, with and without planted groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from explorer.behaviors.matrix import Matrix, similarity
from explorer.behaviors.prompts import Subject, Subjects
from explorer.ranking.rank import Choice
from explorer.ranking.scores import Target
from explorer.vectors.index import PAIR, SINGLE, Index
from tests.ranking.test_scores import write_index


def make_matrix(
    folder: Path, subjects: np.ndarray, rows: np.ndarray, kinds: list[int] | None = None, centre: bool = False
) -> tuple[Index, Matrix]:
    """An index of rows (n, width) and its matrix with subjects (m, width), by the method ``gradient`` at layer 2."""
    of = torch.tensor(kinds or [SINGLE] * len(rows), dtype=torch.uint8)
    index = write_index(folder, {"gradient.2": torch.from_numpy(rows).to(torch.bfloat16)}, of, 64, [2], ["gradient"])
    named = Subjects(tuple(Subject(f"s{i}", "", f"prompt {i}", "now", "then") for i in range(len(subjects))))
    target = Target({"gradient.2": torch.from_numpy(subjects).float()}, torch.full((len(subjects),), PAIR).byte())
    return index, similarity(index, named, target, Choice("gradient", 2, centre))


def noise(seed: int, m: int, n: int, width: int, kind: str = "plain") -> tuple[np.ndarray, np.ndarray]:
    """Subjects (m, width) and datapoints (n, width) without any group.

    ``correlated``: most of the variance lies in a few directions; ``offset``: far from 0; ``heavy``: with outliers.
    """
    rng = np.random.default_rng(seed)
    if kind == "heavy":
        return rng.standard_t(3, size=(m, width)), rng.standard_t(3, size=(n, width))
    subjects, rows = rng.normal(size=(m, width)), rng.normal(size=(n, width))
    if kind == "correlated":
        mix = rng.normal(size=(width, width)) * np.exp(-np.arange(width) / 4)[:, None]
        return subjects @ mix, rows @ mix
    shift = 3 * rng.normal(size=width) if kind == "offset" else 0
    return subjects + shift, rows + shift


def planted(seed: int, m: int, n: int, width: int, share: float, groups: int = 3) -> tuple[np.ndarray, ...]:
    """Subjects, datapoints, and the group of each (0 for none), with ``groups`` of ``share`` of the datapoints each."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([np.zeros((1, width)), 2 * rng.normal(size=(groups, width))])
    of_subjects = rng.integers(0, groups + 1, m)
    chance = np.array([1 - groups * share, *[share] * groups])
    of_rows = rng.choice(groups + 1, n, p=chance)
    subjects, rows = noise(seed + 1, m, n, width)
    return subjects + centres[of_subjects], rows + centres[of_rows], of_subjects, of_rows
