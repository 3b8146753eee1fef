"""A map of the datapoints in two dimensions: near each other are those that are alike to the same subjects."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import from_numpy

from explorer.behaviors.matrix import Matrix
from explorer.behaviors.vector_cache import put, subject_name
from explorer.errors import ExplorerError

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
    note = _note(len(rows), every)
    if len(rows) < 2 or x.var(0).sum() < 1e-12:
        return Map(np.zeros((len(rows), 2)), rows, note)
    x = PCA(min(DIMENSIONS, *x.shape), random_state=seed).fit_transform(x)
    if len(rows) > 3 and x.shape[1] > 1:
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        x = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)
    x = np.hstack([x, np.zeros((len(x), 1))])[:, :2]
    x -= (x.max(0) + x.min(0)) / 2
    return Map(x / max(np.abs(x).max(), 1e-12), rows, note)


def _note(shown: int, every: int) -> str:
    how = "PCA, then t-SNE: who is near whom means something, distances and axes do not."
    return f"{shown:,} of {every:,} datapoints, drawn at random; {how}" if shown < every else how


def kept_map(index_folder: Path, matrix: Matrix) -> Map:
    """``project`` of a matrix, kept beside the index in ``maps``: t-SNE takes long, and comes out otherwise elsewhere.

    A damaged file is made again.
    """
    names = [subject_name(s) for s in matrix.subjects]
    told = json.dumps([POINTS, DIMENSIONS, PERPLEXITY, matrix.method.name, matrix.layers, matrix.centre, names])
    path = index_folder / "maps" / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"
    try:
        held = load_file(path)
        return Map(held["points"], held["rows"], _note(len(held["rows"]), int(matrix.ranked.sum())))
    except (SafetensorError, OSError, KeyError):
        made = project(matrix.values)
    with suppress(ExplorerError):  # a folder that can't be written costs time, not the map
        tensors = {"points": from_numpy(made.points.astype(np.float32)), "rows": from_numpy(made.rows)}
        put(path, tensors)
    return made
