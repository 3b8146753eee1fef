"""The matrix and the map as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from explorer.behaviors.cards import annotated, make_cards
from explorer.behaviors.clusters import Clusters, assignment, find_clusters
from explorer.behaviors.matrix_view import order_matrix, window_around, window_cells
from explorer.behaviors.notes import Note
from explorer.behaviors.projection import MapView, project
from explorer.errors import ExplorerError
from explorer.figures.clusters import (
    ClusterLegend,
    MatrixMarks,
    cluster_colours,
    cluster_legend,
    map_figure,
    matrix_figure,
)
from explorer.figures.save import save_figure
from explorer.figures.style import ALIKE_HEX, OPPOSITE_HEX
from tests.behaviors.synthetic import Labelled, labelled_groups, make_matrix, noise, planted_clusters


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    """See ``planted_clusters``."""
    return planted_clusters(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """See ``labelled_groups``."""
    return labelled_groups(tmp_path_factory.mktemp("labelled"))


def whole_figure(clusters: Clusters) -> Figure:
    """Every prompt in cluster 1, every datapoint in none."""
    matrix = order_matrix(clusters)
    cells = window_cells(matrix, matrix.whole)
    m, n = cells.values.shape
    return matrix_figure(cells, np.ones(m, int), np.zeros(n, int), ClusterLegend({1: "1"}), matrix.scale)


@pytest.mark.parametrize(("m", "n"), ((1, 30), (12, 1), (1, 1), (2, 2)))
def test_the_smallest_matrices_are_drawn(tmp_path: Path, m: int, n: int) -> None:
    clusters = find_clusters(*make_matrix(tmp_path, *noise(0, m, n, 8)), draws=3, resamples=1)
    matrix = order_matrix(clusters)
    assert window_cells(matrix, matrix.whole).values.shape == (m, n)
    window_around(matrix, clusters.cut(1)[0])
    assert save_figure(whole_figure(clusters), "svg").startswith(b"<?xml")


def test_zero_vectors_have_no_colour(tmp_path: Path) -> None:
    clusters = find_clusters(*make_matrix(tmp_path, np.zeros((4, 8)), np.zeros((20, 8))), draws=3, resamples=1)
    assert order_matrix(clusters).scale == 0
    save_figure(whole_figure(clusters), "png")


@pytest.mark.parametrize(("kind", "start"), (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")))
def test_figures_as_files_are_text_only(clusters: Clusters, kind: str, start: bytes) -> None:
    title = "<script>alert(1)</script> $x$"
    map_drawn = map_figure(
        project(clusters.matrix.values), np.arange(150) % 3, ClusterLegend({1: title, 2: "2"}, (title,))
    )
    for figure in (whole_figure(clusters), map_drawn):
        file = save_figure(figure, kind)
        assert file.startswith(start) and b"<script" not in file


def test_another_kind_of_file_is_an_error(clusters: Clusters) -> None:
    for kind in ("gif", "html"):
        with pytest.raises(ExplorerError, match=f"as '{kind}'; expected svg, png, pdf"):
            save_figure(whole_figure(clusters), kind)


def texts_of(figure: Figure) -> str:
    """All words of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_names_tags_and_notes_stand_in_the_figures(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    notes = {cut[0].key: Note("fla\u202ettery $x$", "praise\nunasked", "bad"), cut[1].key: Note(tag="wanted")}
    cards = annotated(make_cards(clusters, cut, table), notes)
    legend = cluster_legend(cards)
    assert (
        legend.names[1] == "1 fla·ttery $x$ · bad" and legend.names[2] == "2 wanted" and legend.names[3] == "cluster 3"
    )
    matrix = order_matrix(clusters)
    cells = window_cells(matrix, matrix.whole)
    numbers = assignment(cut, 200)
    rows = np.ones(len(matrix.rows), int)
    for figure in (
        matrix_figure(cells, rows, numbers[matrix.columns], legend, matrix.scale),
        map_figure(project(clusters.matrix.values), numbers, legend),
    ):
        words = texts_of(figure)
        assert all(part in words for part in ("1 fla·ttery $x$ · bad", "2 wanted", "1: praise unasked", "no cluster"))
        assert save_figure(figure, "svg").startswith(b"<?xml")


def test_the_matrix_is_drawn_as_on_screen(clusters: Clusters) -> None:
    matrix = order_matrix(clusters)
    window = window_around(matrix, clusters.cut(4)[0])
    cells = window_cells(matrix, window)
    rows, columns = np.resize([1, 2], len(cells.values)), np.resize([0, 1, 2], cells.values.shape[1])
    brushed = np.arange(cells.values.shape[1]) == 1
    row, column = window.rows[0], window.columns[0]
    legend = ClusterLegend({1: "1", 2: "2"}, opened=2)
    figure = matrix_figure(cells, rows, columns, legend, matrix.scale, MatrixMarks(row, column, brushed))
    drawn = figure.axes[8].images[0]
    np.testing.assert_array_equal(drawn.get_array(), cells.values)
    assert drawn.get_extent() == [*window.columns, window.rows[1], window.rows[0]]
    assert drawn.cmap(0.0)[:3] == pytest.approx(to_rgb(OPPOSITE_HEX), abs=0.01)
    assert drawn.cmap(1.0)[:3] == pytest.approx(to_rgb(ALIKE_HEX), abs=0.01)
    strip = figure.axes[7].images[0].get_array()
    assert strip is not None and strip[:2, 0, 3].tolist() == [0.2, 1.0]  # the cluster that is not open is faded
    assert tuple(strip[1, 0, :3]) == pytest.approx(to_rgb(cluster_colours(2)[2]))
    marks = [np.asarray(line.get_xydata()).tolist() for line in figure.axes[8].lines]
    assert [row + 0.5] == sorted({y for _, y in marks[0]}) and [column + 0.5] == sorted({x for x, _ in marks[1]})
    strip_marks = [np.asarray(line.get_xdata()).tolist() for line in figure.axes[5].lines]
    assert strip_marks == [cells.column_edges[1:3].tolist()]
    assert figure.axes[8].get_xlim() == window.columns and figure.axes[8].get_ylim() == window.rows[::-1]


def test_the_map_is_drawn_as_on_screen(clusters: Clusters) -> None:
    points = project(clusters.matrix.values)
    numbers, inside = np.arange(150) % 3, np.arange(150) % 2 == 0
    outline, view = np.array([(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)]), MapView(2000, 250, -100)
    legend, mark = ClusterLegend({1: "1", 2: "2"}), int(points.rows[3])
    figure = map_figure(points, numbers, legend, view, outline, inside, mark)
    ax = figure.axes[0]
    assert (ax.get_xlim(), ax.get_ylim()) == view.limits
    scatter = ax.collections[0]
    by_place = {
        tuple(xy): colour
        for xy, colour in zip(
            np.asarray(scatter.get_offsets()).tolist(), np.asarray(scatter.get_facecolor()), strict=True
        )
    }
    for row, xy in zip(points.rows, points.points.tolist(), strict=True):
        colour, full = by_place[tuple(xy)], 0.8 if numbers[row] else 0.45
        assert colour[:3] == pytest.approx(to_rgb(cluster_colours(2)[numbers[row]]))
        assert colour[3] == pytest.approx(full if inside[row] else 0.2)
    assert np.asarray(ax.patches[0].get_path().vertices)[:4].tolist() == outline.tolist()
    np.testing.assert_array_equal(np.ravel(ax.lines[0].get_xydata()), points.points[3])
