"""The Training data page through Streamlit's AppTest, on a tiny study whose vectors are built once."""

import json
import re
import time
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from explorer.data.study import Study
from explorer.ranking.evaluate import evaluate
from explorer.ui.training_data import list as data_list
from explorer.ui.training_data.list import END
from explorer.vectors.build import build_index
from explorer.vectors.find import study_indexes
from tests.pages.app import open_app, open_study_page, shown, texts
from tests.pages.data_study import HOSTILE, SYSTEMS, data_rows, data_study

LIVE = re.compile(r"(?<!\\)(<img|!\[|\*\*b)")
open_page = partial(open_study_page, "training_data")


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    """The study with its vectors."""
    return data_study(tmp_path_factory.mktemp("training-data"))


def listed(app: AppTest) -> list[dict]:
    return shown(app, "ranked-list")["rows"]


def test_the_first_visit_ranks_for_the_case_and_opens_the_best_row(study):
    app = open_page(study)
    bar, drawn = shown(app, "question-bar"), shown(app, "ranked-list")
    assert (bar["wrong"], bar["right"]) == ("Seoul", "Ottawa")
    assert app.selectbox(key="training_data-method").value == "explorer"
    assert len(drawn["rows"]) == data_list.PAGE_ROWS
    assert [r["rank"] for r in drawn["rows"]] == [str(i) for i in range(1, 21)]
    scores = [float(r["score"]) for r in drawn["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert drawn["open"] == drawn["rows"][0]["id"]
    assert drawn["coloured"]
    assert any(score for r in drawn["rows"] for _, score in r["answer"])
    assert shown(app, "row-map")["scale"] > 0
    assert shown(app, "probe-map")["caption"].startswith("Representation gradient")
    assert not set(app.query_params) - {"study"}


def test_words_of_a_row_stand_without_the_chat_format(study):
    app = open_page(study)
    own = {r["id"]: r for r in data_rows()}
    for drawn in listed(app):
        whole = own[drawn["id"]]
        assert "".join(text for text, _ in drawn["prompt"]).strip() == whole["prompt"]
        answer = "".join(text for text, _ in drawn["answer"]).removesuffix(END)
        assert answer.strip() == (whole["response"] or whole["chosen"])


def test_a_rerun_ranks_and_colours_nothing_twice(study, monkeypatch):
    app = open_page(study)
    monkeypatch.setattr("explorer.ui.corpus.rank", None)
    monkeypatch.setattr("explorer.ranking.token_scores.share_evidence", None)
    app.text_input(key="training_data-find").set_value("city").run()
    app.text_input(key="training_data-find").set_value("").run()
    assert not app.exception


def test_methods_layers_and_queries(study):
    app = open_page(study)
    before = [r["id"] for r in listed(app)]
    app.selectbox(key="training_data-method").set_value("gradient").run()
    assert app.query_params["method"] == "gradient"
    assert [r["id"] for r in listed(app)] != before
    app.selectbox(key="training_data-layer").set_value("1").run()
    app.selectbox(key="training_data-query").set_value("contrast").run()
    app.toggle(key="training_data-centre").set_value(True).run()
    assert not app.exception
    link = dict(app.query_params)
    assert link | {"layer": "1", "query": "contrast", "centre": "1", "method": "gradient"} == link
    again = open_page(study, method="gradient", layer="1", query="contrast", centre="1")
    assert listed(again) == listed(app)
    for name in ("bm25", "length", "random"):
        app.selectbox(key="training_data-method").set_value(name).run()
        assert not app.exception
        assert len(listed(app)) == 20
    app.selectbox(key="training_data-method").set_value("explorer").run()
    assert "method" not in app.query_params


def test_a_behavior_of_the_study(study):
    app = open_page(study)
    app.selectbox(key="training_data-behavior").set_value("swapped").run()
    assert app.query_params["behavior"] == "swapped"
    assert shown(app, "question-bar")["prompt"] == "swapped"
    assert shown(app, "question-bar")["note"].endswith("3 prompts")
    app.selectbox(key="training_data-behavior").set_value("this-case").run()
    assert "behavior" not in app.query_params


def test_filters(study):
    app = open_page(study)
    app.multiselect(key="training_data-source").set_value(["books"]).run()
    assert {r["source"] for r in listed(app)} == {"books"}
    app.multiselect(key="training_data-label").set_value(["clean"]).run()
    assert {r["label"] for r in listed(app)} == {"clean"}
    app.multiselect(key="training_data-source").set_value([]).run()
    app.multiselect(key="training_data-label").set_value([]).run()
    app.text_input(key="training_data-find").set_value("SEOUL").run()
    hits = [r["id"] for r in data_rows() if "seoul" in f"{r['prompt']} {r['response']} {r['chosen']}".lower()]
    assert {r["id"] for r in listed(app)} <= set(hits)
    assert any(text.endswith(f"{len(hits)} of 59") for text in texts(app))
    app.text_input(key="training_data-find").set_value("no such words").run()
    assert listed(app) == []
    app.text_input(key="training_data-find").set_value("").run()
    app.number_input(key="training_data-above").set_value(float(listed(app)[4]["score"]) - 0.0005).run()
    assert len(listed(app)) == 5
    assert not app.exception


def test_pages(study):
    app = open_page(study)
    app.button(key="next-page").click().run()
    assert [r["rank"] for r in listed(app)] == [str(i) for i in range(21, 41)]
    assert app.query_params["p"] == "2"
    app.button(key="next-page").click().run()
    assert len(listed(app)) == 19  # one of 60 has no answer
    assert app.button(key="next-page").disabled
    app.multiselect(key="training_data-source").set_value(["web"]).run()
    assert "p" not in app.query_params


def test_hostile_rows_are_data_only(study):
    app = open_page(study, find=HOSTILE[:20], row=HOSTILE)
    assert [r["id"] for r in listed(app)] == [HOSTILE]
    assert "".join(text for text, _ in listed(app)[0]["answer"]).strip() == HOSTILE
    assert not any(LIVE.search(text) for text in texts(app))
    for node in app.get("plotly_chart"):
        assert "<img" not in node.proto.spec
    app.toggle(key="training_data-against").set_value(True).run()
    assert not any("<img" in node.proto.spec for node in app.get("plotly_chart"))
    app.button(key="like").click().run()
    assert not app.exception
    assert not any(LIVE.search(text) for text in texts(app))


def test_a_row_is_opened_by_link_with_both_answers_of_a_pair(study):
    app = open_page(study, row="r1")
    assert shown(app, "ranked-list")["open"] == "r1"
    assert "".join(t[0] for t in shown(app, "rejected-map")["tokens"]).strip() == "no, never" + END
    assert any("r1" in text for text in texts(app))
    unanswered = open_page(study, row="r10")
    assert any("never ranked" in text for text in texts(unanswered))


def test_basket(study):
    app = open_page(study)
    app.button(key="basket-row").click().run()
    first = shown(app, "ranked-list")
    assert [r["id"] for r in first["rows"] if r["ticked"]] == [first["open"]]
    app.number_input(key="basket-k").set_value(5).run()
    app.button(key="add-top").click().run()
    assert sum(r["ticked"] for r in listed(app)) == 5
    app.button(key="clear").click().run()
    assert not any(r["ticked"] for r in listed(app))


def test_export_buttons(study):
    app = open_page(study)
    app.button(key="basket-row").click().run()
    labels = [b.proto.label for b in app.get("download_button")]
    assert labels == ["Download the ids", "CSV", "JSONL", "PARQUET"]


def test_more_like_this(study):
    app = open_page(study, row="r3")
    app.button(key="like").click().run()
    assert app.query_params["like"] == "r3"
    assert listed(app)[0]["score"] == "1.000"
    assert app.selectbox(key="training_data-behavior").value == "special"
    app.selectbox(key="training_data-method").set_value("bm25").run()
    assert not app.exception
    app.selectbox(key="training_data-behavior").set_value("swapped").run()
    assert "like" not in app.query_params


@pytest.mark.parametrize("half", ["state", "gradient"])
def test_a_node_of_the_graph(study, half):
    app = open_page(study, node="2:4", half=half)
    assert len(listed(app)) == 20
    assert any("have no layer 2; 3 is the nearest" in text.replace("\\", "") for text in texts(app))
    assert shown(app, "question-bar")["note"].startswith("Node")
    app.toggle(key="training_data-against").set_value(True).run()
    assert not app.exception


@pytest.mark.parametrize(
    "query",
    [
        {"layer": "99", "query": "x", "centre": "x", "method": "x", "stage": "x", "p": "x", "k": "x", "above": "x"},
        {"node": "x", "half": "y"},
        {"like": "nobody", "row": "nobody"},
        {"behavior": "nobody", "source": "nobody", "label": "nobody", "p": "99999999999"},
        {"p": "7", "versus": "x", "against": "true"},
    ],
)
def test_broken_links_are_survived(study, query):
    app = open_page(study, **query)
    assert len(listed(app)) in {19, 20}
    assert not app.error


def test_a_node_that_is_not_there_says_so(study):
    app = open_page(study, node="1:9999")
    assert any("No node at layer" in text.replace("\\", "") for text in texts(app))


def test_compare_and_evaluate(study):
    app = open_page(study)
    app.toggle(key="training_data-against").set_value(True).run()
    assert [m.label for m in app.metric] == ["Overlap at 50", "Spearman rank correlation"]
    app.toggle(key="training_data-evaluate").set_value(True).run()
    app.button(key="evaluate-now").click().run()
    assert not app.exception
    table = app.dataframe[0].value
    assert {"explorer", "rept", "bm25"} <= set(table["method"])


def build_and_wait(app: AppTest) -> None:
    app.button(key="build").click().run()
    for _ in range(120):
        if not any(b.key == "stop-build" for b in app.button):
            break
        time.sleep(0.5)
        app.run()
    app.run()


def test_no_vectors_yet_then_built_here(tmp_path):
    made = data_study(tmp_path, built=False)
    app = open_page(made)
    assert any("not built yet" in text for text in texts(app))
    assert app.code[0].value.startswith("python -m explorer build")
    assert app.selectbox(key="training_data-method").options == ["bm25", "length", "random"]
    assert len(listed(app)) == 20  # by words
    build_and_wait(app)
    assert not app.error
    assert app.selectbox(key="training_data-method").value == "explorer"
    assert listed(app)


def test_other_vectors_are_built_beside_those_that_are_there(tmp_path):
    made = data_study(tmp_path, tuned=True)
    app = open_page(made)
    assert not any(b.key == "build" for b in app.button)  # folded
    app.toggle(key="training_data-build-more").set_value(True).run()
    assert app.selectbox(key="build-stage").options == ["base (before)", "tuned (after)"]
    assert app.code[-1].value == f"python -m explorer build {made.folder}"
    app.text_input(key="build-layers").set_value("2, x").run()
    assert any("expected auto, rept, or numbers" in error.value for error in app.error)
    assert not any(b.key == "build" for b in app.button)
    app.text_input(key="build-layers").set_value("9").run()
    build_and_wait(app)
    assert any("Layer 9 is not there" in error.value for error in app.error)
    app.text_input(key="build-layers").set_value("2,3").run()
    app.selectbox(key="build-stage").set_value("tuned").run()
    assert app.code[-1].value == f"python -m explorer build {made.folder} --stage tuned --layers 2,3"
    build_and_wait(app)
    assert not app.error and any(text.startswith("Built.") for text in texts(app))
    assert app.selectbox(key="training_data-stage").options == ["base (before)", "tuned (after)"]
    assert [(i.manifest.checkpoint, i.manifest.layers) for i in study_indexes(made)][1] == ("tuned", [2, 3])


def test_a_damaged_index_is_named_and_can_be_built_again(tmp_path):
    made = data_study(tmp_path)
    shard = next(made.folder.glob("vectors/*/shard-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    app = open_page(made)
    assert any("damaged" in text for text in texts(app))
    assert app.button(key="build")
    assert listed(app)


def test_a_saved_evaluation_is_shown_at_once(tmp_path):
    made = data_study(tmp_path)
    app = open_page(made, evaluate="true")
    app.button(key="evaluate-now").click().run()
    own = app.dataframe[0].value
    found = evaluate(made, every=True)
    (made.folder / "evaluation.json").write_text(json.dumps({"rows": [score.to_json() for score in found]}))
    again = open_page(made, evaluate="true")
    assert again.dataframe[0].value.equals(own)  # each method's own settings, of many
    assert any("explorer evaluate" in text for text in texts(again))
    (made.folder / "evaluation.json").write_text("{")
    broken = open_page(made, evaluate="true")
    assert not broken.error


def test_two_builds_of_one_checkpoint_can_be_told_apart(tmp_path):
    made = data_study(tmp_path)
    build_index(made, layers=[2])
    app = open_page(made)
    assert len(app.selectbox(key="training_data-stage").options) == 2
    second = f"base-{study_indexes(made)[1].manifest.fingerprint[:6]}"
    app.selectbox(key="training_data-stage").set_value(second).run()
    assert not app.exception
    assert app.query_params["stage"] == second


def test_the_graph_offers_the_data_behind_a_node(study):
    app = open_app(study=str(study.folder))
    app.switch_page("../../pages/graph.py").run()
    drawn = shown(app, "graph-canvas")
    node = max((n for n in drawn["nodes"] if n["layer"] == 3), key=lambda n: abs(n["relevance"]))
    app.query_params["at"] = f"node:{node['id']}"
    app.run()
    links = [link.proto.query_string for link in app.get("page_link") if "node=" in link.proto.query_string]
    assert links == [f"node=3%3A{node['token']}&half={half}" for half in ("state", "gradient")]


def test_a_persona(study):
    app = open_page(study, behavior="swapped", method="lora-gradient")
    assert "Persona" not in app.selectbox(key="training_data-query").options
    app.selectbox(key="training_data-method").set_value("activation-difference").run()
    contrast = [r["score"] for r in listed(app)]
    app.selectbox(key="training_data-query").set_value("persona").run()
    assert app.text_input(key="training_data-trait").value == SYSTEMS["asks"]  # the behavior's own
    own = [r["score"] for r in listed(app)]
    app.text_input(key="training_data-trait").set_value(" ").run()
    assert any("Write a system prompt" in info.value for info in app.info)
    app.text_input(key="training_data-trait").set_value("You name no city.").run()
    assert not app.exception and not app.error
    found = [r["score"] for r in listed(app)]
    assert len(found) == 20 and found not in (contrast, own)
    app.text_input(key="training_data-trait").set_value("You are rude.").run()
    assert [r["score"] for r in listed(app)] != found
    app.toggle(key="training_data-against").set_value(True).run()
    assert [m.label for m in app.metric] == ["Overlap at 50", "Spearman rank correlation"]
    link = {"behavior": "swapped", "method": "activation-difference", "query": "persona"}
    assert dict(app.query_params).items() >= link.items()
    again = open_page(study, **link, trait="You name no city.")
    assert [r["score"] for r in listed(again)] == found


def test_a_control_message_by_another_method_and_dot_products(study):
    link = {"behavior": "swapped", "method": "residual-change", "query": "control"}
    app = open_page(study, **link)
    assert not app.exception and not app.error
    assert [app.text_input(key=f"training_data-{name}").value for name in ("asks", "forbids")] == [*SYSTEMS.values()]
    cosines = [r["score"] for r in listed(app)]
    app.toggle(key="training_data-dot").set_value(True).run()
    assert app.query_params["dot"] == "1" and [r["score"] for r in listed(app)] != cosines
    app.text_input(key="training_data-forbids").set_value("").run()
    assert any("Write a system prompt" in info.value for info in app.info)


def test_what_a_score_is_made_of_and_whose_words_make_the_topic(study):
    app = open_page(study, behavior="swapped", row="r3")
    (parts,) = [text for text in texts(app) if text.startswith("Score = ")]
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"[+−]\d\.\d+", parts)]
    score = next(float(r["score"]) for r in listed(app) if r["id"] == "r3")
    assert sum(numbers) == pytest.approx(score, abs=0.02) and "topic" in parts
    app.toggle(key="training_data-topic").set_value(True).run()
    assert any(cell[2] for cell in shown(app, "topic-map")["tokens"])
    shares = [cell[2] for cell in shown(app, "row-map")["tokens"]]
    app.selectbox(key="training_data-words").set_value("rept").run()
    assert not app.exception and app.query_params["words"] == "rept"
    assert [cell[2] for cell in shown(app, "row-map")["tokens"]] != shares
    assert not any(text.startswith("Score = ") for text in texts(app))


def test_a_node_against_other_vectors(study):
    app = open_page(study, case="f", node="3:4", half="gradient", method="residual-change")
    assert not app.exception and not app.error
    assert len(listed(app)) == 20 and any("as a direction" in text for text in texts(app))


def test_other_turns_of_a_conversation_stand_above_its_prompt_as_plain_text(tmp_path):
    study = data_study(tmp_path, built=False)
    rows = pq.read_table(study.folder / "datapoints.parquet").to_pylist()
    talk = json.dumps([["user", HOSTILE], ["assistant", "four"], ["user", None], ["tool", "7"]])
    rows[0] |= {"history": talk}
    table = pa.Table.from_pylist([{"history": None} | row for row in rows])
    pq.write_table(table, study.folder / "datapoints.parquet")
    build_index(study, layers=[1])
    app = open_page(study, row="r0")
    assert not app.exception
    (said,) = [text.value for text in app.text]
    assert said == f"user: {HOSTILE}\n\nassistant: four\n\nuser: (the prompt below)\n\ntool: 7"
    assert "3 other turns of this conversation" in [box.label for box in app.expander]
    assert not open_page(study, row="r1").text


def test_old_vectors_are_named_where_new_ones_are_built(tmp_path, monkeypatch):
    study = data_study(tmp_path, built=False)
    monkeypatch.setattr("explorer.vectors.build.CODE", 1)
    old = build_index(study, layers=[1], parts=["state"])
    monkeypatch.undo()
    said = " ".join(caption.value for caption in open_page(study).caption).replace("\\", "")
    assert f"vectors {old.folder.name} are old: an older version of this program made them" in said
