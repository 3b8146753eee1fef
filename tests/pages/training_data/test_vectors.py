"""Vectors on the Training data page: none yet, built here, damaged, old; evaluations of them."""

import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from explorer.ranking.evaluate import evaluate
from explorer.vectors.build import build_index
from explorer.vectors.find import study_indexes
from tests.pages.app import texts
from tests.pages.data_study import data_study
from tests.pages.training_data.opening import listed, open_page


def test_compare_and_evaluate(study):
    app = open_page(study)
    app.toggle(key="training_data-against").set_value(True).run()
    assert [m.label for m in app.metric] == ["Overlap at 50", "Same order (Spearman)"]
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


@pytest.mark.slow
def test_no_vectors_yet_then_built_here(tmp_path):
    made = data_study(tmp_path, built=False)
    app = open_page(made)
    assert any("not built yet" in text for text in texts(app))
    assert app.code[0].value.startswith("python -m explorer build")
    assert app.selectbox(key="training_data-method").options == [
        "Words in common (BM25)",
        "Length of the answer",
        "Random order",
    ]
    assert len(listed(app)) == 20  # by words
    build_and_wait(app)
    assert not app.error
    assert app.selectbox(key="training_data-method").value == "explorer"
    assert listed(app)


@pytest.mark.slow
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


def test_a_saved_evaluation_is_shown_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.ranking.evaluate.RESAMPLES", 3)  # of both: 100 take two minutes
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


def test_old_vectors_are_named_where_new_ones_are_built(tmp_path, monkeypatch):
    study = data_study(tmp_path, built=False)
    monkeypatch.setattr("explorer.vectors.build.CODE", 1)
    old = build_index(study, layers=[1], parts=["state"])
    monkeypatch.undo()
    said = " ".join(caption.value for caption in open_page(study).caption).replace("\\", "")
    assert f"vectors {old.folder.name} are old: an older version of this program made them" in said
