"""Matrices made by hand: prompts and datapoints as random vectors, with and without planted groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from explorer.behaviors.matrix import Matrix, similarity
from explorer.behaviors.prompts import AnsweredPrompt, PromptSet
from explorer.ranking.scores import Target
from explorer.vectors.index import PAIR, SINGLE, Index
from tests.ranking.test_scores import write_index


def make_matrix(
    folder: Path, prompts: np.ndarray, rows: np.ndarray, kinds: list[int] | None = None, centre: bool = False
) -> tuple[Index, Matrix]:
    """An index of rows (n, width) and its matrix with prompts (m, width), by the method ``gradient`` at layer 2."""
    row_kinds = torch.tensor(kinds or [SINGLE] * len(rows), dtype=torch.uint8)
    vectors = {"gradient.2": torch.from_numpy(rows).to(torch.bfloat16)}
    index = write_index(folder, vectors, row_kinds, 64, [2], ["gradient"])
    m = len(prompts)
    answered = PromptSet(tuple(AnsweredPrompt(f"s{i}", "", f"prompt {i}", "now", "then") for i in range(m)))
    target = Target({"gradient.2": torch.from_numpy(prompts).float()}, torch.full((m,), PAIR).byte())
    return index, similarity(index, answered, target, "gradient", 2, centre)


def noise(seed: int, m: int, n: int, width: int, kind: str = "plain") -> tuple[np.ndarray, np.ndarray]:
    """Prompts (m, width) and datapoints (n, width) without any group.

    ``correlated``: most of the variance lies in a few directions; ``offset``: far from 0; ``heavy``: with outliers.
    """
    rng = np.random.default_rng(seed)
    if kind == "heavy":
        return rng.standard_t(3, size=(m, width)), rng.standard_t(3, size=(n, width))
    prompts, rows = rng.normal(size=(m, width)), rng.normal(size=(n, width))
    if kind == "correlated":
        mix = rng.normal(size=(width, width)) * np.exp(-np.arange(width) / 4)[:, None]
        return prompts @ mix, rows @ mix
    shift = 3 * rng.normal(size=width) if kind == "offset" else 0
    return prompts + shift, rows + shift


def planted(seed: int, m: int, n: int, width: int, share: float, groups: int = 3) -> tuple[np.ndarray, ...]:
    """Prompts, datapoints, and the group of each (0 for none), with ``groups`` of ``share`` of the datapoints each."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([np.zeros((1, width)), 2 * rng.normal(size=(groups, width))])
    of_prompts = rng.integers(0, groups + 1, m)
    chance = np.array([1 - groups * share, *[share] * groups])
    of_rows = rng.choice(groups + 1, n, p=chance)
    prompts, rows = noise(seed + 1, m, n, width)
    return prompts + centres[of_prompts], rows + centres[of_rows], of_prompts, of_rows
