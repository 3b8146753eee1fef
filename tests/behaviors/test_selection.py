"""Brush, window and what they leave of the cards, against loops over single points."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from explorer.behaviors.cards import make_cards
from explorer.behaviors.matrix_view import Window, order_matrix
from explorer.behaviors.projection import DatapointMap, MapView, project
from explorer.behaviors.selection import Brush, cards_within, select
from explorer.limits import BRUSH_POINTS
from tests.behaviors.synthetic import Labelled


@pytest.mark.parametrize(
    "text", ("0,0,500,-500", "-1000,-999,3,4,5,6", ",".join(["7"] * 2 * BRUSH_POINTS), "9999,0,0,0")
)
def test_a_brush_stands_in_a_link_as_it_was(text: str) -> None:
    brush = Brush.parse(text)
    assert brush and str(brush) == text


@pytest.mark.parametrize(
    "text",
    (*("", "1,2", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,4,", "1.5,2,3,4", "1,2,3,99999", "٣,1,1,1", " 1,2,3,4"),
     ",".join(["7"] * (2 * BRUSH_POINTS + 2))),
)  # fmt: skip
def test_what_is_no_brush_selects_nothing(text: str) -> None:
    assert Brush.parse(text) is None


def test_a_rectangle_holds_its_edges_whichever_corner_comes_first() -> None:
    points = np.array([(0.0, 0.0), (0.5, -0.5), (0.51, 0.0), (0.25, -0.2), (-0.001, 0.0)])
    for text in ("0,0,500,-500", "500,-500,0,0", "0,-500,500,0"):
        brush = Brush.parse(text)
        assert brush and brush.holds(points).tolist() == [True, True, False, True, False]
        assert len(brush.outline) == 4


def test_a_lasso_holds_what_matplotlib_says() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (500, 2))
    angles = np.sort(rng.uniform(0, 2 * np.pi, 20))
    corners = (np.c_[np.cos(angles), np.sin(angles)] * rng.uniform(200, 950, (20, 1))).round().astype(int)
    brush = Brush.parse(",".join(f"{x},{y}" for x, y in corners))
    assert brush
    inside = brush.holds(points)
    np.testing.assert_array_equal(inside, Outline(brush.outline).contains_points(points))
    assert 0.05 < inside.mean() < 0.95


def test_a_view_of_the_map_stands_in_a_link() -> None:
    assert (
        MapView.parse("2250,100,-400") == MapView(2250, 100, -400) and str(MapView(2250, 100, -400)) == "2250,100,-400"
    )
    for text in ("", "x", "1,2,3", "2250,100", "2250,1,1,1", "2250.5,0,0"):
        assert MapView.parse(text) == MapView()
    assert MapView.parse("99999,0,0").zoom == 30_000
    (left, right), (bottom, top) = MapView(2000, 500, 0).limits
    assert left == pytest.approx(-0.02) and right == pytest.approx(1.02) and bottom == -top


def test_window_and_brush_select_what_lies_in_both(labelled: Labelled) -> None:
    clusters, *_ = labelled
    matrix, points = order_matrix(clusters), project(clusters.matrix.values)
    window, brush = Window((3, 20), (10, 150)), Brush.parse("-400,-400,600,600")
    assert brush
    selection = select(matrix, 200, window, points, brush)
    assert selection
    place = {int(row): xy for row, xy in zip(points.rows, points.points, strict=True)}
    columns = set(matrix.columns[10:150].tolist())
    for i in range(200):
        x, y = place[i]
        assert selection.datapoints[i] == (i in columns and -0.4 <= x <= 0.6 and -0.4 <= y <= 0.6)
    assert set(np.flatnonzero(selection.prompts)) == set(matrix.rows[3:20])
    assert selection.describe() == f"{selection.datapoints.sum()} of 200 datapoints and 17 of 30 prompts"


def test_nothing_is_selected_where_nothing_is_left_out(labelled: Labelled) -> None:
    matrix = order_matrix(labelled.clusters)
    brush = Brush.parse("0,0,100,100")
    assert select(matrix, 200, None, None, None) is None
    assert select(matrix, 200, matrix.whole, None, brush) is None  # no map, no brush
    few = DatapointMap(np.array([(0.05, 0.05)]), np.array([7]), 200)
    selection = select(matrix, 200, None, few, brush)  # what is not on the map is in no brush
    assert selection and np.flatnonzero(selection.datapoints).tolist() == [7] and selection.prompts.all()
    assert selection.describe() == "1 of 200 datapoints"


def test_cards_list_what_is_selected_of_them(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    cards, prompts = make_cards(clusters, cut, table), clusters.matrix.rows
    assert cards_within(cards, None, prompts, table) == cards
    matrix, points = order_matrix(clusters), project(clusters.matrix.values)
    brush = Brush.parse("0,-1000,1000,1000")
    selection = select(matrix, 200, Window((0, 22), (0, 200)), points, brush)
    assert selection
    kept = {card.cluster.id: card for card in cards_within(cards, selection, prompts, table)}
    assert 0 < len(kept) < len(cards) or any("of" in card.sizes for card in kept.values())
    for card in cards:
        c = card.cluster
        inside = [i for i in c.datapoints.tolist() if selection.datapoints[i]]
        asked = [i for i in c.prompts.tolist() if selection.prompts[i]]
        assert (c.id in kept) == bool(inside and asked)
        if part := kept.get(c.id):
            assert part.ids == tuple(f"={i}" for i in inside) and [p.id for p in part.prompts] == [
                f"s{i}" for i in asked
            ]
            assert [row["id"] for row in part.strongest] == list(part.ids[:10])
            by_row = dict(zip(c.datapoints.tolist(), c.similarities.tolist(), strict=True))
            assert part.similarities.tolist() == [by_row[i] for i in inside]
            assert [d["id"] for d in part.to_json()["datapoints"]] == list(part.ids)
            assert part.summary == card.summary and part.verdict == card.verdict
