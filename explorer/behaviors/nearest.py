"""What a single prompt, datapoint or text is similar to, and how two clusters compare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.behaviors.cards import Card
from explorer.behaviors.clusters import Clusters
from explorer.behaviors.tree import MIN_SPREAD
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.metrics import top
from explorer.ranking.rank import row_target
from explorer.ranking.scores import Target
from explorer.vectors.find import check_index, index_model
from explorer.vectors.index import UNRANKED
from explorer.vectors.items import Item, item_vectors


@dataclass(frozen=True)
class Similarities:
    """Similarities of one prompt, datapoint or text.

    Attributes:
        datapoints: (n,) its cosine with each datapoint; nan for those never ranked.
        prompts: (m,) of a prompt or a text the correlation of its row of cosines with each prompt's, which is what
            clusters are made of; of a datapoint its cosine with each prompt.
    """

    datapoints: np.ndarray
    prompts: np.ndarray


def similar_to_prompt(clusters: Clusters, row: int) -> Similarities:
    """A prompt of the matrix: its row, and the prompts that rank the datapoints as it does."""
    values = clusters.matrix.values
    return Similarities(values[row], correlations(values[row], values))


def similar_to_datapoint(clusters: Clusters, datapoint: int) -> Similarities:
    """A datapoint, by the same method and layer; raises ExplorerError for one that is never ranked."""
    matrix = clusters.matrix
    target = row_target(clusters.index, datapoint, matrix.method, matrix.layer)
    return Similarities(matrix.similarities(clusters.index, target)[0], matrix.values[:, datapoint])


def similar_to_text(clusters: Clusters, study: Study, item: Item) -> Similarities:
    """Any prompt and answer, read by the index's model; raises ExplorerError where an answer has no token."""
    index, matrix = clusters.index, clusters.matrix
    loaded = load_model(index_model(study, index))
    check_index(index, loaded)
    vectors, kinds = item_vectors(loaded, [item], index.manifest.layers, index.manifest.parts)
    if int(kinds[0]) == UNRANKED:
        raise ExplorerError("The answer has no word; expected some text.")
    row = matrix.similarities(index, Target(vectors, kinds))[0]
    return Similarities(row, correlations(row, matrix.values))


def correlations(row: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(m,) Pearson correlation of a row (n,) with each row of values (m, n), over columns without nan; 0 where flat."""
    ranked = ~np.isnan(row)
    x, y = row[ranked].astype(np.float64), values[:, ranked].astype(np.float64)
    x, y = x - x.mean(), y - y.mean(1, keepdims=True)
    lengths = np.sqrt((x**2).sum() * (y**2).sum(1))
    flat = (x.std() <= MIN_SPREAD) | (y.std(1) <= MIN_SPREAD)
    return np.where(flat, 0.0, (y @ x) / np.where(flat, 1, lengths))


def nearest(values: np.ndarray, k: int, exclude: Sequence[int] = ()) -> list[int]:
    """Numbers of the k largest of values (n,), the largest first; without nan and without ``exclude``."""
    scores = values.copy()
    scores[list(exclude)] = np.nan
    return top(scores, k).tolist()


@dataclass(frozen=True)
class ClusterComparison:
    """Two clusters compared.

    Attributes:
        shared_words, words: distinctive words of both; of the first alone and of the second alone.
        top, overlap: number of most similar datapoints of each that are compared, and how many of them are the same.
        cross: mean similarity of the first one's prompts with the second one's datapoints, and the reverse; nan where
            there are no datapoints.
        correlation: of their mean similarities over all datapoints, −1..1.
    """

    shared_words: tuple[str, ...]
    words: tuple[tuple[str, ...], tuple[str, ...]]
    top: int
    overlap: int
    cross: tuple[float, float]
    correlation: float


def compare_clusters(clusters: Clusters, one: Card, two: Card, most: int = 100) -> ClusterComparison:
    """Compare two clusters of a cut, and the ``most`` datapoints most similar to each, whichever they belong to."""
    a, b = (clusters.matrix.values[card.cluster.prompts] for card in (one, two))
    first, second = a.mean(0), b.mean(0)
    compared = min(most, int(clusters.matrix.ranked.sum()))
    overlap = np.intersect1d(top(first, compared), top(second, compared))
    shared = tuple(word for word in one.words if word in two.words)
    alone = [tuple(word for word in card.words if word not in shared) for card in (one, two)]
    blocks = a[:, two.cluster.datapoints], b[:, one.cluster.datapoints]
    cross = [float(block.mean()) if block.size else float("nan") for block in blocks]
    correlation = float(correlations(first, second[None])[0])
    return ClusterComparison(shared, (alone[0], alone[1]), compared, len(overlap), (cross[0], cross[1]), correlation)
