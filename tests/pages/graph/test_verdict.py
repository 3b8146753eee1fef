"""The way in words, and the verdict on the drawing."""

import pytest

from explorer.data.failures import read_failures
from explorer.errors import ExplorerError
from explorer.faithfulness.verdict import words
from explorer.graph.prune import Pruning
from explorer.ui.explained import edges_of
from explorer.ui.graph.verdict import chip_label, drawing_of, judged, known_verdict
from tests.pages.app import shown, texts

GALLERY = read_failures()


def test_the_path_stands_in_words_under_the_answers(app):
    app.run()
    app.switch_page("../../pages/graph.py").run()
    told = shown(app, "graph-path")
    text = "".join(part for part, _ in told["parts"])
    assert "the last token before the answer" in text
    assert ["Bella", "wrong"] in told["parts"]
    assert (told["copy"], told["more"]) == ("Copy", True)
    app.segmented_control(key="graph-graph").set_value("full").run()
    assert shown(app, "graph-path") == told  # it speaks of the edges, not of what is drawn of them


@pytest.mark.slow
def test_the_verdict_comes_after_the_drawing_with_its_figures(app, smollm):
    app.query_params["layers"], app.query_params["graph"] = "0.20", "story"
    app.run()
    app.switch_page("../../pages/graph.py").run()
    rows = tuple(shown(app, "graph-canvas")["rows"])
    assert rows == (0, 20, 30)
    assert shown(app, "graph-verdict-look")["after"] > 0  # the page does not wait for it
    app.button(key="graph-verdict-stop").click().run()
    assert not app.exception
    assert app.button(key="graph-verdict-ask")  # nothing more is computed unasked
    spec, failure = smollm.spec, GALLERY["wrong-dog"]
    edges = edges_of(spec, failure, "attnlrp")
    graph = edges.graph(rows, Pruning(hidden=edges.template), without=edges.template)
    assert known_verdict(spec, failure, graph) == {}
    verdict = judged(*drawing_of(spec, failure, graph))  # what the background does
    assert known_verdict(spec, failure, graph) == verdict.to_json()
    app.run()
    assert not app.exception
    assert chip_label(verdict.words) in [popover.proto.popover.label for popover in app.get("popover")]
    table = shown(app, "graph-verdict-table")
    assert table["head"] == ["", *(test.name for test in verdict.tests)]
    figures = {row[0]: row[1:] for row in table["rows"]}
    assert figures["r"] == [f"{test.agreement.r:.2f}" for test in verdict.tests]
    assert figures["nodes"][0].startswith(str(len(verdict.tests[0].nodes)))
    canvas, told = shown(app, "graph-canvas"), shown(app, "graph-verdict-told")
    assert canvas["verdict"] == told["verdict"] == verdict.sentence
    assert canvas["drawing"] == told["drawing"]
    assert sum("between relevance and effect" in text for text in texts(app)) == 1  # in the popover, and in the frame
    assert shown(app, "graph-verdict-look")["after"] is None
    app.query_params["layers"] = "0.10"
    app.run()
    assert shown(app, "graph-canvas")["drawing"] not in ("", told["drawing"])  # told of one drawing, not of the next
    assert shown(app, "graph-canvas")["verdict"] == ""


def test_a_long_prompt_is_judged_on_demand(app, monkeypatch):
    monkeypatch.setattr("explorer.ui.graph.verdict.is_short", lambda _failure: False)
    asked = []

    def later(function: object, *drawing: object) -> None:
        asked.extend([drawing] if function is judged else [])  # and not the map's
        raise ExplorerError("It can't be told here.")

    monkeypatch.setattr("explorer.ui.later.background.later", later)
    app.query_params["layers"], app.query_params["graph"] = "0.15", "story"
    app.run()
    app.switch_page("../../pages/graph.py").run()
    assert not asked
    app.button(key="graph-verdict-ask").click().run()
    assert asked[0][2:4] == ("attnlrp", (0, 15, 30))
    assert any("told here" in text for text in texts(app))


def test_the_chip_has_the_verdict_and_leaves_the_advice_to_the_frame():
    assert words("chance", "drawing").endswith(": do not trust this drawing")
    assert chip_label(words("chance", "drawing")) == "No better than chance"
    assert chip_label(words("disagree", "drawing")) == "The replacements disagree"
