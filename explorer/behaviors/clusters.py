"""Clusters: groups of prompts that are similar to the same datapoints, each with the datapoints that belong to it.

A cluster is a node of the prompts' Ward tree in a cut. A datapoint belongs to the cluster whose prompts it is most
similar to on average, if ``MEMBER_QUANTILE`` of permuted datapoints are less similar; otherwise to none, as ordinary
data should.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np

from explorer.behaviors import significance
from explorer.behaviors.matrix import Matrix, similarity
from explorer.behaviors.prompt_vectors import prompt_vectors
from explorer.behaviors.prompts import PromptKind, default_reference, study_prompts
from explorer.behaviors.tree import MAX_CLUSTERS, PromptTree, prompt_tree, silhouettes
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.progress import Progress, silent
from explorer.vectors.find import pick_index
from explorer.vectors.index import Index


@dataclass(frozen=True)
class Cluster:
    """One cluster of a cut.

    Attributes:
        id: 1 for the cluster that beats the null most, and so on.
        key: names the group of prompts, whatever the cut.
        prompts: rows of the matrix, those most similar to its datapoints first.
        datapoints: columns of the matrix that belong to it, the most similar first.
        similarities: their mean similarity with the prompts, −1..1.
        excess: standard deviations that its datapoints stand farther apart than in null corpora.
        null_p: share of null corpora with a cluster at least as separate; nan with too few prompts to be tested.
        stability: mean Jaccard overlap of its prompts with the closest cluster under resampling, 0..1.
    """

    id: int
    key: str
    prompts: np.ndarray
    datapoints: np.ndarray
    similarities: np.ndarray
    excess: float
    null_p: float
    stability: float

    def __repr__(self) -> str:
        return f"Cluster({self.id}, {len(self.prompts)} prompts, {len(self.datapoints):,} datapoints)"

    @property
    def mean_similarity(self) -> float:
        """Of the datapoints that belong to it; 0 without any."""
        return float(self.similarities.mean()) if len(self.similarities) else 0.0

    @property
    def emergent(self) -> bool:
        """Whether it beats the null and survives resampling."""
        return (
            len(self.datapoints) > 0
            and self.null_p <= significance.MAX_P
            and self.stability >= significance.MIN_STABILITY
        )

    def to_json(self) -> dict[str, Any]:
        """Its figures as plain JSON values, without prompts and datapoints."""
        p, stability = (None if isnan(value) else value for value in (self.null_p, self.stability))
        figures = {"mean_similarity": self.mean_similarity, "null_p": p, "null_excess": self.excess}
        return {"id": self.id, "key": self.key, "emergent": self.emergent, **figures, "stability": stability}


@dataclass(frozen=True)
class Clusters:
    """All cuts of the tree of a matrix; another number of clusters costs nothing.

    Attributes:
        index: the vectors that the matrix was computed from.
        silhouettes: by number of clusters.
        means: (u, n) mean similarity of each node of the tree with each datapoint.
        count: number of clusters asked for; None for that of the best silhouette.
        study: whose prompts and training examples they are; None where a matrix alone was clustered.
    """

    index: Index
    matrix: Matrix
    tree: PromptTree
    evidence: significance.Evidence
    silhouettes: dict[int, float]
    means: np.ndarray
    count: int | None = None
    study: Study | None = None

    def __repr__(self) -> str:
        count, prompts = self.count or self.best_count, len(self.matrix.prompts.rows)
        return f"Clusters({count} of {prompts} prompts, {self.matrix.method.name}, layer {self.matrix.layer})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the clusters are computed from but the seed; for caches."""
        matrix = self.matrix
        depends_on = (self.index.manifest.fingerprint, matrix.method.name, matrix.layer, matrix.centre, matrix.prompts)
        return hashlib.sha256(repr(depends_on).encode()).hexdigest()

    @property
    def best_count(self) -> int:
        """The number of clusters with the highest silhouette; 1 where there is none."""
        return max(self.silhouettes, key=lambda count: (self.silhouettes[count], -count), default=1)

    def cut(self, count: int | None = None) -> list[Cluster]:
        """Return the clusters of a cut, those that beat the null most first; by default ``self.count`` of them."""
        count = count or self.count or self.best_count
        if count not in self.tree.cuts:
            raise ExplorerError(f"{count} clusters were not looked at; expected 1 to {max(self.tree.cuts)}.")
        nodes = sorted(self.tree.cuts[count], key=lambda node: (-self.evidence.excess(node), node))
        closest = np.nan_to_num(self.means[nodes], nan=-np.inf).argmax(0)
        return [self._cluster(i, node, count, np.flatnonzero(closest == i - 1)) for i, node in enumerate(nodes, 1)]

    def _cluster(self, number: int, node: int, count: int, closest: np.ndarray) -> Cluster:
        evidence, means = self.evidence, self.means[node]
        members = closest[means[closest] > evidence.cutoffs[node]]
        members = members[np.argsort(-means[members], kind="stable")]
        rows = np.flatnonzero(self.tree.nodes[node])
        if len(members):
            rows = rows[np.argsort(-self.matrix.values[np.ix_(rows, members)].mean(1), kind="stable")]
        ids = "\n".join(sorted(self.matrix.rows[i].id for i in rows))
        key, excess = hashlib.sha256(ids.encode()).hexdigest()[:12], evidence.excess(node)
        p = evidence.p(node) if len(rows) >= significance.MIN_PROMPTS else float("nan")
        return Cluster(number, key, rows, members, means[members], excess, p, float(evidence.stability[count][node]))


def cluster(
    study: Study,
    *,
    method: str = "explorer",
    layer: int | None = None,
    stage: str | None = None,
    prompts: PromptKind = "all",
    count: int | None = None,
    seed: int = 0,
    reference: str | None = None,
    index: Index | None = None,
    progress: Progress = silent,
) -> Clusters:
    """Group the prompts of a study by the datapoints that explain their answers, and test every group.

    Generates missing answers and the prompts' vectors, which is slow the first time: answers, vectors and test results
    are cached in the study. Raises ExplorerError where vectors or prompts are missing.

    Args:
        method: what makes a prompt and a datapoint similar (``vectors.methods``).
        layer: 1 to L; by default the one that the index has chosen.
        stage: checkpoint whose vectors are used; by default the earliest one that has vectors.
        count: number of clusters, by default that of the best silhouette; ``Clusters.cut`` gives others.
        seed: of the null corpora and of the resampling.
        reference: checkpoint whose answers count as before training; by default ``default_reference``.
        index: the vectors to use, instead of choosing some by method, layer and stage.
    """
    index = index or pick_index(study, method, layer, stage)
    reference = reference or default_reference(study, index.manifest.checkpoint)
    answered = study_prompts(study, prompts, reference, progress)
    matrix = similarity(index, answered, prompt_vectors(study, index, answered.rows, progress), method, layer)
    return replace(find_clusters(index, matrix, count, seed, progress=progress, cached=True), study=study)


def find_clusters(
    index: Index,
    matrix: Matrix,
    count: int | None = None,
    seed: int = 0,
    draws: int = significance.DRAWS,
    resamples: int = significance.RESAMPLES,
    progress: Progress = silent,
    cached: bool = False,
) -> Clusters:
    """Cluster the prompts of a matrix and test every cluster; deterministic for a seed.

    Args:
        count: number of clusters that ``cut`` returns by default.
        draws, resamples: number of corpora of each null, and of bootstrap resamples.
        cached: whether the evidence is cached beside the index.

    Raises ExplorerError where more clusters are asked for than there are prompts, or no datapoint can be compared.
    """
    m = len(matrix.rows)
    if count is not None and not 1 <= count <= m:
        raise ExplorerError(f"{count} clusters of {m} behavior prompts can't be made; expected 1 to {m}.")
    if not matrix.ranked.any():
        raise ExplorerError("Nothing to cluster with: no datapoint has an answer.")
    values = matrix.values if matrix.ranked.all() else matrix.values[:, matrix.ranked]
    tree = prompt_tree(values, range(1, min(m, max(MAX_CLUSTERS, count or 0)) + 1))
    weigh = significance.cached_measure if cached else significance.measure
    evidence = weigh(index, matrix, tree, seed, draws, resamples, progress)
    return Clusters(index, matrix, tree, evidence, silhouettes(tree), tree.means(matrix.values), count)


def assignment(clusters: Sequence[Cluster], n: int) -> np.ndarray:
    """(n,) id of each datapoint's cluster; 0 for those of none."""
    ids = np.zeros(n, dtype=int)
    for c in clusters:
        ids[c.datapoints] = c.id
    return ids
