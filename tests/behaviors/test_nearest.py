"""One thing against the matrix, two clusters against each other, what is drawn: each against a slow reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.cluster.hierarchy import dendrogram

from explorer.behaviors.cards import cards
from explorer.behaviors.clusters import Clustering, find_clusters
from explorer.behaviors.matrix_view import (
    Window,
    around,
    edges,
    first_window,
    most_common,
    ordered,
    strongest_within,
    view,
)
from explorer.behaviors.missing_answers import answers_missing
from explorer.behaviors.nearest import correlations, like_datapoint, like_subject, like_text, nearest, versus
from explorer.behaviors.pipeline import Found, discover
from explorer.behaviors.projection import project
from explorer.behaviors.prompts import ANSWERS, Subjects
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.figures.clusters import map_file, matrix_file
from explorer.figures.save import FORMATS
from explorer.ranking.rank import Choice
from explorer.vectors.build import build_index
from explorer.vectors.index import SINGLE, UNRANKED
from tests.behaviors.synthetic import make_matrix, noise, planted


@pytest.fixture(scope="module")
def clustering(tmp_path_factory: pytest.TempPathFactory) -> Clustering:
    subjects, rows, *_ = planted(3, 24, 150, 16, 0.2)
    kinds = [UNRANKED if i % 11 == 0 else SINGLE for i in range(150)]
    rows[::11] = 0
    index, matrix = make_matrix(tmp_path_factory.mktemp("planted"), subjects, rows, kinds)
    return find_clusters(index, matrix, draws=5, resamples=3)


def test_correlations_are_pearsons(clustering: Clustering) -> None:
    values = clustering.matrix.values.copy()
    values[3] = 0.25
    there = clustering.matrix.ranked
    found = correlations(values[0], values)
    wanted = [np.corrcoef(values[0][there], row[there])[0, 1] if i != 3 else 0 for i, row in enumerate(values)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (correlations(values[3], values) == 0).all()


def test_nearest_leaves_out_nan_and_what_it_is_told_to() -> None:
    values = np.array([0.1, np.nan, 0.9, 0.5, 0.9, -1])
    assert nearest(values, 3) == [2, 4, 3]
    assert nearest(values, 9, [2]) == [4, 3, 0, 5]


def test_two_clusters_against_each_other(clustering: Clustering) -> None:
    table = pa.table({"id": [f"r{i}" for i in range(150)], "prompt": [f"word{i % 5} and" for i in range(150)]})
    one, other = cards(clustering, clustering.cut(4), table)[:2]
    found = Found(Subjects(()), clustering, Choice("gradient", 2), "base")
    said = versus(found, one, other, 20)
    values = clustering.matrix.values
    tops = []
    for card in (one, other):
        mean = np.mean([values[i] for i in card.cluster.subjects], axis=0)
        tops.append(set(sorted(range(150), key=lambda i: (np.isnan(mean[i]), -mean[i]))[:20]))
    assert (said.same, said.of) == (len(tops[0] & tops[1]), 20)
    pairs = [values[i, j] for i in one.cluster.subjects for j in other.cluster.datapoints]
    assert said.cross[0] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert set(said.shared) == set(one.words) & set(other.words)
    assert set(said.one) == set(one.words) - set(other.words)
    itself = versus(found, one, one)
    assert itself.same == itself.of == min(100, int(clustering.matrix.ranked.sum()))
    assert itself.correlation == pytest.approx(1)


def test_a_prompt_a_datapoint_and_a_text_of_the_study(study: Study) -> None:
    index = build_index(study, "base", layers=[1, 3])
    found = discover(study, index, Choice("gradient", 1))
    matrix = found.clustering.matrix
    own = like_subject(found, 1)
    np.testing.assert_array_equal(own.datapoints, matrix.values[1])
    assert own.subjects[1] == pytest.approx(1, abs=1e-6)
    again = like_text(found, study, index, matrix.subjects[1].item(raw=False))
    np.testing.assert_allclose(again.datapoints, own.datapoints, atol=2e-3)
    row = int(np.flatnonzero(matrix.ranked)[0])
    like = like_datapoint(found, index, row)
    assert like.datapoints[row] == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(like.subjects, matrix.values[:, row])
    empty = type(matrix.subjects[1])("x", "", "one?", " ").item(raw=False)
    with pytest.raises(ExplorerError, match="The answer has no word"):
        like_text(found, study, index, empty)


def test_a_first_run_is_told_how_much_there_is_to_answer(study: Study) -> None:
    index = build_index(study, "base", layers=[1, 3])
    discover(study, index, Choice("gradient", 1))
    assert answers_missing(study, index, "all") == {} == answers_missing(study, index, "behaviors")
    path = study.folder / ANSWERS / "base.jsonl"
    held = path.read_text()
    path.write_text("\n".join(held.split("\n")[:3]) + "\n{")
    assert answers_missing(study, index, "all") == {"base": 4}
    path.unlink()
    assert answers_missing(study, index, "discovery") == {"base": 6}
    path.write_text(held)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_the_drawing_is_the_matrix_in_the_order_of_its_trees(clustering: Clustering) -> None:
    of = ordered(clustering)
    values = clustering.matrix.values
    assert sorted(of.rows) == list(range(24)) and set(of.columns) == set(np.flatnonzero(clustering.matrix.ranked))
    np.testing.assert_array_equal(of.values, values[of.rows][:, of.columns])
    for cluster in clustering.cut(4):  # each cluster is one block of rows
        assert np.ptp(np.flatnonzero(np.isin(of.rows, cluster.subjects))) == len(cluster.subjects) - 1
    drawn = dendrogram(clustering.tree.linkage, no_plot=True)
    wanted = {
        (round(x[0] / 10, 3), round(x[3] / 10, 3), round(y[1], 3))
        for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    }
    assert {(round(a, 3), round(b, 3), round(h, 3)) for a, _, b, _, h in of.row_tree} == wanted


def test_a_window_is_drawn_in_cells_that_are_means(clustering: Clustering) -> None:
    of = ordered(clustering)
    window = Window((2, 21), (10, 120))
    drawn = view(of, window, (7, 13))
    assert drawn.values.shape == (7, 13)
    for r in range(7):
        for c in range(13):
            part = of.values[
                drawn.row_edges[r] : drawn.row_edges[r + 1], drawn.column_edges[c] : drawn.column_edges[c + 1]
            ]
            assert drawn.values[r, c] == pytest.approx(part.mean(), abs=1e-6)
    whole = view(of, of.whole)
    np.testing.assert_allclose(whole.values, of.values, atol=1e-7)
    assert len(whole.column_links) == len(of.column_tree)
    inside = view(of, window).row_links
    assert len(inside) and (inside[:, 0] >= 2).all() and (inside[:, 2] <= 21).all()


@pytest.mark.parametrize(("first", "last", "most"), ((0, 5, 9), (3, 103, 7), (0, 1, 1)))
def test_edges_are_even(first: int, last: int, most: int) -> None:
    found = edges(first, last, most)
    assert found[0] == first and found[-1] == last and len(found) == min(last - first, most) + 1
    assert np.ptp(np.diff(found)) <= 1


def test_the_window_around_a_cluster_holds_it(clustering: Clustering) -> None:
    of = ordered(clustering)
    cluster = clustering.cut(4)[0]
    window = around(of, cluster)
    assert set(cluster.subjects) <= set(of.rows[slice(*window.rows)])
    held = np.isin(cluster.datapoints, of.columns[slice(*window.columns)]).mean()
    assert held >= 0.8
    assert first_window(of, cluster) == of.whole  # not a large matrix


def test_strips_and_the_strongest_of_a_cell(clustering: Clustering) -> None:
    assert most_common(np.array([1, 1, 2, 2, 2, 0]), np.array([0, 3, 6])).tolist() == [1, 2]
    assert most_common(np.array([5, 1, 2]), np.array([1, 2, 3])).tolist() == [1, 2]
    of = ordered(clustering)
    subject, datapoint = strongest_within(of, (0, 6), (10, 40))
    assert clustering.matrix.values[subject, datapoint] == of.values[0:6, 10:40].max()


@pytest.mark.parametrize(("m", "n"), ((1, 30), (12, 1), (1, 1), (2, 2)))
def test_the_smallest_matrices_are_drawn(tmp_path: Path, m: int, n: int) -> None:
    index, matrix = make_matrix(tmp_path, *noise(0, m, n, 8))
    found = find_clusters(index, matrix, draws=3, resamples=1)
    of = ordered(found)
    drawn = view(of, of.whole)
    assert drawn.values.shape == (m, n)
    around(of, found.cut(1)[0])
    assert matrix_file(drawn, [1] * m, [0] * n, ["#aaaaaa", "#7c5ce0"], of.scale, "x", "svg").startswith(b"<?xml")


def test_zero_vectors_have_no_colour(tmp_path: Path) -> None:
    index, matrix = make_matrix(tmp_path, np.zeros((4, 8)), np.zeros((20, 8)))
    of = ordered(find_clusters(index, matrix, draws=3, resamples=1))
    assert of.scale == 0
    matrix_file(view(of, of.whole), [0] * 4, [0] * 20, ["#aaaaaa"], of.scale, "x", "png")


@pytest.mark.parametrize("kind", FORMATS)
def test_figures_as_files_are_text_only(clustering: Clustering, kind: str) -> None:
    of, made = ordered(clustering), project(clustering.matrix.values)
    drawn, title = view(of, of.whole), "<script>alert(1)</script> $x$"
    colours = ["#aaaaaa", "#7c5ce0", "#0d9488"]
    one = matrix_file(drawn, [1] * 24, [0] * drawn.values.shape[1], colours, of.scale, title, kind)
    other = map_file(made, np.arange(150) % 3, colours, title, kind)
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype html>"}
    for file in (one, other):
        assert file.startswith(starts[kind]) and b"<script" not in file
    with pytest.raises(ExplorerError, match="as 'gif'; expected png, svg, pdf, html"):
        map_file(made, np.zeros(150, int), colours, title, "gif")
