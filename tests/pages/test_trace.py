"""The Trace page: it runs, it reacts, it shows sentences instead of tracebacks."""

from collections.abc import Callable

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.data.failures import read_failures
from explorer.model.generate import greedy_answer
from explorer.model.load import LoadedModel, load_model
from explorer.model.prompts import Prompt, encode_prompt
from tests.model.families import tiny_model
from tests.pages.app import offered, open_app, shown

GALLERY = read_failures()


@pytest.fixture
def app(smollm: LoadedModel) -> AppTest:
    """The app on a failure of the bare embedded model, which the tests share."""
    return open_app(case="wrong-dog")


def test_a_failure_is_explained(app):
    app.run()
    assert not app.exception
    first = GALLERY["wrong-dog"]
    bar, tokens = shown(app, "case-bar"), shown(app, "trace-map")
    assert bar["prompt"].startswith(first.prompt[:30])
    assert bar["gap"].startswith("Δℓ = +")
    assert len(tokens["tokens"]) > 20
    assert any(segment == "evidence" for _, segment, *_ in tokens["tokens"])
    assert app.get("echarts_chart")
    assert any("Shares add up to" in caption.value for caption in app.caption)


def test_rules_layers_and_comparison(app):
    app.run()
    before = shown(app, "trace-map")["tokens"]
    app.segmented_control(key="trace-rule").set_value("representation-gradient").run()
    app.slider(key="trace-map-layer").set_value(7).run()
    tokens = shown(app, "trace-map")
    assert tokens["caption"] == "Representation gradient, layer 7"
    assert tokens["tokens"] != before
    app.toggle(key="trace-norms").set_value(True).run()
    assert shown(app, "trace-map")["signed"] is False
    app.toggle(key="trace-compare").set_value(True).run()
    assert shown(app, "trace-map-2")["caption"] == "Gradient × input"
    app.toggle(key="trace-whole").set_value(True).run()
    assert shown(app, "trace-map-2")["unit"] == "nats"
    assert not app.exception


@pytest.mark.parametrize(
    "query",
    [
        {"compare": "1", "rule": "cplrp", "rule-2": "representation-gradient", "map-layer-2": "7", "norms-2": "1"},
        {"compare": "true", "rule": "CP-LRP", "rule2": "Representation gradient", "rule2-layer": "7"}
        | {"rule2-norms": "true"},  # as links were written once
    ],
)
def test_links_to_two_maps(smollm, query):
    app = open_app(case="wrong-dog", **query).run()
    assert shown(app, "trace-map")["caption"] == "CP-LRP"
    second = shown(app, "trace-map-2")
    assert second["caption"] == "Representation gradient, layer 7"
    assert second["signed"] is False


def test_a_rerun_traces_nothing_twice(app, monkeypatch):
    app.run()
    app.segmented_control(key="trace-rule").set_value("representation-gradient").run()
    monkeypatch.setattr("explorer.trace.explain.trace_ids", None)  # a further pass would now fail
    app.slider(key="trace-map-layer").set_value(3).run()
    app.segmented_control(key="trace-rule").set_value("gradient").run()
    app.segmented_control(key="trace-rule").set_value("attnlrp").run()
    assert not app.exception
    assert not app.error


@pytest.mark.slow
def test_next_previous_and_link(app):
    ids = list(GALLERY)
    app.run()
    order = list(offered(app))
    app.button(key="trace-next").click().run()
    assert app.query_params["case"] == order[1]
    app.button(key="trace-previous").click().run()
    assert app.query_params["case"] == order[0] == "wrong-dog"
    linked = open_app(case=ids[-1]).run()
    linked.button(key="trace-next").click().run()  # round to the first
    assert linked.query_params["case"] == order[0]
    linked.button(key="trace-previous").click().run()
    assert linked.query_params["case"] == ids[-1]
    linked = open_app(case=ids[3], token="25").run()
    assert shown(linked, "trace-map")["selected"] == 25
    assert shown(linked, "case-bar")["prompt"].startswith(GALLERY[ids[3]].prompt[:20])


def test_own_prompt_is_asked_and_explained(app):
    app.run()
    app.button(key="trace-new").click().run()
    app.text_area(key="trace-prompt").set_value("What is the capital of France?").run()
    next(b for b in app.button if b.label == "Ask the model").click().run()
    assert "Paris" in "".join(t[0] for t in shown(app, "trace-answer")["tokens"])
    app.text_input(key="trace-wrong").set_value("The").run()
    app.text_input(key="trace-right").set_value("Paris").run()
    next(b for b in app.button if b.label == "Explain").click().run()
    assert shown(app, "case-bar")["right"] == "Paris"
    assert app.query_params["q"] == "What is the capital of France?"
    assert not app.exception


@pytest.fixture
def clicked(app, monkeypatch) -> Callable[[str], AppTest]:
    """Asks for Turkey's capital and clicks a token of the answer, which no test without a browser can do by mouse."""
    keys = []
    monkeypatch.setattr("explorer.ui.trace.composer.token_map", lambda key, **_: keys.append(key))

    def click(text: str) -> AppTest:
        if not keys:
            app.run()
            app.button(key="trace-new").click().run()
            app.text_area(key="trace-prompt").set_value("What is the capital of Turkey?").run()
            next(b for b in app.button if b.label == "Ask the model").click().run()
        answer = greedy_answer(load_model(), encode_prompt(load_model(), Prompt("What is the capital of Turkey?")), 40)
        app.session_state[keys[-1]] = {"selected": answer.texts.index(text)}
        return app.run()

    return click


def explain_contrast(app: AppTest) -> None:
    next(b for b in app.button if b.label == "Explain this contrast").click().run()
    assert not app.exception


def test_the_wrong_answer_stays_whole_and_one_word_of_it_is_exchanged(clicked):
    app = clicked(" Istanbul")
    next(t for t in app.text_input if t.label.startswith("or type")).set_value("Ankara").run()
    explain_contrast(app)
    answer = app.query_params["wrong"]
    assert answer.startswith("The capital of Turkey is Istanbul") and len(answer) > len(
        "The capital of Turkey is Istanbul"
    )
    assert app.query_params["right"] == answer.replace("Istanbul", "Ankara", 1)
    assert app.query_params["place"] == "0"
    bar = shown(app, "case-bar")
    assert (bar["wrong"], bar["right"]) == ("Istanbul", "Ankara")
    sides = shown(app, "answers")["sides"]
    assert ["".join(text for text, *_ in side["pieces"]) for side in sides] == [answer, app.query_params["right"]]


def test_evidence_keeps_the_typed_right_answer(clicked):
    app = clicked(" Istanbul")
    next(t for t in app.text_input if t.label.startswith("or type")).set_value("Ankara").run()
    next(t for t in app.text_input if t.label == "Evidence").set_value("capital of Turkey").run()
    assert next(t for t in app.text_input if t.label.startswith("or type")).value == "Ankara"
    explain_contrast(app)
    assert app.query_params["evidence"] == "capital of Turkey"
    assert "Ankara" in app.query_params["right"]


def test_the_next_answer_begins_without_a_token_and_says_true_ranks(app):
    app.run()
    app.button(key="trace-new").click().run()
    keys = []
    for prompt in ("What is the capital of France?", "Is Rome in Italy?"):
        app.text_area(key="trace-prompt").set_value(prompt).run()
        next(b for b in app.button if b.label == "Ask the model").click().run()
        answer = shown(app, "trace-answer")
        assert answer["selected"] is None
        doubts, ranks = [[token[i] for token in answer["tokens"]] for i in (2, 3)]
        assert {segment for _, segment, *_ in answer["tokens"]} == {"generated"}
        assert sorted(ranks) == list(range(1, len(ranks) + 1))
        assert [doubts[ranks.index(n)] for n in sorted(ranks)] == sorted(doubts, reverse=True)
        keys.append(next(node.proto.id for node in app.get("bidi_component") if "trace-answer" in node.proto.id))
    assert keys[0] != keys[1]  # a key of its own: what was clicked in one is unknown to the other


EARLY = {"q": "Where in the world is Genoa?", "wrong": "The country is Portugal.", "right": "Genoa is in Italy."}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["trace", "graph", "compare"])
def test_both_answers_stand_in_full_with_the_contrasted_place(smollm, page):
    app = open_app(**EARLY, models="base,sft").run().switch_page(f"../../pages/{page}.py").run()
    assert not app.exception and not app.error
    row = shown(app, "answers")
    for side in row["sides"]:
        assert "".join(text for text, *_ in side["pieces"]) == EARLY[side["side"]]
    if page != "compare":
        told = {place: gap for side in row["sides"] for _, place, gap, _ in side["pieces"] if gap}
        assert set(told) == {0, 1}  # each other place tells its gap once
    marked = [[text for text, place, *_ in side["pieces"] if place == row["current"]] for side in row["sides"]]
    assert marked == [["Portugal"], ["Italy"]]
    app.query_params["place"] = "0"
    app.run()
    assert shown(app, "answers")["current"] == 0
    if page != "compare":
        assert shown(app, "case-bar")["wrong"] == "The"
    app.query_params["place"] = "7"
    app.run()
    assert any("The place is 7; expected 0 to 2" in error.value.replace("\\", "") for error in app.error)


def test_the_place_travels_with_its_case_alone(smollm):
    app = open_app(**EARLY, place="0").run()
    app.switch_page("../../pages/graph.py").run()
    assert app.query_params["place"] == "0"
    app.button(key="graph-next").click().run()
    assert "place" not in app.query_params


def test_whole_answers_of_unequal_length_say_so(smollm):
    app = open_app(**EARLY, whole="1").run()
    row = shown(app, "answers")
    assert "per token the gap is" in row["note"]
    assert row["current"] is None
    assert "per token" not in shown(open_app(case="wrong-dog", whole="1").run(), "answers")["note"]


def test_wording_alone_is_said(smollm):
    row = shown(
        open_app(q="Who was Eco?", wrong="Portugal was the home of Eco.", right="Eco was from Italy.").run(), "answers"
    )
    assert "differ in their wording throughout" in row["note"]


@pytest.mark.slow
def test_a_prompt_too_long_for_a_link_stays_in_the_session(app):
    app.run()
    app.button(key="trace-new").click().run()
    app.text_area(key="trace-prompt").set_value("word " * 1300 + "Yes or no?").run()
    app.text_input(key="trace-wrong").set_value("Yes").run()
    app.text_input(key="trace-right").set_value("No").run()
    next(b for b in app.button if b.label == "Explain").click().run()
    assert "q" not in app.query_params
    assert app.query_params["case"] == "own"
    assert len(shown(app, "trace-map")["tokens"]) > 1300


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
    assert shown(app, "trace-map")["tokens"]
    linked = open_app(case="wrong-dog", model="/no/such/model").run()
    assert shown(linked, "trace-map")["tokens"]
    assert any("no such folder" in error.value for error in linked.error)


def test_hostile_text_reaches_the_page_as_data_only(smollm):
    hostile = '<img src=x onerror="alert(1)"> ![x](http://example.com/x.png) **b** $x$'
    app = open_app(q=hostile, wrong="<b>yes", right="*no*").run()
    assert not app.exception
    assert "".join(t[0] for t in shown(app, "trace-map")["tokens"] if t[1] == "user") == hostile
    everything = [*app.markdown, *app.caption, *app.header, *app.subheader, *app.error]
    assert not any("<img" in node.value or "![x]" in node.value for node in everything)


def test_a_model_outside_the_rules_is_refused_in_words_and_gradients_still_work(app, smollm, tmp_path):
    model = tiny_model("lfm2", dtype=torch.float32, vocab_size=49152, max_position_embeddings=512)
    model.save_pretrained(tmp_path)
    smollm.tokenizer.save_pretrained(tmp_path)
    app.query_params["model"] = str(tmp_path)
    app.run()
    assert any("LRP rules" in error.value.replace("\\", "") for error in app.error)
    app.segmented_control(key="trace-rule").set_value("gradient").run()
    assert not app.error
    assert shown(app, "trace-map")["caption"] == "Gradient × input"
    app.switch_page("../../pages/graph.py").run()
    assert any("LRP rules" in error.value.replace("\\", "") for error in app.error)
    assert not app.exception


def test_a_model_whose_attention_is_its_own_has_maps_and_the_graph_says_why_it_is_not_there(app, smollm, tmp_path):
    tiny_model("bloom", dtype=torch.float32, vocab_size=49152).save_pretrained(tmp_path)
    smollm.tokenizer.save_pretrained(tmp_path)
    app.query_params["model"] = str(tmp_path)
    app.run()
    assert not app.error
    assert shown(app, "trace-map")["caption"] == "AttnLRP"
    app.switch_page("../../pages/graph.py").run()
    assert any("has no graph, only maps work" in error.value.replace("\\", "") for error in app.error)
    assert not app.exception
