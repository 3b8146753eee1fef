"""The Training data page through Streamlit's AppTest: the ranked rows, filters, pages, links."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.ui.training_data import list as data_list
from explorer.ui.training_data.list import END
from explorer.vectors.build import build_index
from tests.pages.app import shown, texts
from tests.pages.data_study import HOSTILE, LIVE, data_rows, data_study
from tests.pages.training_data.opening import listed, open_page


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


def test_a_ranking_stands_against_unrelated_questions(study):
    app = open_page(study)
    verdict = [text for text in texts(app) if "tronger than for unrelated prompts" in text]
    assert len(verdict) == 1 and "126 unrelated questions" in verdict[0]
    assert 0 < shown(app, "ranked-list")["mark"] < 1
    (chart,) = [node.proto.spec for node in app.get("plotly_chart")]
    assert "unrelated questions" in chart and '"dash":"dash"' in chart
    assert all(row["cells"][2] != "–" for row in shown(app, "sources")["rows"])
    like = open_page(study, like="r3")
    assert any("Not compared with unrelated prompts" in text for text in texts(like))
    assert shown(like, "ranked-list")["mark"] is None
    assert all(row["cells"][2] == "–" for row in shown(like, "sources")["rows"])


def test_a_weak_ranking_looks_pale(study, monkeypatch):
    own = shown(open_page(study), "ranked-list")["scale"]
    monkeypatch.setattr("explorer.ranking.null.Null.unusual", property(lambda _null: 100 * own))
    assert shown(open_page(study), "ranked-list")["scale"] == pytest.approx(50 * own)


def test_a_model_that_was_not_trained_on_the_rows_is_named(tmp_path):
    made = data_study(tmp_path, tuned=True)
    app = open_page(made)
    assert not any("was not trained on these rows" in text for text in texts(app))
    bare = open_page(made, model=made.model)
    assert any("was not trained on these rows" in warning.value for warning in bare.warning)


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
