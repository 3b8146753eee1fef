"""Ward trees: of the subjects with every cut that a page offers, and of the datapoints, reduced where they are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances

MOST = 30
"""Most clusters that a cut is offered for, unless more are asked for."""
EQUAL = 1e-6
"""Similarities with a smaller standard deviation are the same, but for rounding."""
SAME = 1e-5
"""Rows whose squared distance over n is smaller, of correlation 0.999995 and more, are the same, but for rounding."""
BLOCK = 8_192
WHOLE_COLUMNS, MICRO, DIRECTIONS = 5_000, 2_000, 64
"""Up to so many datapoints are linked one by one; above, so many micro-clusters, made in so many directions, are."""
_SAMPLE = 20_000


@dataclass(frozen=True)
class Tree:
    """The Ward tree of m subjects, by the correlation of their rows of similarities.

    Attributes:
        linkage: (m − 1, 4) as scipy's, of the ``distances`` (m, m).
        nodes: (u, m) bool, every group of subjects that is a cluster in some cut.
        cuts: number of clusters asked for → the nodes of that cut (fewer where subjects are identical).
    """

    linkage: np.ndarray
    distances: np.ndarray
    nodes: np.ndarray
    cuts: dict[int, tuple[int, ...]]

    @property
    def order(self) -> np.ndarray:
        """(m,) subjects as a drawing of the tree has them."""
        return leaves_list(self.linkage) if len(self.linkage) else np.zeros(1, dtype=int)

    @property
    def sizes(self) -> np.ndarray:
        """(u,) subjects in each node."""
        return self.nodes.sum(1)

    def means(self, values: np.ndarray) -> np.ndarray:
        """(u, n) mean similarity of each node's subjects with each datapoint, from values (m, n)."""
        return (self.nodes / self.sizes[:, None]).astype(values.dtype) @ values


def grow(values: np.ndarray, counts: Sequence[int]) -> Tree:
    """The tree of the rows of values (m, n), cut into each of ``counts`` clusters.

    Rows are standardised first: two subjects are alike where they rank the datapoints alike, however strongly.
    """
    distances = row_distances(values)
    links = linkage(squareform(distances, checks=False), "ward") if len(values) > 1 else np.zeros((0, 4))
    groups, cuts = _cut(links, counts)
    used, places = np.unique(np.concatenate(list(cuts.values())), return_inverse=True)
    starts = np.cumsum([0, *(len(own) for own in cuts.values())])
    own = (tuple(places[a:b].tolist()) for a, b in pairwise(starts))
    return Tree(links, distances, groups[used], dict(zip(cuts, own, strict=True)))


def _cut(links: np.ndarray, counts: Sequence[int]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Every group of the tree (2 m − 1, m) bool, and by count the groups of the cut into at most so many clusters.

    As scipy's ``fcluster`` with ``maxclust`` cuts, which costs as much for each count as this for all: merges at the
    same height are made together.
    """
    m = len(links) + 1
    groups, ends = np.concatenate([np.eye(m, dtype=bool), np.zeros((m - 1, m), dtype=bool)]), np.full(2 * m - 1, m)
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

    Products in float32 over blocks of columns, sums of blocks in float64; rows nearer than that can tell are the same.
    """
    m, n = values.shape
    mean, products = values.mean(1, keepdims=True), np.zeros((m, m))
    for start in range(0, n, BLOCK):
        block = values[:, start : start + BLOCK] - mean
        products += block @ block.T
    spread = np.sqrt(np.diag(products) / n)
    scale = np.where(spread > EQUAL, 1 / np.maximum(spread, EQUAL), 0)
    products *= scale[:, None] * scale
    own = np.diag(products)
    squares = own[:, None] + own - 2 * products
    squares[squares < SAME * n] = 0
    return np.sqrt(squares)


def silhouettes(tree: Tree) -> dict[int, float]:
    """Mean silhouette of each cut with 2 to m − 1 clusters: how much nearer a subject is to its own than to others."""
    found = {}
    for count, nodes in tree.cuts.items():
        if 2 <= len(nodes) < len(tree.distances):
            labels = tree.nodes[list(nodes)].argmax(0)
            found[count] = float(silhouette_score(tree.distances, labels, metric="precomputed"))
    return found


@dataclass(frozen=True)
class Columns:
    """The Ward tree of the datapoints, for drawing.

    Attributes:
        linkage: of the leaves; empty for a single one.
        leaf: (n,) the leaf of each datapoint.
        order: (n,) datapoints in the order of the drawing.
        reduction: what was done to make the tree of many datapoints, in words; empty where nothing was.
    """

    linkage: np.ndarray
    leaf: np.ndarray
    order: np.ndarray
    reduction: str


def grow_columns(values: np.ndarray, seed: int = 0, whole: int = WHOLE_COLUMNS, micro: int = MICRO) -> Columns:
    """The tree of the columns of values (m, n); more than ``whole`` of them are first put into micro-clusters."""
    points = values.T
    leaf, reduction = np.arange(len(points)), ""
    if len(points) > whole:
        points, kept = _principal(values, seed)
        found: Any = MiniBatchKMeans(micro, init="random", batch_size=4096, max_iter=2, random_state=seed)
        found.set_params(n_init=1).fit(points)
        used, leaf = np.unique(found.labels_, return_inverse=True)
        reduction = (
            f"{len(leaf):,} datapoints are drawn through {len(used):,} micro-clusters of similar ones (mini-batch "
            f"k-means in {points.shape[1]} principal directions, {kept:.0%} of the variance, then Ward on their "
            "centres); similarities and membership are exact."
        )
        points = found.cluster_centers_[used]
    links = np.zeros((0, 4))
    if len(points) > 1:
        distances = euclidean_distances(points)
        np.fill_diagonal(distances, 0)
        links = linkage(squareform(distances, checks=False), "ward")
    place = np.zeros(len(points), dtype=int)
    place[leaves_list(links) if len(links) else [0]] = np.arange(len(points))
    return Columns(links, leaf, np.argsort(place[leaf], kind="stable"), reduction)


def _principal(values: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """The columns of values (m, n) in the directions that vary most: (n, d), and the share of the variance kept.

    The directions are those of a sample of the columns; all columns are then put into them.
    """
    n = values.shape[1]
    chosen = np.random.default_rng(seed).choice(n, _SAMPLE, replace=False) if n > _SAMPLE else np.arange(n)
    sizes, directions = np.linalg.eigh(np.cov(values[:, chosen]))
    best = directions[:, -DIRECTIONS:].astype(values.dtype)
    kept = sizes[-DIRECTIONS:].sum() / max(sizes.sum(), 1e-30)
    return np.ascontiguousarray(values.T @ best), float(kept)
