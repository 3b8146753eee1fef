"""The matrix and the map as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from explorer.behaviors.clusters import Clusters, find_clusters
from explorer.behaviors.matrix_view import order_matrix, window_around, window_cells
from explorer.behaviors.projection import project
from explorer.errors import ExplorerError
from explorer.figures.clusters import map_figure, matrix_figure
from explorer.figures.save import FORMATS, save_figure
from tests.behaviors.synthetic import make_matrix, noise, planted_clusters


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    """See ``planted_clusters``."""
    return planted_clusters(tmp_path_factory.mktemp("planted"))


def whole_figure(clusters: Clusters, title: str) -> Figure:
    """Every prompt in cluster 1, every datapoint in none."""
    matrix = order_matrix(clusters)
    cells = window_cells(matrix, matrix.whole)
    m, n = cells.values.shape
    return matrix_figure(cells, np.ones(m, int), np.zeros(n, int), 1, matrix.scale, title)


@pytest.mark.parametrize(("m", "n"), ((1, 30), (12, 1), (1, 1), (2, 2)))
def test_the_smallest_matrices_are_drawn(tmp_path: Path, m: int, n: int) -> None:
    clusters = find_clusters(*make_matrix(tmp_path, *noise(0, m, n, 8)), draws=3, resamples=1)
    matrix = order_matrix(clusters)
    assert window_cells(matrix, matrix.whole).values.shape == (m, n)
    window_around(matrix, clusters.cut(1)[0])
    assert save_figure(whole_figure(clusters, "x"), "svg").startswith(b"<?xml")


def test_zero_vectors_have_no_colour(tmp_path: Path) -> None:
    clusters = find_clusters(*make_matrix(tmp_path, np.zeros((4, 8)), np.zeros((20, 8))), draws=3, resamples=1)
    assert order_matrix(clusters).scale == 0
    save_figure(whole_figure(clusters, "x"), "png")


@pytest.mark.parametrize("kind", FORMATS)
def test_figures_as_files_are_text_only(clusters: Clusters, kind: str) -> None:
    title = "<script>alert(1)</script> $x$"
    map_drawn = map_figure(project(clusters.matrix.values), np.arange(150) % 3, 2, title)
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype html>"}
    for figure in (whole_figure(clusters, title), map_drawn):
        file = save_figure(figure, kind, title)
        assert file.startswith(starts[kind]) and b"<script" not in file
    with pytest.raises(ExplorerError, match="as 'gif'; expected png, svg, pdf, html"):
        save_figure(map_drawn, "gif", title)
