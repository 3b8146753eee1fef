"""A map of the datapoints in two dimensions: datapoints that are similar to the same prompts lie near each other."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import from_numpy

from explorer.behaviors.clusters import Clusters
from explorer.errors import ExplorerError
from explorer.vectors.cache import cache_path, read_cached, write_cached

FOLDER, POINTS, DIMENSIONS, PERPLEXITY = "maps", 3_000, 30, 30
"""Beside the index; datapoints on the map at most; principal components that t-SNE starts from; its perplexity."""
MAX_ZOOM = 30
"""How many times the map is enlarged at most."""


@dataclass(frozen=True)
class DatapointMap:
    """``points`` (p, 2) in −1..1 of the datapoints ``rows`` (p,), out of ``total`` that could be placed."""

    points: np.ndarray
    rows: np.ndarray
    total: int

    @property
    def note(self) -> str:
        """How the map was made, in words."""
        few = len(self.rows) < self.total
        sampled = f"{len(self.rows):,} of {self.total:,} datapoints, drawn at random; " if few else ""
        return f"{sampled}PCA, then t-SNE: who is near whom means something, distances and axes do not."


@dataclass(frozen=True)
class MapView:
    """The part of the map on screen: ``zoom`` 1 to ``MAX_ZOOM`` around (x, y), in thousandths, as a link holds it."""

    zoom: int = 1000
    x: int = 0
    y: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``zoom,x,y``; the whole map for anything else."""
        if not re.fullmatch(r"[0-9]{4,5},-?[0-9]{1,4},-?[0-9]{1,4}", text):
            return cls()
        zoom, x, y = map(int, text.split(","))
        return cls(min(max(zoom, 1000), 1000 * MAX_ZOOM), x, y)

    def __str__(self) -> str:
        return f"{self.zoom},{self.x},{self.y}"

    @property
    def limits(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """First and last x, and first and last y on screen, in the map's units, with a margin."""
        half = 1.04 / self.zoom * 1000
        x, y = self.x / 1000, self.y / 1000
        return (x - half, x + half), (y - half, y + half)


def project(values: np.ndarray, most: int = POINTS) -> DatapointMap:
    """Place the columns of a similarity matrix (m, n) by PCA, then t-SNE; deterministic.

    Leaves out columns with nan, and samples ``most`` of the others. Columns that are all equal lie at the centre.
    """
    rows = np.flatnonzero(~np.isnan(values[0]))
    total = len(rows)
    if total > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    x = values[:, rows].T.astype(np.float64)
    if len(rows) < 2 or x.var(0).sum() < 1e-12:
        return DatapointMap(np.zeros((len(rows), 2)), rows, total)
    x = PCA(min(DIMENSIONS, *x.shape), random_state=0).fit_transform(x)
    if len(rows) > 3 and x.shape[1] > 1:
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        x = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(x)
    x = np.pad(x, ((0, 0), (0, 1)))[:, :2]
    x -= (x.max(0) + x.min(0)) / 2
    return DatapointMap(x / max(np.abs(x).max(), 1e-12), rows, total)


def cached_map(clusters: Clusters) -> DatapointMap:
    """``project`` the matrix, cached beside the index: t-SNE is slow, and differs from machine to machine."""
    matrix = clusters.matrix
    settings = [POINTS, DIMENSIONS, PERPLEXITY, matrix.method.name, [matrix.layer], matrix.centre]
    path = cache_path(clusters.index.folder / FOLDER, [*settings, [p.digest for p in matrix.rows]])

    if cached := read_cached(path, lambda tensors: (tensors["points"].numpy(), tensors["rows"].numpy())):
        return DatapointMap(*cached, int(matrix.ranked.sum()))
    computed = project(matrix.values)
    with suppress(ExplorerError):  # a folder that can't be written costs time, not the map
        points = from_numpy(computed.points.astype(np.float32))
        write_cached(path, {"points": points, "rows": from_numpy(computed.rows)})
    return computed
