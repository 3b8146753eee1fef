"""Story and full view, old links, what the frame says and the caps leave out."""

import re

import pytest

from tests.pages.app import shown
from tests.pages.graph.drawn import asked, segments


def test_the_story_comes_first_and_the_full_view_is_one_click(app):
    app.run()
    app.switch_page("../../pages/graph.py").run()
    assert "graph" not in app.query_params
    story = shown(app, "graph-canvas")
    assert "template" not in segments(app)
    assert any(edge["run"] for edge in story["edges"])
    assert any("residual runs" in caption.value and "24 of 31 layers" in caption.value for caption in app.caption)
    app.segmented_control(key="graph-graph").set_value("full").run()
    assert app.query_params["graph"] == "full"
    full = shown(app, "graph-canvas")
    assert full["rows"] == list(range(31))
    assert "template" in segments(app)
    assert max(len(edge["run"]) for edge in full["edges"]) > 10  # strokes here too
    app.segmented_control(key="graph-graph").set_value("story").run()
    assert shown(app, "graph-canvas") == story
    assert asked(story) == {"beads": False}
    app.query_params["beads"] = "1"
    app.run()
    beads = shown(app, "graph-canvas")
    assert len(beads["nodes"]) == len(story["nodes"]) + sum(
        len(edge["run"]) - 2 for edge in story["edges"] if edge["run"]
    )
    assert asked(beads) == {"beads": True}
    assert beads["kept"] == story["kept"]


def test_the_drawing_says_what_the_caps_leave_out_and_offers_more(graph_page):
    app = graph_page
    whole = shown(app, "graph-canvas")["kept"]
    assert re.fullmatch(r"drawn: \d+ of 1,861 nodes, \d\d% of Σ\|A\|", whole)
    app.slider(key="graph-edges").set_value(20).run()
    few = shown(app, "graph-canvas")
    assert few["kept"].endswith(f"({whole.split()[-3]} without the cap)")
    assert len(few["edges"]) == 20
    assert asked(few) == {"more": None, "beads": False}
    (more,) = [ask for ask in few["asks"] if ask["name"] == "more"]
    assert "160 nodes and 260 edges" in more["title"]
    app.slider(key="graph-edges").set_value(1500).run()
    assert asked(shown(app, "graph-canvas")) == {"less": None, "beads": False}
    assert shown(app, "graph-canvas")["kept"] == whole


def test_the_frame_names_contrast_model_and_rule(graph_page):
    app = graph_page
    drawn = shown(app, "graph-canvas")
    assert re.fullmatch(r"Bella instead of Rocky: \+\d\.\d\d logits", drawn["title"])
    assert drawn["about"] == "SmolLM2-135M-Instruct · AttnLRP"
    assert drawn["verdict"] == ""
    assert [text for _, text in drawn["legend"][:2]] == ["towards “Bella”", "towards “Rocky”"]


OLD = ({"at": "node:23_39"}, {"pins": "23_39"}, {"template": "1"}, {"mass": "0.5"}, {"layers": "0.7.30"})


@pytest.mark.parametrize("query", OLD)
def test_old_links_keep_their_meaning(app, query):
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("../../pages/graph.py").run()
    drawn = shown(app, "graph-canvas")
    assert drawn["rows"] == ([0, 7, 30] if "layers" in query else list(range(31)))
    assert app.toggle(key="graph-template").value == ("template" in query)
    assert app.query_params["beads"] == "1"
    assert not any(edge["run"] for edge in drawn["edges"])


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


@pytest.mark.slow
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
