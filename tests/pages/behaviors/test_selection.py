"""What is chosen on the Behaviors page: a prompt, a datapoint or a text by hand, a brush, a window of the matrix."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from explorer.data.study import Study
from explorer.ui.behaviors import state as behaviors_state
from tests.pages.app import shown, texts
from tests.pages.behaviors.opening import open_page


@pytest.mark.parametrize(
    ("query", "name"), (({"prompt": "d1"}, "d1"), ({"by": "datapoint", "datapoint": "r3"}, "r3"), ({}, ""))
)
def test_by_hand(study: Study, query: dict[str, str], name: str):
    app = open_page(study, view="hand", **query)
    data, near = shown(app, "hand-rows")["sections"]
    assert len(data["rows"]) == len(near["rows"]) == 8
    assert name not in [row["id"] for row in (*data["rows"], *near["rows"])]
    scores = [float(row["score"]) for row in data["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert len(app.get("plotly_chart")) == 1


def test_a_text_of_ones_own_and_a_search(study: Study):
    app = open_page(study, view="hand", by="text")
    app.text_area(key="hand-question").set_value("the city of Canada is?")
    app.text_area(key="hand-answer").set_value("Seoul")
    app.text_input(key="hand-other").set_value("Ottawa")
    app.button(key="hand-compare").click().run()
    assert not app.exception and not app.error
    near = shown(app, "hand-rows")["sections"][1]["rows"]
    assert near[0]["prompt"] == "the city of Canada is?" and near[0]["score"] == "+1.00"
    app = open_page(study, view="hand", by="datapoint")
    app.text_input(key="find-datapoint").set_value("r7 nothing").run()
    assert any("No datapoint has" in text for text in texts(app))
    app.text_input(key="find-datapoint").set_value("@SUM").run()
    assert app.query_params["datapoint"] == "r8"


def test_a_brush_filters_cards_and_list_and_stands_in_the_link(study: Study):
    app = open_page(study, clusters="3")
    behaviors_state._workers().submit(lambda: None).result()
    drawn, everything = shown(app.run(), "datapoint-map"), shown(app, "cluster-list")["cards"]
    assert drawn["inside"] is None and "clear-selection" not in {b.key for b in app.button}
    points = np.frombuffer(base64.b64decode(drawn["points"]), "<i2").reshape(-1, 2) / 32767
    middle = np.median(points[:, 0])
    app = open_page(study, clusters="3", brush=f"-1000,-1000,{round(1000 * middle)},1000")
    inside = (points[:, 0] <= round(1000 * middle) / 1000).tolist()
    drawn = shown(app, "datapoint-map")
    assert drawn["inside"] == inside and 0 < sum(inside) < len(inside)
    button = app.button(key="clear-selection")
    assert button.label.startswith(f"{sum(inside)} of 60 datapoints selected · clear")
    for card in shown(app, "cluster-list")["cards"]:
        members = [i for i, number in enumerate(drawn["clusters"]) if number == card["number"]]
        kept = sum(inside[i] for i in members)
        count = f"{kept} of {len(members)}" if kept < len(members) else str(kept)
        assert card["figures"].endswith(f" · {count} data") and kept
    brushed = [row for row, held in zip(drawn["rows"], inside, strict=True) if held]
    listed = shown(app, "selected-rows")["sections"][0]
    ids = study.datapoints()["id"].to_pylist()
    assert {row["id"] for row in listed["rows"]} == {ids[i] for i in brushed}
    held = [place in set(brushed) for place in shown(app, "similarity")["order"]]
    assert shown(app, "similarity")["brushed"] == held
    first = shown(app, "cluster-list")["cards"][0]["key"]
    opened = shown(open_page(study, clusters="3", brush=app.query_params["brush"], cluster=first), "card-rows")
    assert {row["id"] for row in opened["sections"][1]["rows"]} <= {ids[i] for i in brushed}
    button.click().run()
    assert "brush" not in app.query_params and shown(app, "cluster-list")["cards"] == everything


def test_a_window_of_the_matrix_selects_too_and_both_keep_with_another_cut(study: Study):
    app = open_page(study, clusters="3", window="0-3-5-25")
    assert app.button(key="clear-selection").label.startswith("20 of 60 datapoints and 3 of ")
    assert sum(map(len, (c["name"] for c in shown(app, "cluster-list")["cards"]))) == 0
    app.slider(key="behaviors-clusters").set_value(4).run()
    assert app.query_params["window"] == "0-3-5-25"
    app.button(key="clear-selection").click().run()
    assert "window" not in app.query_params
    app = open_page(study, clusters="3", window="0-1-0-1")  # one cell: one cluster or none
    assert len(shown(app, "cluster-list")["cards"]) <= 1
    if not shown(app, "cluster-list")["cards"]:
        assert "in the selection" in shown(app, "cluster-list")["empty"]
