"""The drawn matrix: order, windows, cells, marks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import dendrogram

from explorer.behaviors.clusters import Clusters
from explorer.behaviors.matrix_view import (
    Window,
    edges,
    first_window,
    most_common,
    order_matrix,
    strongest_within,
    window_around,
    window_cells,
)


def test_the_drawing_is_the_matrix_in_the_order_of_its_trees(clusters: Clusters) -> None:
    ordered = order_matrix(clusters)
    values, ranked = clusters.matrix.values, np.flatnonzero(clusters.matrix.ranked)
    assert sorted(ordered.rows) == list(range(24)) and set(ordered.columns) == set(ranked)
    np.testing.assert_array_equal(ordered.values, values[ordered.rows][:, ordered.columns])
    for cluster in clusters.cut(4):  # each cluster is one block of rows
        assert np.ptp(np.flatnonzero(np.isin(ordered.rows, cluster.prompts))) == len(cluster.prompts) - 1
    drawn = dendrogram(clusters.tree.linkage, no_plot=True)
    wanted = {
        (round(x[0] / 10, 3), round(x[3] / 10, 3), round(y[1], 3))
        for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    }
    assert {(round(a, 3), round(b, 3), round(h, 3)) for a, _, b, _, h in ordered.row_tree} == wanted


def test_a_window_is_drawn_in_cells_that_are_means(clusters: Clusters) -> None:
    ordered = order_matrix(clusters)
    window = Window((2, 21), (10, 120))
    drawn = window_cells(ordered, window, (7, 13))
    assert drawn.values.shape == (7, 13)
    for r in range(7):
        for c in range(13):
            part = ordered.values[
                drawn.row_edges[r] : drawn.row_edges[r + 1], drawn.column_edges[c] : drawn.column_edges[c + 1]
            ]
            assert drawn.values[r, c] == pytest.approx(part.mean(), abs=1e-6)
    whole = window_cells(ordered, ordered.whole)
    np.testing.assert_allclose(whole.values, ordered.values, atol=1e-7)
    assert len(whole.column_links) == len(ordered.column_tree)
    inside = window_cells(ordered, window).row_links
    assert len(inside) and (inside[:, 0] >= 2).all() and (inside[:, 2] <= 21).all()


@pytest.mark.parametrize(("first", "last", "most"), ((0, 5, 9), (3, 103, 7), (0, 1, 1)))
def test_edges_are_even(first: int, last: int, most: int) -> None:
    cuts = edges(first, last, most)
    assert cuts[0] == first and cuts[-1] == last and len(cuts) == min(last - first, most) + 1
    assert np.ptp(np.diff(cuts)) <= 1


def test_the_window_around_a_cluster_holds_it(clusters: Clusters) -> None:
    ordered = order_matrix(clusters)
    cluster = clusters.cut(4)[0]
    window = window_around(ordered, cluster)
    assert set(cluster.prompts) <= set(ordered.rows[slice(*window.rows)])
    inside = np.isin(cluster.datapoints, ordered.columns[slice(*window.columns)]).mean()
    assert inside >= 0.8
    assert first_window(ordered, cluster) == ordered.whole  # not a large matrix


def test_strips_and_the_strongest_of_a_cell(clusters: Clusters) -> None:
    assert most_common(np.array([1, 1, 2, 2, 2, 0]), np.array([0, 3, 6])).tolist() == [1, 2]
    assert most_common(np.array([5, 1, 2]), np.array([1, 2, 3])).tolist() == [1, 2]
    ordered = order_matrix(clusters)
    subject, datapoint = strongest_within(ordered, Window((0, 6), (10, 40)))
    assert clusters.matrix.values[subject, datapoint] == ordered.values[0:6, 10:40].max()
