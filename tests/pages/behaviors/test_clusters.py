"""Clusters on the Behaviors page: cards, names and notes, the basket, what they lead to."""

from __future__ import annotations

import numpy as np

from explorer.behaviors.clusters import cluster
from explorer.behaviors.notes import FILE, Note, read_notes
from explorer.data.basket import read_basket
from explorer.data.study import Study
from tests.pages.app import shown, texts
from tests.pages.behaviors.opening import open_page, opened, said
from tests.pages.data_study import HOSTILE, LIVE


def test_an_opened_card_and_its_window(study: Study):
    app = open_page(study, clusters="3")
    key = shown(app, "cluster-list")["cards"][1]["key"]
    clusters = cluster(study)
    place = int(np.flatnonzero(clusters.tree.order == clusters.cut(3)[1].prompts[0])[0])
    app = open_page(study, clusters="3", cluster=key, window=f"{place}-{place + 1}-5-25")
    drawn, card = shown(app, "similarity"), shown(app, "card-rows")
    assert drawn["selected"] == 2
    assert (drawn["rows"][0], drawn["rows"][-1], drawn["columns"][0], drawn["columns"][-1]) == (place, place + 1, 5, 25)
    prompts, rows = card["sections"]
    first = clusters.matrix.rows[clusters.cut(3)[1].prompts[0]]
    assert [(row["id"], row["now"]) for row in prompts["rows"]] == [(first.id, first.answer)]
    assert [float(row["score"]) for row in rows["rows"]] == sorted(
        (float(r["score"]) for r in rows["rows"]), reverse=True
    )
    assert card["verdict"] and "null p" in card["figures"]
    app.button(key="clear-selection").click().run()
    assert len(shown(app, "card-rows")["sections"][0]["rows"]) == len(clusters.cut(3)[1].prompts)
    app.button(key="card-before").click().run()
    assert shown(app, "similarity")["selected"] == 1
    app.button(key="all-clusters").click().run()
    assert "cluster" not in app.query_params and shown(app, "cluster-list")["cards"]


def test_a_name_and_a_note_are_kept_in_the_study(study: Study):
    app = opened(study)
    key = app.query_params["cluster"]
    app.text_input(key=f"name-{key}").set_value(HOSTILE[:60])
    app.text_area(key=f"note-{key}").set_value(HOSTILE)
    app.button_group(key=f"tag-{key}").set_value("bad")
    app.button(key="save-note").click().run()
    assert read_notes(study.folder)[key] == Note(HOSTILE[:60].strip(), HOSTILE, "bad")
    assert "Bad" in said(app)
    assert not any(LIVE.search(text) for text in texts(app))
    again = open_page(study, clusters="3")
    named = [(card["name"], card["tag"]) for card in shown(again, "cluster-list")["cards"]]
    assert (HOSTILE[:60].strip(), "bad") in named and named.count(("", "")) == len(named) - 1
    assert HOSTILE[:60].strip() in shown(again, "similarity")["titles"]
    path = study.folder / FILE
    path.write_text("{")
    broken = opened(study)
    assert "damaged" in said(broken) and broken.button(key="save-note").disabled
    assert path.read_text() == "{"
    path.unlink()


def test_a_clusters_datapoints_go_into_the_basket(study: Study):
    app = opened(study)
    app.button(key="basket-cluster").click().run()
    rows = shown(app, "card-rows")["sections"][1]["rows"]
    assert rows and all(row["ticked"] for row in rows)
    assert {row["id"] for row in rows} <= set(read_basket(study.folder))


def test_two_clusters_are_compared(study: Study):
    app = opened(study)
    options = app.selectbox(key="behaviors-versus").options
    assert len(options) == len(shown(open_page(study, clusters="3"), "cluster-list")["cards"]) - 1
    assert "Mean similarity" in said(app) and "are the same" in said(app)


def test_a_prompt_is_traced_and_a_datapoint_opened(study: Study):
    app = opened(study, prompt="d0", datapoint="r3")
    prompt = next(p for p in cluster(study).matrix.rows if p.id == "d0")
    app.button(key="trace-picked").click().run()
    assert not app.exception
    bar = shown(app, "case-bar")
    assert (app.query_params["q"], app.query_params["wrong"]) == (prompt.prompt, prompt.answer)
    assert app.query_params["right"] == prompt.other and bar["prompt"] == " ".join(prompt.prompt.split())
    assert app.query_params["adapter"] == "tuned"  # the trained model, not the bare one
    app = opened(study, datapoint="r3")
    app.button(key="open-picked").click().run()
    assert not app.exception
    assert app.query_params["row"] == "r3" and shown(app, "ranked-list")["open"] == "r3"
