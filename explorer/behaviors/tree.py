"""Ward trees: of the subjects with every cut that a page offers, and of the datapoints, reduced where they are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances

MOST = 30
"""Most clusters that a cut is offered for, unless more are asked for."""
EQUAL = 1e-6
"""Similarities with a smaller standard deviation are the same, but for rounding."""
WHOLE_COLUMNS, MICRO = 5_000, 2_000
"""Up to so many datapoints are linked one by one; above, so many micro-clusters of them are."""


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
    labels = [fcluster(links, k, "maxclust") if len(links) else np.ones(1, dtype=int) for k in counts]
    groups = [labels[i] == c for i in range(len(counts)) for c in np.unique(labels[i])]
    nodes, places = np.unique(np.stack(groups), axis=0, return_inverse=True)
    cuts, start, places = {}, 0, places.ravel().tolist()
    for count, own in zip(counts, labels, strict=True):
        n = len(np.unique(own))
        cuts[count] = tuple(places[start : start + n])
        start += n
    return Tree(links, distances, nodes, cuts)


def row_distances(values: np.ndarray) -> np.ndarray:
    """(m, m) Euclidean distances of standardised rows, √(2 n (1 − correlation)); a constant row is all zeros."""
    wide = values - values.mean(1, keepdims=True)
    spread = np.sqrt(np.einsum("ij,ij->i", wide, wide) / wide.shape[1])
    wide /= np.maximum(spread, EQUAL)[:, None]
    wide[spread <= EQUAL] = 0
    found = euclidean_distances(wide)
    np.fill_diagonal(found, 0)
    return found


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
        found: Any = MiniBatchKMeans(micro, init="random", batch_size=4096, max_iter=2, random_state=seed)
        found.set_params(n_init=1).fit(points)
        used, leaf = np.unique(found.labels_, return_inverse=True)
        points = found.cluster_centers_[used]
        reduction = (
            f"{len(leaf):,} datapoints are drawn through {len(used):,} micro-clusters of similar ones "
            "(mini-batch k-means, then Ward on their centres); similarities and membership are exact."
        )
    links = np.zeros((0, 4))
    if len(points) > 1:
        distances = euclidean_distances(points)
        np.fill_diagonal(distances, 0)
        links = linkage(squareform(distances, checks=False), "ward")
    place = np.zeros(len(points), dtype=int)
    place[leaves_list(links) if len(links) else [0]] = np.arange(len(points))
    return Columns(links, leaf, np.argsort(place[leaf], kind="stable"), reduction)
