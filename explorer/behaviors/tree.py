"""Ward trees: of the prompts with every cut that is offered, and of the datapoints, reduced where they are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances

MAX_CLUSTERS = 30
"""Most clusters that a cut is offered for, unless more are asked for."""
MIN_SPREAD, MIN_DISTANCE = 1e-6, 1e-5
"""Similarities with a smaller standard deviation, and rows with a smaller squared distance over n (a correlation of
0.999995 and more), are equal but for rounding."""
BLOCK, _SAMPLE = 8_192, 20_000
MAX_LINKED, MICRO_CLUSTERS, DIRECTIONS = 5_000, 2_000, 64
"""Datapoints that are linked one by one; more are first put into micro-clusters in as many dimensions."""


@dataclass(frozen=True)
class PromptTree:
    """The Ward tree of m prompts, by the correlation of their rows of similarities.

    Attributes:
        linkage: (m − 1, 4) as scipy's, of the ``distances`` (m, m).
        nodes: (u, m) bool, every group of prompts that is a cluster in some cut.
        cuts: number of clusters asked for → the nodes of that cut (fewer where prompts are identical).
    """

    linkage: np.ndarray
    distances: np.ndarray
    nodes: np.ndarray
    cuts: dict[int, tuple[int, ...]]

    @property
    def order(self) -> np.ndarray:
        """(m,) prompts in the order of the drawn tree."""
        return _leaf_order(self.linkage)

    @property
    def sizes(self) -> np.ndarray:
        """(u,) prompts in each node."""
        return self.nodes.sum(1)

    def means(self, values: np.ndarray) -> np.ndarray:
        """(u, n) mean similarity of each node's prompts with each datapoint, from values (m, n)."""
        return (self.nodes / self.sizes[:, None]).astype(values.dtype) @ values


def prompt_tree(values: np.ndarray, counts: Sequence[int]) -> PromptTree:
    """Link the rows of values (m, n) by Ward's method, and cut the tree into each of ``counts`` clusters.

    Rows are standardised first: two prompts are close where they rank the datapoints alike, however strongly.
    """
    distances = row_distances(values)
    links = _ward(distances)
    groups, cuts = _cut(links, counts)
    used = np.unique(np.concatenate(list(cuts.values())))
    nodes = {count: tuple(np.searchsorted(used, cut).tolist()) for count, cut in cuts.items()}
    return PromptTree(links, distances, groups[used], nodes)


def _ward(distances: np.ndarray) -> np.ndarray:
    return linkage(squareform(distances, checks=False), "ward") if len(distances) > 1 else np.zeros((0, 4))


def _leaf_order(links: np.ndarray) -> np.ndarray:
    return leaves_list(links) if len(links) else np.zeros(1, dtype=int)


def _cut(links: np.ndarray, counts: Sequence[int]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Every group of the tree (2 m − 1, m) bool, and by count the groups of the cut into at most that many clusters.

    Cuts as scipy's ``fcluster`` with ``maxclust`` does (merges at the same height are made together), all at once.
    """
    m = len(links) + 1
    groups, ends = np.eye(2 * m - 1, m, dtype=bool), np.full(2 * m - 1, m)
    for i, (a, b) in enumerate(links[:, :2].astype(int)):
        groups[m + i] = groups[a] | groups[b]
        ends[[a, b]] = i
    starts, heights, cuts = np.arange(2 * m - 1) - m, links[:, 2], {}
    for count in counts:
        highest = heights[m - count - 1] if count < m else 0
        merged = np.searchsorted(heights, highest, side="right")
        cuts[count] = np.flatnonzero((starts < merged) & (ends >= merged))
    return groups, cuts


def row_distances(values: np.ndarray) -> np.ndarray:
    """(m, m) Euclidean distances of standardised rows, √(2 n (1 − correlation)); a constant row is all zeros.

    Multiplies blocks of columns in float32 and adds them in float64. Rows that this can't tell apart get distance 0.
    """
    m, n = values.shape
    mean, products = values.mean(1, keepdims=True), np.zeros((m, m))
    for start in range(0, n, BLOCK):
        block = values[:, start : start + BLOCK] - mean
        products += block @ block.T
    spread = np.sqrt(np.diag(products) / n)
    scale = np.where(spread > MIN_SPREAD, 1 / np.maximum(spread, MIN_SPREAD), 0)
    products *= scale[:, None] * scale
    lengths = np.diag(products)
    squares = lengths[:, None] + lengths - 2 * products
    squares[squares < MIN_DISTANCE * n] = 0
    return np.sqrt(squares)


def silhouettes(tree: PromptTree) -> dict[int, float]:
    """Mean silhouette of each cut with 2 to m − 1 clusters: how much nearer a prompt is to its own than to others."""
    labels = {count: tree.nodes[list(nodes)].argmax(0) for count, nodes in tree.cuts.items()}
    return {
        count: float(silhouette_score(tree.distances, groups, metric="precomputed"))
        for count, groups in labels.items()
        if 1 < groups.max() + 1 < len(tree.distances)
    }


@dataclass(frozen=True)
class DatapointTree:
    """The Ward tree of the datapoints, for drawing.

    Attributes:
        leaf: (n,) the leaf of each datapoint.
        order: (n,) datapoints in the order of the drawing.
        reduction: how many datapoints were reduced to fewer leaves, in words; empty where each is a leaf.
    """

    linkage: np.ndarray
    leaf: np.ndarray
    order: np.ndarray
    reduction: str


def datapoint_tree(
    values: np.ndarray, max_linked: int = MAX_LINKED, micro_clusters: int = MICRO_CLUSTERS
) -> DatapointTree:
    """Link the columns of values (m, n); more than ``max_linked`` of them are first put into micro-clusters."""
    points = values.T
    leaf, reduction = np.arange(len(points)), ""
    if len(points) > max_linked:
        points, variance = _principal(values)
        settings: dict[str, Any] = {"init": "random", "n_init": 1, "batch_size": 4096, "max_iter": 2}
        kmeans = MiniBatchKMeans(micro_clusters, random_state=0, **settings).fit(points)
        used, leaf = np.unique(kmeans.labels_, return_inverse=True)
        reduction = (
            f"{len(leaf):,} datapoints are drawn through {len(used):,} micro-clusters of similar ones (mini-batch "
            f"k-means in {points.shape[1]} principal directions, {variance:.0%} of the variance, then Ward on their "
            "centres); similarities and membership are exact."
        )
        points = kmeans.cluster_centers_[used]
    links = _ward(euclidean_distances(points))
    place = np.argsort(_leaf_order(links))
    return DatapointTree(links, leaf, np.argsort(place[leaf], kind="stable"), reduction)


def _principal(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The columns of values (m, n) in the directions that vary most: (n, d), and the share of the variance kept.

    The directions are those of a sample of the columns; all columns are then projected on them.
    """
    n = values.shape[1]
    sample = np.random.default_rng(0).choice(n, _SAMPLE, replace=False) if n > _SAMPLE else np.arange(n)
    variances, directions = np.linalg.eigh(np.cov(values[:, sample]))
    points = values.T @ directions[:, -DIRECTIONS:].astype(values.dtype)
    return np.ascontiguousarray(points), float(variances[-DIRECTIONS:].sum() / max(variances.sum(), 1e-30))
