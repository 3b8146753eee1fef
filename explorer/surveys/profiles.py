"""Relevance-by-layer profiles in clusters: failures whose relevance moves through the layers alike (CAIW)."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from explorer.surveys.folder import Survey

FEWEST = 6
"""Profiles that clusters need."""
MOST = 6
"""Clusters that are tried."""


@dataclass(frozen=True)
class Profiles:
    """Profiles of a survey in K clusters, numbered from 1 by the layer of their peak.

    Attributes:
        labels: case → cluster.
        means: (K, L+1) mean share of |relevance| at each layer.
        peaks: the layer of each mean's largest share.
        composition: cluster → category → cases.
        silhouette: mean silhouette of the cases, −1..1: 0 where clusters are arbitrary.
    """

    labels: dict[str, int]
    means: np.ndarray
    peaks: tuple[int, ...]
    composition: dict[int, dict[str, int]]
    silhouette: float

    def to_json(self) -> dict[str, Any]:
        """The object under ``profiles`` of ``explorer survey --json -``."""
        clusters = [
            {"cluster": n, "peak": peak, "mean": mean.round(5).tolist(), "categories": self.composition[n]}
            for n, (peak, mean) in enumerate(zip(self.peaks, self.means, strict=True), 1)
        ]
        return {"silhouette": self.silhouette, "clusters": clusters, "labels": self.labels}


def cluster_profiles(survey: Survey, clusters: int | None = None, seed: int = 0) -> Profiles | None:
    """Cluster the profiles by k-means (ten starts, ``seed``).

    Args:
        clusters: how many; by default the number from 2 to ``MOST`` with the largest mean silhouette.

    Returns None for fewer than ``FEWEST`` different profiles.
    """
    ids = [id for id, row in survey.rows.items() if row.profile]
    if not ids:
        return None
    profiles = np.array([survey.rows[id].profile for id in ids])
    distinct = len(np.unique(profiles, axis=0))
    if distinct < FEWEST:
        return None
    tried = range(2, min(MOST, distinct - 1) + 1) if clusters is None else [max(2, min(clusters, distinct - 1))]
    fits = [
        KMeans(k, n_init=10, random_state=seed).fit_predict(profiles)  # pyright: ignore[reportArgumentType]
        for k in tried
    ]
    found, silhouette = max(
        ((labels, float(silhouette_score(profiles, labels))) for labels in fits), key=lambda pair: pair[1]
    )
    return _ordered(survey, ids, profiles, found, silhouette)


def _ordered(survey: Survey, ids: list[str], profiles: np.ndarray, found: np.ndarray, silhouette: float) -> Profiles:
    means = np.array([profiles[found == k].mean(0) for k in range(found.max() + 1)])
    layers = np.arange(means.shape[1])
    order = np.lexsort((means @ layers, means.argmax(1)))
    number = {int(old): new for new, old in enumerate(order, 1)}
    labels = {id: number[int(old)] for id, old in zip(ids, found, strict=True)}
    means = means[order]
    composition = {
        n: dict(Counter(survey.cases[id].category for id in ids if labels[id] == n)) for n in range(1, len(means) + 1)
    }
    return Profiles(labels, means, tuple(means.argmax(1).tolist()), composition, silhouette)
