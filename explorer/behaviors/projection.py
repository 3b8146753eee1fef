"""A map of the datapoints in two dimensions: near each other are those that are alike to the same subjects."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

POINTS, DIMENSIONS, PERPLEXITY = 3_000, 30, 30
"""Datapoints on the map at most; principal components that t-SNE starts from; its perplexity."""


@dataclass(frozen=True)
class Map:
    """``points`` (p, 2) in −1..1 of the datapoints ``rows`` (p,); ``note`` says how it was made, and of how many."""

    points: np.ndarray
    rows: np.ndarray
    note: str


def project(values: np.ndarray, seed: int = 0, most: int = POINTS) -> Map:
    """Place the columns of a similarity matrix (m, n) by PCA, then t-SNE; the same for the same seed.

    Columns with nan are left out. More than ``most`` are sampled. Where all are alike, all lie at the centre.
    """
    rows = np.flatnonzero(~np.isnan(values[0]))
    every = len(rows)
    if every > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    x = values[:, rows].T.astype(np.float64)
    how = "PCA, then t-SNE: who is near whom means something, distances and axes do not."
    note = f"{len(rows):,} of {every:,} datapoints, drawn at random; {how}" if every > most else how
    if len(rows) < 2 or x.var(0).sum() < 1e-12:
        return Map(np.zeros((len(rows), 2)), rows, note)
    x = PCA(min(DIMENSIONS, *x.shape), random_state=seed).fit_transform(x)
    if len(rows) > 3 and x.shape[1] > 1:
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        x = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)
    x = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))[:, :2]
    x -= (x.max(0) + x.min(0)) / 2
    return Map(x / max(np.abs(x).max(), 1e-12), rows, note)
