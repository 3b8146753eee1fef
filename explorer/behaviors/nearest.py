"""A single prompt, datapoint or free text against the whole matrix, and two clusters against each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.behaviors.cards import Card
from explorer.behaviors.matrix import against
from explorer.behaviors.pipeline import Found
from explorer.behaviors.tree import EQUAL
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.rank import row_target
from explorer.ranking.scores import Target
from explorer.vectors.find import check_index, index_model
from explorer.vectors.index import UNRANKED, Index
from explorer.vectors.items import Item, item_vectors

SAME = 100
"""Most similar datapoints of each of two clusters that are held against each other."""


@dataclass(frozen=True)
class Alike:
    """What one thing is like.

    Attributes:
        datapoints: (n,) its cosine with each datapoint; nan for those never ranked.
        subjects: (m,) how alike it is to each subject: the correlation of their rows of cosines for a prompt or a free
            text (what clusters are made of), the cosine itself for a datapoint.
    """

    datapoints: np.ndarray
    subjects: np.ndarray


def like_subject(found: Found, subject: int) -> Alike:
    """A prompt of the matrix: its own row, and the prompts that rank the datapoints as it does."""
    row = found.clustering.matrix.values[subject]
    return Alike(row, correlations(row, found.clustering.matrix.values))


def like_datapoint(found: Found, index: Index, datapoint: int) -> Alike:
    """A datapoint: the datapoints near it by the same method and layer, and its own column of the matrix.

    Raises ExplorerError for one that is never ranked.
    """
    matrix = found.clustering.matrix
    target = row_target(index, datapoint, matrix.method, matrix.layers)
    row = against(index, target, matrix.method, matrix.layers, matrix.centre)[0]
    return Alike(row, matrix.values[:, datapoint])


def like_text(found: Found, study: Study, index: Index, item: Item) -> Alike:
    """Any prompt and answer (against another answer where one is given), put through the index's model.

    Raises ExplorerError where an answer has no token.
    """
    matrix = found.clustering.matrix
    loaded = load_model(index_model(study, index))
    check_index(index, loaded)
    vectors, kinds = item_vectors(loaded, [item], index.manifest.layers, index.manifest.parts)
    if int(kinds[0]) == UNRANKED:
        raise ExplorerError("The answer has no word; expected some text.")
    row = against(index, Target(vectors, kinds), matrix.method, matrix.layers, matrix.centre)[0]
    return Alike(row, correlations(row, matrix.values))


def correlations(row: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(m,) Pearson correlation of a row (n,) with each row of values (m, n), no nan columns; 0 where flat."""
    there = ~np.isnan(row)
    x, y = row[there].astype(np.float64), values[:, there].astype(np.float64)
    x, y = x - x.mean(), y - y.mean(1, keepdims=True)
    lengths = np.sqrt((x**2).sum() * (y**2).sum(1))
    flat = (x.std() <= EQUAL) | (y.std(1) <= EQUAL)
    return np.where(flat, 0.0, (y @ x) / np.where(flat, 1, lengths))


@dataclass(frozen=True)
class Versus:
    """Two clusters against each other.

    Attributes:
        shared, one, other: distinctive words of both, and of each alone.
        same, of: how many of the ``of`` most similar datapoints of each are the same ones.
        cross: mean similarity of the one's prompts with the other's datapoints, and the other way round; nan for none.
        correlation: of their mean similarities with all datapoints, −1..1.
    """

    shared: tuple[str, ...]
    one: tuple[str, ...]
    other: tuple[str, ...]
    same: int
    of: int
    cross: tuple[float, float]
    correlation: float


def versus(found: Found, one: Card, other: Card, most: int = SAME) -> Versus:
    """Compare two clusters. A datapoint belongs to one cluster alone, so the most similar ones are held together."""
    values = found.clustering.matrix.values
    means = np.stack([values[card.cluster.subjects].mean(0) for card in (one, other)])
    most = min(most, int((~np.isnan(means[0])).sum()))
    tops = [set(np.argsort(-np.nan_to_num(row, nan=-np.inf), kind="stable")[:most].tolist()) for row in means]
    cross = (_mean(values, one, other), _mean(values, other, one))
    shared = tuple(word for word in one.words if word in other.words)
    alone, others = (tuple(word for word in card.words if word not in shared) for card in (one, other))
    return Versus(
        shared, alone, others, len(tops[0] & tops[1]), most, cross, float(correlations(means[0], means[1:])[0])
    )


def _mean(values: np.ndarray, prompts: Card, datapoints: Card) -> float:
    part = values[np.ix_(prompts.cluster.subjects, datapoints.cluster.datapoints)]
    return float(part.mean()) if part.size else float("nan")


def nearest(values: np.ndarray, k: int, but: Sequence[int] = ()) -> list[int]:
    """The k largest of values (n,), the largest first; without nan and without those in ``but``."""
    kept = np.where(np.isnan(values), -np.inf, values).astype(np.float64)
    kept[list(but)] = -np.inf
    order = np.argsort(-kept, kind="stable")[:k]
    return [int(i) for i in order if kept[i] > -np.inf]
