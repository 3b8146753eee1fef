"""The Behaviors page through Streamlit's AppTest: what is on screen, in the link, and safe."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from explorer.behaviors.cards import make_cards
from explorer.behaviors.clusters import cluster
from explorer.data.study import Study
from explorer.ui.behaviors import state as behaviors_state
from tests.pages.app import shown, texts
from tests.pages.behaviors.opening import open_page, said
from tests.pages.data_study import HOSTILE, LIVE


def test_the_first_visit_shows_matrix_and_cards(study: Study):
    app = open_page(study)
    drawn, clusters = shown(app, "similarity"), cluster(study)
    m, n = len(clusters.matrix.rows), int(clusters.matrix.ranked.sum())
    assert drawn["total"] == [m, n] == [len(drawn["rows"]) - 1, len(drawn["columns"]) - 1]
    cells = np.frombuffer(base64.b64decode(drawn["cells"]), np.int8).reshape(m, n) / 127 * drawn["scale"]
    order = clusters.tree.order
    wanted = clusters.matrix.values[order][:, drawn["order"]].clip(-drawn["scale"], drawn["scale"])
    np.testing.assert_allclose(cells, wanted, atol=drawn["scale"] / 200)
    cards, cut = shown(app, "cluster-list")["cards"], clusters.cut()
    assert [c["key"] for c in cards] == [c.key for c in cut]
    first = clusters.matrix.rows[cut[0].prompts[0]]
    assert (cards[0]["prompt"], cards[0]["now"]) == (first.prompt, first.answer)
    assert all(card["chip"] and card["then"] for card in cards)
    made = make_cards(clusters, cut, study.datapoints())
    assert [card["summary"] for card in cards] == [list(card.summary) for card in made]
    assert "Whether it is wanted, the two answers tell" in said(app)
    assert app.slider(key="behaviors-clusters").value == clusters.best_count
    assert not set(app.query_params) - {"study"}


def test_the_map_shows_every_datapoint_in_its_cluster(study: Study):
    app = open_page(study)
    behaviors_state._workers().submit(lambda: None).result()  # the map was asked for before
    app.run()
    drawn, matrix = shown(app, "datapoint-map"), shown(app, "similarity")
    assert sorted(drawn["rows"]) == sorted(matrix["order"])
    by_row = dict(zip(drawn["rows"], drawn["clusters"], strict=True))
    assert [by_row[i] for i in matrix["order"]] == matrix["columnClusters"]
    points = np.frombuffer(base64.b64decode(drawn["points"]), "<i2")
    assert len(points) == 2 * len(drawn["rows"]) and np.abs(points).max() > 30_000


def test_a_rerun_clusters_nothing_twice(study: Study, monkeypatch: pytest.MonkeyPatch):
    app = open_page(study)
    for name in ("cluster", "make_cards", "order_matrix", "window_cells", "cached_map"):
        monkeypatch.setattr(behaviors_state, name, None)
    app.run()
    assert not app.exception


def test_the_slider_and_the_pickers_stand_in_the_link(study: Study):
    app = open_page(study)
    slider = app.slider(key="behaviors-clusters")
    other = 4 if slider.value != 4 else 5
    slider.set_value(other).run()
    assert app.query_params["clusters"] == str(other)
    assert len(shown(app, "cluster-list")["cards"]) == other
    app.selectbox(key="behaviors-method").set_value("gradient").run()
    assert "clusters" not in app.query_params
    app.selectbox(key="behaviors-layer").set_value("1").run()
    app.selectbox(key="behaviors-prompts").set_value("behaviors").run()
    assert not app.exception
    link = dict(app.query_params)
    assert link | {"method": "gradient", "layer": "1", "prompts": "behaviors"} == link
    again = open_page(study, method="gradient", layer="1", prompts="behaviors")
    assert shown(again, "similarity")["cells"] == shown(app, "similarity")["cells"]
    assert {head for card in shown(again, "cluster-list")["cards"] for head in card["heads"]} == {"bad", "good"}
    assert "bm25" not in app.selectbox(key="behaviors-method").options


def test_hostile_texts_are_data_only(study: Study):
    app = open_page(study, prompt=HOSTILE, datapoint=HOSTILE)
    assert "similarity" in said(app)
    assert not any(LIVE.search(text) for text in texts(app))
    for by in ("prompt", "datapoint"):
        app = open_page(study, view="hand", by=by, prompt=HOSTILE, datapoint=HOSTILE)
        assert not any(LIVE.search(text) for text in texts(app))


@pytest.mark.parametrize(
    "query",
    (
        {
            "cluster": "x",
            "window": "x",
            "brush": "x",
            "map": "x",
            "clusters": "99",
            "prompt": "x",
            "datapoint": "x",
            "view": "x",
            "method": "bm25",
        },
        {
            "window": "5-2-0-9",
            "brush": "1,2,3",
            "map": "1,2,3",
            "clusters": "0",
            "layer": "7",
            "stage": "x",
            "prompts": "x",
            "versus": "x",
        },
        {"window": "0-999-0-1", "view": "hand", "by": "x", "prompt": "x"},
        {"window": "9999999999999-1-1-1", "view": "hand", "by": "datapoint", "datapoint": "x"},
    ),
)
def test_broken_links_are_survived(study: Study, query: dict[str, str]):
    app = open_page(study, **query)
    assert not app.error
    drawn = shown(app, "similarity")
    assert drawn["rows"][-1] == drawn["total"][0]


def test_every_picture_has_a_table(study: Study):
    app = open_page(study, clusters="3")
    behaviors_state._workers().submit(lambda: None).result()
    app.run()
    clusters = cluster(study)
    cut, matrix = clusters.cut(3), clusters.matrix
    table = shown(app, "matrix-table")
    assert [row[:4] for row in table["rows"]] == [
        [str(c.id), f"Cluster {c.id}", str(len(c.prompts)), str(len(c.datapoints))] for c in cut
    ]
    for c, row in zip(cut, table["rows"], strict=True):
        block = matrix.values[np.ix_(c.prompts, c.datapoints)]
        assert row[4] == (f"{block.mean():+.2f}" if block.size else "–")
    rows = shown(app, "map-table")["rows"]
    assert [row[0] for row in rows] == ["–", "1", "2", "3"]
    assert sum(int(row[4]) for row in rows) == len(shown(app, "datapoint-map")["rows"])
