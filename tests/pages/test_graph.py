"""The Graph page: drawing, selection, marks, links."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer.data.failures import read_failures
from explorer.model.load import LoadedModel
from tests.pages.app import open_app, shown

GALLERY = read_failures()


@pytest.fixture
def app(smollm: LoadedModel) -> AppTest:
    """The app on a failure of the bare embedded model, which the tests share."""
    return open_app(case="wrong-dog")


@pytest.fixture
def graph_page(app: AppTest) -> AppTest:
    """The Graph page on the same failure."""
    app.run()
    return app.switch_page("../../pages/graph.py").run()


def test_graph_opens_from_the_trace_without_another_pass(app, monkeypatch):
    app.run()
    monkeypatch.setattr("explorer.trace.explain.trace_ids", None)  # a further pass would now fail
    app.switch_page("../../pages/graph.py").run()
    assert not app.exception
    drawn = shown(app, "graph-canvas")
    assert 20 < len(drawn["nodes"]) <= 161
    assert 20 < len(drawn["edges"]) <= 260
    assert drawn["rows"] == list(range(31))
    assert drawn["nodes"][drawn["contrast"]]["layer"] == 30
    assert any("of |relevance|" in caption.value for caption in app.caption)


def test_the_case_travels_from_page_to_page(app):
    app.run()
    app.button(key="trace-next").click().run()
    second = list(GALLERY.values())[1]
    app.query_params.clear()  # as Streamlit does when a page is changed
    app.switch_page("../../pages/graph.py").run()
    assert shown(app, "case-bar")["prompt"].startswith(second.prompt[:30])
    assert app.query_params["case"] == second.id


@pytest.mark.parametrize("query", [{"rule": "cplrp"}, {"rule": "CP-LRP"}, {"grule": "CP-LRP"}])
def test_the_rule_of_old_and_new_links(graph_page, query):
    app = graph_page
    before = shown(app, "graph-canvas")["edges"]
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert app.segmented_control(key="graph-rule").value == "cplrp"
    assert shown(app, "graph-canvas")["edges"] != before
    assert "grule" not in app.query_params


def test_graph_node_edge_and_gap(graph_page):
    app = graph_page
    drawn = shown(app, "graph-canvas")
    a, b, weight = max(drawn["edges"], key=lambda edge: abs(edge[2]))
    source, target = drawn["nodes"][a], drawn["nodes"][b]
    app.query_params["at"] = f"edge:{source['id']}:{target['id']}"
    app.run()
    heads, paths = (group["rows"] for group in shown(app, "graph-heads")["groups"])
    assert len(heads) == 9
    assert sum(low + high for _, low, high, *_ in paths) == pytest.approx(weight, rel=1e-3)
    app.query_params["at"] = f"node:{source['id']}"
    app.run()
    seen = shown(app, "graph-seen")["tokens"]
    assert len(seen) == drawn["columns"][-1]["last"] + 1
    app.button(key="graph-pin").click().run()
    assert app.query_params["pins"] == source["id"]
    app.button(key="graph-hide-token").click().run()
    assert str(source["token"]) in app.query_params["hide"].split(".")
    next(b for b in app.button if b.label == "Undo").click().run()
    assert "hide" not in app.query_params
    app.query_params["at"] = "gap:23:24"
    app.run()
    app.button(key="graph-halves").click().run()
    parts = {node.get("part") for node in shown(app, "graph-canvas")["nodes"]}
    assert parts == {None, "attention", "MLP"}
    assert not app.exception


def test_graph_layers_skip_and_expand(graph_page):
    app = graph_page
    app.button(key="graph-six").click().run()
    assert shown(app, "graph-canvas")["rows"] == [0, 5, 10, 15, 20, 25, 30]
    app.query_params["at"] = "gap:20:25"
    app.run()
    app.button(key="graph-expand").click().run()
    assert shown(app, "graph-canvas")["rows"] == [0, 5, 10, 15, 20, 21, 22, 23, 24, 25, 30]
    assert not app.exception


def test_graph_thresholds_that_leave_nothing_offer_the_nearest(graph_page):
    app = graph_page
    app.number_input(key="graph-least").set_value(1000.0).run()
    assert any("leave no edge" in warning.value for warning in app.warning)
    assert shown(app, "graph-canvas")["edges"]


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


def test_graph_ablation(graph_page):
    app = graph_page
    drawn = shown(app, "graph-canvas")
    biggest = max((n for n in drawn["nodes"] if n["layer"] == 20), key=lambda n: n["relevance"])
    app.query_params["at"] = f"node:{biggest['id']}"
    app.run()
    next(b for b in app.button if b.label == "Run the model without").click().run()
    assert float(app.metric[0].delta) < -0.1  # taking the strongest support away lowers the gap
    assert not app.exception
