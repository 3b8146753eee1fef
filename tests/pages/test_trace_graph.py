"""Every page through Streamlit's AppTest: it runs, it reacts, it shows sentences instead of tracebacks."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.data.failures import read_failures
from explorer.model.load import LoadedModel
from tests.model.families import tiny_model
from tests.pages.app import open_app, shown

GALLERY = read_failures()


@pytest.fixture
def app(smollm: LoadedModel) -> AppTest:
    """The app on a failure of the bare embedded model, which the tests share."""
    return open_app(case="wrong-dog")


def test_a_failure_is_explained(app):
    app.run()
    assert not app.exception
    first = GALLERY["wrong-dog"]
    bar, tokens = shown(app, "case-bar"), shown(app, "rule-map")
    assert bar["prompt"].startswith(first.prompt[:30])
    assert bar["gap"].startswith("Δℓ = +")
    assert len(tokens["tokens"]) > 20
    assert any(segment == "evidence" for _, segment, *_ in tokens["tokens"])
    assert app.get("echarts_chart")
    assert any("Shares add up to" in caption.value for caption in app.caption)


def test_rules_layers_and_comparison(app):
    app.run()
    before = shown(app, "rule-map")["tokens"]
    app.segmented_control(key="rule").set_value("representation-gradient").run()
    app.slider(key="rule-layer").set_value(7).run()
    tokens = shown(app, "rule-map")
    assert tokens["caption"] == "Representation gradient, layer 7"
    assert tokens["tokens"] != before
    app.toggle(key="rule-norms").set_value(True).run()
    assert shown(app, "rule-map")["signed"] is False
    app.toggle(key="compare").set_value(True).run()
    assert shown(app, "rule2-map")["caption"] == "Gradient × input"
    app.toggle(key="whole").set_value(True).run()
    assert shown(app, "rule2-map")["unit"] == "nats"
    assert not app.exception


def test_a_rerun_traces_nothing_twice(app, monkeypatch):
    app.run()
    app.segmented_control(key="rule").set_value("representation-gradient").run()
    monkeypatch.setattr("explorer.trace.explain.trace_ids", None)  # a further pass would now fail
    app.slider(key="rule-layer").set_value(3).run()
    app.segmented_control(key="rule").set_value("gradient").run()
    app.segmented_control(key="rule").set_value("attnlrp").run()
    assert not app.exception
    assert not app.error


def test_next_previous_and_link(app):
    ids = list(GALLERY)
    app.run()
    app.button(key="next").click().run()
    assert app.query_params["case"] == ids[1]
    app.button(key="previous").click().run()
    assert app.query_params["case"] == ids[0] == "wrong-dog"
    linked = open_app(case=ids[-1]).run()
    linked.button(key="next").click().run()  # round to the study's first
    assert linked.query_params["case"] not in ids
    linked.button(key="previous").click().run()
    assert linked.query_params["case"] == ids[-1]
    linked = open_app(case=ids[3], token="25").run()
    assert shown(linked, "rule-map")["selected"] == 25
    assert shown(linked, "case-bar")["prompt"].startswith(GALLERY[ids[3]].prompt[:20])


def test_own_prompt_is_asked_and_explained(app):
    app.run()
    app.button(key="new").click().run()
    app.text_area(key="compose-prompt").set_value("What is the capital of France?").run()
    next(b for b in app.button if b.label == "Ask the model").click().run()
    assert "Paris" in "".join(t[0] for t in shown(app, "answer-map")["tokens"])
    app.text_input(key="compose-wrong").set_value("The").run()
    app.text_input(key="compose-right").set_value("Paris").run()
    next(b for b in app.button if b.label == "Explain").click().run()
    assert shown(app, "case-bar")["right"] == "Paris"
    assert app.query_params["q"] == "What is the capital of France?"
    assert not app.exception


def test_a_prompt_too_long_for_a_link_stays_in_the_session(app):
    app.run()
    app.button(key="new").click().run()
    app.text_area(key="compose-prompt").set_value("word " * 1300 + "Yes or no?").run()
    app.text_input(key="compose-wrong").set_value("Yes").run()
    app.text_input(key="compose-right").set_value("No").run()
    next(b for b in app.button if b.label == "Explain").click().run()
    assert "q" not in app.query_params
    assert app.query_params["case"] == "own"
    assert len(shown(app, "rule-map")["tokens"]) > 1300


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"q": "a", "wrong": "b", "right": "b"}, "are the same tokens"),
        ({"q": " ", "wrong": "b", "right": "c"}, "prompt is empty"),
        ({"q": "word " * 9000, "wrong": "b", "right": "c"}, "reads at most 8,192"),
        ({"q": "a", "wrong": "b", "right": "c", "evidence": "z"}, "does not stand in the prompt"),
    ],
)
def test_bad_links_say_a_sentence(smollm, query, complaint):
    app = open_app(**query).run()
    assert not app.exception
    assert any(complaint in error.value.replace("\\", "") for error in app.error)


def test_a_model_that_can_not_be_loaded_leaves_the_old_one(app, tmp_path):
    app.run()
    next(t for t in app.text_input if t.label == "Model").set_value(str(tmp_path)).run()
    next(b for b in app.button if b.label == "Load").click().run()
    assert any("no config" in error.value for error in app.error)
    assert shown(app, "rule-map")["tokens"]
    linked = open_app(case="wrong-dog", model="/no/such/model").run()
    assert shown(linked, "rule-map")["tokens"]
    assert any("no such folder" in error.value for error in linked.error)


def test_hostile_text_reaches_the_page_as_data_only(smollm):
    hostile = '<img src=x onerror="alert(1)"> ![x](http://example.com/x.png) **b** $x$'
    app = open_app(q=hostile, wrong="<b>yes", right="*no*").run()
    assert not app.exception
    assert "".join(t[0] for t in shown(app, "rule-map")["tokens"] if t[1] == "user") == hostile
    everything = [*app.markdown, *app.caption, *app.header, *app.subheader, *app.error]
    assert not any("<img" in node.value or "![x]" in node.value for node in everything)


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
    drawn = shown(app, "graph")
    assert 20 < len(drawn["nodes"]) <= 161
    assert 20 < len(drawn["edges"]) <= 260
    assert drawn["rows"] == list(range(31))
    assert drawn["nodes"][drawn["contrast"]]["layer"] == 30
    assert any("of |relevance|" in caption.value for caption in app.caption)


def test_the_case_travels_from_page_to_page(app):
    app.run()
    app.button(key="next").click().run()
    second = list(GALLERY.values())[1]
    app.query_params.clear()  # as Streamlit does when a page is changed
    app.switch_page("../../pages/graph.py").run()
    assert shown(app, "case-bar")["prompt"].startswith(second.prompt[:30])
    assert app.query_params["case"] == second.id


def test_graph_node_edge_and_gap(graph_page):
    app = graph_page
    drawn = shown(app, "graph")
    a, b, weight = max(drawn["edges"], key=lambda edge: abs(edge[2]))
    source, target = drawn["nodes"][a], drawn["nodes"][b]
    app.query_params["at"] = f"edge:{source['id']}:{target['id']}"
    app.run()
    heads, paths = (group["rows"] for group in shown(app, "heads")["groups"])
    assert len(heads) == 9
    assert sum(low + high for _, low, high, *_ in paths) == pytest.approx(weight, rel=1e-3)
    app.query_params["at"] = f"node:{source['id']}"
    app.run()
    seen = shown(app, "seen")["tokens"]
    assert len(seen) == drawn["columns"][-1]["last"] + 1
    app.button(key="pin").click().run()
    assert app.query_params["pins"] == source["id"]
    app.button(key="hide-token").click().run()
    assert str(source["token"]) in app.query_params["hide"].split(".")
    next(b for b in app.button if b.label == "Undo").click().run()
    assert "hide" not in app.query_params
    app.query_params["at"] = "gap:23:24"
    app.run()
    app.button(key="halves").click().run()
    parts = {node.get("part") for node in shown(app, "graph")["nodes"]}
    assert parts == {None, "attention", "MLP"}
    assert not app.exception


def test_graph_layers_skip_and_expand(graph_page):
    app = graph_page
    app.button(key="six").click().run()
    assert shown(app, "graph")["rows"] == [0, 5, 10, 15, 20, 25, 30]
    app.query_params["at"] = "gap:20:25"
    app.run()
    app.button(key="expand").click().run()
    assert shown(app, "graph")["rows"] == [0, 5, 10, 15, 20, 21, 22, 23, 24, 25, 30]
    assert not app.exception


def test_graph_thresholds_that_leave_nothing_offer_the_nearest(graph_page):
    app = graph_page
    app.number_input(key="least").set_value(1000.0).run()
    assert any("leave no edge" in warning.value for warning in app.warning)
    assert shown(app, "graph")["edges"]


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
    assert shown(app, "graph")["nodes"]
    for at in ("edge:1_1", "gap:x:y", "gap:1", "fold:999", "nonsense", "node:"):
        app.query_params["at"] = at
        app.run()
        assert not app.exception


def test_graph_ablation(graph_page):
    app = graph_page
    drawn = shown(app, "graph")
    biggest = max((n for n in drawn["nodes"] if n["layer"] == 20), key=lambda n: n["relevance"])
    app.query_params["at"] = f"node:{biggest['id']}"
    app.run()
    next(b for b in app.button if b.label == "Run the model without").click().run()
    assert float(app.metric[0].delta) < -0.1  # taking the strongest support away lowers the gap
    assert not app.exception


def test_a_model_outside_the_rules_is_refused_in_words_and_gradients_still_work(app, smollm, tmp_path):
    model = tiny_model("mixtral", dtype=torch.float32, vocab_size=49152, max_position_embeddings=512)
    model.save_pretrained(tmp_path)
    smollm.tokenizer.save_pretrained(tmp_path)
    app.query_params["model"] = str(tmp_path)
    app.run()
    assert any("LRP rules" in error.value.replace("\\", "") for error in app.error)
    app.segmented_control(key="rule").set_value("gradient").run()
    assert not app.error
    assert shown(app, "rule-map")["caption"] == "Gradient × input"
    app.switch_page("../../pages/graph.py").run()
    assert any("LRP rules" in error.value.replace("\\", "") for error in app.error)
    assert not app.exception
