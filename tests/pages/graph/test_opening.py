"""How the page opens: from another page, computed ahead, by a link of nonsense."""

import pytest

from explorer.data.failures import read_failures
from explorer.model.load import ModelSpec
from explorer.ui.findings import of_graph
from tests.pages.app import open_app, shown

GALLERY = read_failures()


def test_graph_opens_from_the_trace_without_another_pass(app, monkeypatch):
    app.run()
    monkeypatch.setattr("explorer.trace.explain.trace_ids", None)  # a further pass would now fail
    app.switch_page("../../pages/graph.py").run()
    assert not app.exception
    drawn = shown(app, "graph-canvas")
    assert 20 < len(drawn["nodes"]) <= 161
    assert 20 < len(drawn["edges"]) <= 260
    assert drawn["rows"] == [0, 5, 10, 15, 20, 25, 30]
    assert drawn["nodes"][drawn["contrast"]]["layer"] == 30
    assert drawn["kept"].startswith("drawn: ")


def test_the_case_travels_from_page_to_page(app):
    app.run()
    app.button(key="trace-next").click().run()
    prompt = shown(app, "case-bar")["prompt"]
    assert not prompt.startswith("Lena has a dog")
    case = app.query_params["case"]
    app.query_params.clear()  # as Streamlit does when a page is changed
    app.switch_page("../../pages/graph.py").run()
    assert shown(app, "case-bar")["prompt"] == prompt
    assert app.query_params["case"] == case


def test_the_story_is_computed_ahead(smollm, monkeypatch):
    asked = []
    monkeypatch.setattr("explorer.ui.background.background.soon", lambda *what: asked.append(what))
    case, following = list(GALLERY.values())[-3:-1]
    app = open_app(case=case.id)
    app.run()
    app.switch_page("../../pages/graph.py").run()
    assert (of_graph, ModelSpec(), following.question) in asked
    of_graph(ModelSpec(), following.question)  # what the background does
    monkeypatch.setattr("explorer.graph.build.skip_edges", None)  # edges that are computed now would fail
    monkeypatch.setattr("explorer.trace.explain.trace_ids", None)
    app.button(key="graph-next").click().run()
    assert app.query_params["case"] == following.id
    assert shown(app, "graph-canvas")["rows"] == [0, 5, 10, 15, 20, 25, 30]
    assert not app.exception


def test_graph_links_with_nonsense_are_survived(graph_page):
    app = graph_page
    for name, value in {
        "at": "node:99_99",
        "pins": "x.99_1",
        "groups": "{",
        "layers": "1.x.77",
        "halves": "99",
    }.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert shown(app, "graph-canvas")["nodes"]
    for at in ("edge:1_1", "gap:x:y", "gap:1", "fold:999", "nonsense", "node:"):
        app.query_params["at"] = at
        app.run()
        assert not app.exception


@pytest.mark.parametrize(
    ("link", "expected"),
    [("2.5,-0.3,0", [2.5, -0.3, 0]), ("2.5", []), ("nan,0,0", []), ("99,0,0", []), ("2,-9,0", []), ("<b>,1,1", [])],
)
def test_the_link_says_which_part_is_seen(graph_page, link, expected):
    app = graph_page
    app.query_params["zoom"] = link
    app.run()
    assert shown(app, "graph-canvas")["zoom"] == expected and not app.exception
