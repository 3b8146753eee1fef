"""The Behaviors page through Streamlit's AppTest, on a tiny study whose prompts were answered by two tiny models."""

from __future__ import annotations

import base64
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from streamlit.testing.v1 import AppTest

from explorer.behaviors.clusters import cluster
from explorer.behaviors.notes import FILE, Note, read_notes
from explorer.data.basket import read_basket
from explorer.data.study import Study, open_study
from explorer.files import write_json_lines
from explorer.ui.behaviors import state as behaviors_state
from explorer.vectors.build import build_index
from tests.pages.app import open_study_page, shown, texts
from tests.pages.data_study import BEHAVIORS, HOSTILE, data_rows
from tests.vectors.tiny import WORDS, save_tiny, tiny_loaded, tiny_study

open_page = partial(open_study_page, "behaviors")
LIVE = re.compile(r"(?<!\\)(<img|!\[|\*\*b)")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """60 datapoints, 6 behavior prompts, 6 unlabelled ones (one hostile), answered and clustered."""
    folder = tmp_path_factory.mktemp("behaviors")
    made = behaviors_study(folder)
    build_index(made, "base", layers=[1, 3])
    cluster(made)
    return made


def behaviors_study(folder: Path) -> Study:
    """The study without vectors and answers."""
    model = save_tiny(folder / "model")
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(tiny_loaded(dtype=torch.float32).model, config).save_pretrained(str(folder / "tuned"))
    made = tiny_study(folder / "s", model, data_rows(), adapters=[str(folder / "tuned")], behaviors=BEHAVIORS)
    lines = [{"id": f"d{i}", "prompt": f"{i}: {WORDS[i % 3][: 8 + 5 * i]}?"} for i in range(5)]
    write_json_lines(made.folder / "discovery.jsonl", [*lines, {"id": HOSTILE, "prompt": HOSTILE}])
    return open_study(made.folder)


def said(app: AppTest) -> str:
    return " ".join(texts(app)).replace("\\", "")


def test_the_first_visit_shows_matrix_and_cards(study: Study):
    app = open_page(study)
    drawn, clusters = shown(app, "similarity"), cluster(study)
    m, n = len(clusters.matrix.rows), int(clusters.matrix.ranked.sum())
    assert drawn["total"] == [m, n] == [len(drawn["rows"]) - 1, len(drawn["columns"]) - 1]
    cells = np.frombuffer(base64.b64decode(drawn["cells"]), np.int8).reshape(m, n) / 127 * drawn["scale"]
    order = clusters.tree.order
    wanted = clusters.matrix.values[order][:, drawn["order"]].clip(-drawn["scale"], drawn["scale"])
    np.testing.assert_allclose(cells, wanted, atol=drawn["scale"] / 200)
    cards, cut = shown(app, "cluster-list")["cards"], clusters.cut()
    assert [c["key"] for c in cards] == [c.key for c in cut]
    first = clusters.matrix.rows[cut[0].prompts[0]]
    assert (cards[0]["prompt"], cards[0]["now"]) == (first.prompt, first.answer)
    assert all(card["chip"] and card["then"] for card in cards) and any(card["words"] for card in cards)
    assert "Whether it is wanted, the two answers tell" in said(app)
    assert app.slider(key="behaviors-clusters").value == clusters.best_count
    assert not set(app.query_params) - {"study"}


def test_the_map_shows_every_datapoint_in_its_cluster(study: Study):
    app = open_page(study)
    behaviors_state._workers().submit(lambda: None).result()  # the map was asked for before
    app.run()
    drawn, matrix = shown(app, "datapoint-map"), shown(app, "similarity")
    assert sorted(drawn["rows"]) == sorted(matrix["order"])
    by_row = dict(zip(drawn["rows"], drawn["clusters"], strict=True))
    assert [by_row[i] for i in matrix["order"]] == matrix["columnClusters"]
    points = np.frombuffer(base64.b64decode(drawn["points"]), "<i2")
    assert len(points) == 2 * len(drawn["rows"]) and np.abs(points).max() > 30_000


def test_a_rerun_clusters_nothing_twice(study: Study, monkeypatch: pytest.MonkeyPatch):
    app = open_page(study)
    for name in ("cluster", "make_cards", "order_matrix", "window_cells", "cached_map"):
        monkeypatch.setattr(behaviors_state, name, None)
    app.run()
    assert not app.exception


def test_the_slider_and_the_pickers_stand_in_the_link(study: Study):
    app = open_page(study)
    slider = app.slider(key="behaviors-clusters")
    other = 4 if slider.value != 4 else 5
    slider.set_value(other).run()
    assert app.query_params["clusters"] == str(other)
    assert len(shown(app, "cluster-list")["cards"]) == other
    app.selectbox(key="behaviors-method").set_value("gradient").run()
    assert "clusters" not in app.query_params
    app.selectbox(key="behaviors-layer").set_value("1").run()
    app.selectbox(key="behaviors-prompts").set_value("behaviors").run()
    assert not app.exception
    link = dict(app.query_params)
    assert link | {"method": "gradient", "layer": "1", "prompts": "behaviors"} == link
    again = open_page(study, method="gradient", layer="1", prompts="behaviors")
    assert shown(again, "similarity")["cells"] == shown(app, "similarity")["cells"]
    assert {head for card in shown(again, "cluster-list")["cards"] for head in card["heads"]} == {"bad", "good"}
    assert "bm25" not in app.selectbox(key="behaviors-method").options


def test_an_opened_card_and_its_window(study: Study):
    app = open_page(study, clusters="3")
    key = shown(app, "cluster-list")["cards"][1]["key"]
    app = open_page(study, clusters="3", cluster=key, window="0-3-5-25")
    drawn, card = shown(app, "similarity"), shown(app, "card-rows")
    assert drawn["selected"] == 2
    assert (drawn["rows"][0], drawn["rows"][-1], drawn["columns"][0], drawn["columns"][-1]) == (0, 3, 5, 25)
    prompts, rows = card["sections"]
    assert prompts["rows"] and all(row["now"] for row in prompts["rows"])
    assert [float(row["score"]) for row in rows["rows"]] == sorted(
        (float(r["score"]) for r in rows["rows"]), reverse=True
    )
    assert card["verdict"] and "null p" in card["figures"]
    app.button(key="card-before").click().run()
    assert shown(app, "similarity")["selected"] == 1
    app.button(key="all-clusters").click().run()
    assert "cluster" not in app.query_params and shown(app, "cluster-list")["cards"]


def opened(study: Study, number: int = 1, **query: str) -> AppTest:
    """The page with a cluster that has datapoints."""
    cards = shown(open_page(study, clusters="3"), "cluster-list")["cards"]
    card = max(cards, key=lambda c: int(c["figures"].split("· ")[1].split()[0]))
    return open_page(study, clusters="3", cluster=card["key"], **query)


def test_a_name_and_a_note_are_kept_in_the_study(study: Study):
    app = opened(study)
    key = app.query_params["cluster"]
    app.text_input(key=f"name-{key}").set_value(HOSTILE[:60])
    app.text_area(key=f"note-{key}").set_value(HOSTILE)
    app.button(key="save-note").click().run()
    assert read_notes(study.folder)[key] == Note(HOSTILE[:60].strip(), HOSTILE)
    assert not any(LIVE.search(text) for text in texts(app))
    again = open_page(study, clusters="3")
    assert HOSTILE[:60].strip() in [card["name"] for card in shown(again, "cluster-list")["cards"]]
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
    assert app.query_params["adapter"] == study.spec.adapter  # the trained model, not the bare one
    app = opened(study, datapoint="r3")
    app.button(key="open-picked").click().run()
    assert not app.exception
    assert app.query_params["row"] == "r3" and shown(app, "ranked-list")["open"] == "r3"


@pytest.mark.parametrize(
    ("query", "name"), (({"prompt": "d1"}, "d1"), ({"by": "datapoint", "datapoint": "r3"}, "r3"), ({}, ""))
)
def test_by_hand(study: Study, query: dict[str, str], name: str):
    app = open_page(study, view="hand", **query)
    data, near = shown(app, "hand-rows")["sections"]
    assert len(data["rows"]) == len(near["rows"]) == 8
    assert name not in [row["id"] for row in (*data["rows"], *near["rows"])]
    scores = [float(row["score"]) for row in data["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert len(app.get("plotly_chart")) == 1


def test_a_text_of_ones_own_and_a_search(study: Study):
    app = open_page(study, view="hand", by="text")
    app.text_area(key="hand-question").set_value("the city of Canada is?")
    app.text_area(key="hand-answer").set_value("Seoul")
    app.text_input(key="hand-other").set_value("Ottawa")
    app.button(key="hand-compare").click().run()
    assert not app.exception and not app.error
    near = shown(app, "hand-rows")["sections"][1]["rows"]
    assert near[0]["prompt"] == "the city of Canada is?" and near[0]["score"] == "+1.00"
    app = open_page(study, view="hand", by="datapoint")
    app.text_input(key="find-datapoint").set_value("r7 nothing").run()
    assert any("No datapoint has" in text for text in texts(app))
    app.text_input(key="find-datapoint").set_value("@SUM").run()
    assert app.query_params["datapoint"] == "r8"


def test_hostile_texts_are_data_only(study: Study):
    app = open_page(study, prompt=HOSTILE, datapoint=HOSTILE)
    assert "similarity" in said(app)
    assert not any(LIVE.search(text) for text in texts(app))
    for by in ("prompt", "datapoint"):
        app = open_page(study, view="hand", by=by, prompt=HOSTILE, datapoint=HOSTILE)
        assert not any(LIVE.search(text) for text in texts(app))


@pytest.mark.parametrize(
    "query",
    (
        {
            "cluster": "x",
            "window": "x",
            "clusters": "99",
            "prompt": "x",
            "datapoint": "x",
            "view": "x",
            "method": "bm25",
        },
        {"window": "5-2-0-9", "clusters": "0", "layer": "7", "stage": "x", "prompts": "x", "versus": "x"},
        {"window": "0-999-0-1", "view": "hand", "by": "x", "prompt": "x"},
        {"window": "9999999999999-1-1-1", "view": "hand", "by": "datapoint", "datapoint": "x"},
    ),
)
def test_broken_links_are_survived(study: Study, query: dict[str, str]):
    app = open_page(study, **query)
    assert not app.error
    drawn = shown(app, "similarity")
    assert drawn["rows"][-1] == drawn["total"][0]


def test_files_are_offered(study: Study):
    app = open_page(study)
    labels = [b.proto.label for b in app.get("download_button")]
    assert labels[:6] == ["Cards (HTML)", "Datapoints by cluster (CSV)", "PNG", "SVG", "PDF", "HTML"]


def test_answers_still_to_be_made_wait_for_a_button(study: Study, tmp_path: Path):
    shutil.copytree(study.folder, tmp_path / "s")
    kept = tmp_path / "s" / "answers" / "base.jsonl"
    kept.unlink()
    made = open_study(tmp_path / "s")
    app = open_page(made)
    assert "6 by base are still to be made" in said(app) and not app.get("bidi_component")
    app.button(key="known-alone").click().run()
    assert app.query_params["prompts"] == "behaviors" and shown(app, "similarity")
    app = open_page(made)
    app.button(key="discover").click().run()
    assert not app.exception and not app.error
    assert len([line for line in kept.read_text().split("\n") if line]) == 6
    assert shown(app, "similarity")["total"] == shown(open_page(study), "similarity")["total"]


def test_what_is_missing_is_said(tmp_path: Path):
    made = tiny_study(tmp_path / "s", save_tiny(tmp_path / "model"), data_rows())
    app = open_page(made)
    assert app.code[0].value.startswith("python -m explorer build")
    build_index(made, "base", layers=[1])
    app = open_page(made)
    assert "nothing to cluster. Put prompts into discovery.jsonl" in said(app)
    write_json_lines(made.folder / "behaviors.jsonl", BEHAVIORS[:1])
    app = open_page(made)
    assert not app.error and "One prompt is one cluster." in said(app)
    assert shown(app, "cluster-list")["cards"][0]["chip"] == "too few prompts to test"
    write_json_lines(made.folder / "discovery.jsonl", [{"id": "x", "prompt": "one?"}])
    app = open_page(made)
    assert not app.error and app.selectbox(key="behaviors-prompts").options == ["Known behaviors"]
    (made.folder / "behaviors.jsonl").unlink()
    assert "is the model under study itself; nothing differs from it" in said(open_page(made))


def test_a_broken_file_of_prompts(study: Study, tmp_path: Path):
    shutil.copytree(study.folder, tmp_path / "s")
    (tmp_path / "s" / "discovery.jsonl").write_text("{")
    assert "discovery.jsonl, line 1: not JSON" in said(open_page(open_study(tmp_path / "s")))


def test_one_datapoint_and_alike_ones(tmp_path: Path):
    model = save_tiny(tmp_path / "model")
    for name, rows in (("one", data_rows()[:1]), ("alike", [row | {"prompt": "a?", "response": "b", "chosen": None,
                       "rejected": None} for row in data_rows()[:9]])):  # fmt: skip
        made = tiny_study(tmp_path / name, model, rows, behaviors=BEHAVIORS)
        build_index(made, "base", layers=[1])
        app = open_page(made)
        assert not app.error
        assert shown(app, "similarity")["total"] == [6, len(rows)]
