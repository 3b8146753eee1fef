"""A graph.json that is opened on the page."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.app import open_app, shown, texts


def written(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The graph.json of the page, as the download button makes it."""
    made = {}
    keep = lambda make, *_: made.update(make=make)  # noqa: E731
    monkeypatch.setattr("explorer.ui.downloads.format_buttons", keep)
    app.run()
    monkeypatch.undo()
    return made["make"]("json")


@pytest.mark.slow
def test_opening_a_graph_json_restores_all(app, monkeypatch):
    app.run()
    said = {"graph": "story", "beads": "1", "template": "0", "layers": "0.9.20.30", "mass": "0.7", "rule": "cplrp"}
    said |= {
        "pins": "20_39",
        "groups": '[["G", "9_39", "0_39"]]',
        "hide": "50",
        "ablated": "zero.9_39",
        "at": "node:group-0",
    }
    for name, value in said.items():
        app.query_params[name] = value
    app.switch_page("../../pages/graph.py").run()
    data = written(app, monkeypatch)
    picture, table = shown(app, "graph-canvas"), app.dataframe[-1].value
    other = open_app(case="friend-toronto")
    other.run()
    other.switch_page("../../pages/graph.py").run()
    other.file_uploader[0].set_value(("graph.json", data, "application/json")).run()
    assert not other.exception
    assert not other.error
    assert {name: other.query_params[name] for name in said} == {name: app.query_params[name] for name in said}
    assert other.query_params["case"] == "wrong-dog"
    assert shown(other, "graph-canvas") == picture | {"drawing": ""}  # a file is not judged
    assert other.dataframe[-1].value.equals(table)
    assert not other.warning
    other.button(key="graph-unhide").click().run()  # the opened file does not hold the drawing fast
    assert "hide" not in other.query_params
    tampered = json.loads(data)
    tampered["nodes"][0]["influence"] += 7
    other.file_uploader[0].set_value(("graph.json", json.dumps(tampered).encode(), "application/json")).run()
    assert any("differs from the file by up to 7" in warning.value for warning in other.warning)


def test_a_graph_of_another_model_offers_to_load_it(app, monkeypatch):
    app.run()
    app.switch_page("../../pages/graph.py").run()
    graph = json.loads(written(app, monkeypatch))
    graph["metadata"]["scan"] = "strange-model"
    put = lambda: app.file_uploader[0].set_value(("g.json", json.dumps(graph).encode(), "application/json")).run()  # noqa: E731
    put()
    assert any("load it in the sidebar" in error.value for error in app.error)
    graph["metadata"]["link"] |= {"model": "someone/strange-model"}
    put()
    assert "model" not in app.query_params
    app.button(key="graph-load").click().run()
    assert app.query_params["model"] == "someone/strange-model"
    assert any("has not been allowed yet" in text for text in texts(app))  # the question of every link
    assert not app.exception


def test_a_file_of_something_else_is_opened_as_it_is(graph_page, monkeypatch):
    app = graph_page
    app.query_params["layers"] = "0.9.30"
    app.run()
    graph = json.loads(written(app, monkeypatch))
    graph["metadata"].pop("link")
    graph["links"] = graph["links"][:5]
    app.query_params["layers"] = "all"
    app.run()
    app.file_uploader[0].set_value(("g.json", json.dumps(graph).encode(), "application/json")).run()
    assert shown(app, "graph-canvas")["rows"] == [0, 9, 30]
    assert len(shown(app, "graph-canvas")["edges"]) == 5
    assert not app.exception
