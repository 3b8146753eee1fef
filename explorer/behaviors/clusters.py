"""Clusters: groups of subjects that are alike to the same datapoints, each with the datapoints that belong to it.

A cluster is a node of the subjects' Ward tree in a cut. A datapoint belongs to the cluster whose subjects it is most
similar to on average, if that is more than 99 % of permuted datapoints reach (``nulls.BEYOND``); otherwise to none,
which is what ordinary data should do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.behaviors.evidence_cache import keep_evidence, kept_evidence, weighing
from explorer.behaviors.matrix import Matrix
from explorer.behaviors.significance import (
    DRAWS,
    P_MOST,
    RESAMPLES,
    STABILITY_LEAST,
    SUBJECTS_LEAST,
    Evidence,
    Progress,
    gather,
)  # fmt: skip
from explorer.behaviors.tree import MOST, Tree, grow, silhouettes
from explorer.errors import ExplorerError
from explorer.vectors.index import Index


@dataclass(frozen=True)
class Cluster:
    """One cluster of a cut.

    Attributes:
        id: 1 for the cluster that beats the null most, and so on.
        key: names the group of subjects, whatever the cut.
        subjects: rows of the matrix, those most similar to its datapoints first.
        datapoints: columns of the matrix that belong to it, the most similar first.
        similarities: their mean similarity with the subjects, −1..1.
        excess: how many standard deviations the datapoints like it stand farther apart than in null corpora.
        null_p: share of null corpora with a cluster at least as separate; nan with too few subjects to be tested.
        stability: mean Jaccard overlap of its subjects with the likest cluster under resampling, 0..1.
    """

    id: int
    key: str
    subjects: np.ndarray
    datapoints: np.ndarray
    similarities: np.ndarray
    excess: float
    null_p: float
    stability: float

    @property
    def mean_similarity(self) -> float:
        """Of the datapoints that belong to it; 0 without any."""
        return float(self.similarities.mean()) if len(self.similarities) else 0.0

    @property
    def emergent(self) -> bool:
        """Whether it beats the null and survives resampling."""
        return len(self.datapoints) > 0 and self.null_p <= P_MOST and self.stability >= STABILITY_LEAST


@dataclass(frozen=True)
class Clustering:
    """All cuts of a matrix, ready to be looked at: another number of clusters costs nothing.

    ``means`` (u, n): mean similarity of each node of the tree with each datapoint. ``silhouettes``: by cluster count.
    """

    matrix: Matrix
    tree: Tree
    evidence: Evidence
    silhouettes: dict[int, float]
    means: np.ndarray

    @property
    def best_count(self) -> int:
        """The number of clusters with the highest silhouette; 1 where there is none."""
        return max(self.silhouettes, key=lambda count: (self.silhouettes[count], -count), default=1)

    def cut(self, count: int | None = None) -> list[Cluster]:
        """The clusters, those that beat the null most first; ``count`` None: as many as the silhouette says."""
        count = count or self.best_count
        if count not in self.tree.cuts:
            raise ExplorerError(f"{count} clusters were not looked at; expected 1 to {max(self.tree.cuts)}.")
        nodes = list(self.tree.cuts[count])
        nodes.sort(key=lambda node: (-self.evidence.excess(node), node))
        means = self.means[nodes]
        best = np.nan_to_num(means, nan=-np.inf).argmax(0)
        made = []
        for place, node in enumerate(nodes):
            own = np.flatnonzero((best == place) & (means[place] > self.evidence.cutoffs[node]))
            own = own[np.argsort(-means[place, own], kind="stable")]
            made.append(self._cluster(place + 1, node, count, own, means[place, own]))
        return made

    def _cluster(self, number: int, node: int, count: int, own: np.ndarray, similarities: np.ndarray) -> Cluster:
        rows, e = np.flatnonzero(self.tree.nodes[node]), self.evidence
        if len(own):
            rows = rows[np.argsort(-self.matrix.values[np.ix_(rows, own)].mean(1), kind="stable")]
        named = "\n".join(sorted(self.matrix.subjects[i].id for i in rows))
        key = hashlib.sha256(named.encode()).hexdigest()[:12]
        p = e.p(node) if len(rows) >= SUBJECTS_LEAST else float("nan")
        stable = float(e.stability[count][node])
        return Cluster(number, key, rows, own, similarities, e.excess(node), p, stable)


def find_clusters(
    index: Index,
    matrix: Matrix,
    count: int | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
    keep: bool = False,
) -> Clustering:
    """Cluster the subjects of a matrix and weigh every cluster; deterministic for a seed.

    Args:
        count: a number of clusters that ``cut`` will be asked for; needed only above ``tree.MOST``.
        draws, resamples: how many corpora of each null, and how many bootstrap resamples.
        keep: keep the figures beside the index, and take those that are there.

    Raises ExplorerError where more clusters are asked for than there are subjects, or no datapoint can be compared.
    """
    m = len(matrix.subjects)
    if count is not None and not 1 <= count <= m:
        raise ExplorerError(f"{count} clusters of {m} behavior prompts can't be made; expected 1 to {m}.")
    if not matrix.ranked.any():
        raise ExplorerError("Nothing to cluster with: no datapoint has an answer.")
    values = matrix.values if matrix.ranked.all() else matrix.values[:, matrix.ranked]
    tree = grow(values, range(1, min(m, max(MOST, count or 0)) + 1))
    path = weighing(index.folder, matrix, tree, seed, draws, resamples)
    evidence = kept_evidence(path, tree) if keep else None
    if evidence is None:
        evidence = gather(index, matrix, tree, seed, draws, resamples, progress)
        if keep:
            keep_evidence(path, evidence, tree)
    return Clustering(matrix, tree, evidence, silhouettes(tree), tree.means(matrix.values))


def assignment(clusters: Sequence[Cluster], n: int) -> np.ndarray:
    """(n,) the id of each datapoint's cluster; 0 for those of none."""
    found = np.zeros(n, dtype=int)
    for cluster in clusters:
        found[cluster.datapoints] = cluster.id
    return found
