"""What links call things: names where there are any; a name opens no more than its path, and old links still open."""

import os

import pytest

from explorer.data.study import create_study
from explorer.ui.study import demo_folder
from tests.pages.app import open_app, open_link, open_study_page, shown
from tests.pages.data_study import data_study
from tests.vectors.tiny import save_adapter

DATA = [{"id": "a", "prompt": "p", "response": "r"}]
FAILURE = {"id": "f", "prompt": "the capital of Canada is?", "wrong": "Seoul", "right": "Ottawa"}


@pytest.fixture
def beside(smollm):
    """A study beside the demo study, taken away afterwards."""
    folder = demo_folder().parent / f"test-{os.getpid()}"
    create_study(folder, name="Beside", model="smollm2", datapoints=DATA, failures=[FAILURE])
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def model_label(app) -> str:
    return next(expander.label for expander in app.expander if expander.label.startswith("Model"))


def copied(app) -> dict:
    return shown(app, "copy-link")


@pytest.mark.slow
def test_every_page_has_the_button(smollm):
    for page in ("trace", "graph", "compare", "survey", "training_data", "behaviors", "repair"):
        app = open_link().switch_page(f"../../pages/{page}.py").run()
        assert copied(app)["names"] == {"study": "", "model": "", "adapter": ""}
        assert copied(app)["note"] == ""


@pytest.mark.slow
def test_a_checkpoint_goes_by_its_name(smollm):
    app = open_link(case="wrong-dog", adapter="sft").run()  # nothing was allowed: the demo study names it itself
    assert not app.code and not app.error
    assert model_label(app).endswith("\\+ sft")
    assert copied(app)["names"]["adapter"] == "sft"
    path = str(demo_folder() / "adapters" / "sft")
    old = open_app(case="wrong-dog", adapter=path).run()  # as links were written once
    assert model_label(old).endswith("\\+ sft")
    assert copied(old)["names"] == {"study": "", "model": "", "adapter": "sft"}
    assert copied(old)["note"] == ""


def test_a_loaded_checkpoint_is_written_by_its_name(smollm):
    app = open_app(case="wrong-dog").run()
    path = str(demo_folder() / "adapters" / "dpo")
    next(t for t in app.text_input if t.label == "PEFT adapter").set_value(path).run()
    next(b for b in app.button if b.label == "Load").click().run()
    assert app.query_params["adapter"] == "dpo"
    assert "model" not in app.query_params


def test_a_study_beside_the_demo_goes_by_its_name(beside):
    app = open_link(study=beside.name).run()
    assert not app.code and shown(app, "case-bar")["prompt"] == FAILURE["prompt"]
    old = open_link(study=str(beside)).run()
    assert shown(old, "case-bar")["prompt"] == FAILURE["prompt"]
    assert copied(old)["names"]["study"] == copied(app)["names"]["study"] == beside.name
    app.selectbox(key="study").select(str(demo_folder())).run()
    app.selectbox(key="study").select(str(beside)).run()
    assert app.query_params["study"] == beside.name


@pytest.mark.parametrize("name", ["..", ".", "../secret", "a/../../secret", "\0"])
def test_a_name_leads_nowhere_else(smollm, tmp_path, name):
    app = open_link(study=name).run()
    assert not app.exception
    assert app.code or app.error  # asked about, or refused; never opened
    assert not app.get("bidi_component")


def test_adapters_in_a_study_elsewhere(smollm, tmp_path):
    study = data_study(tmp_path, built=False, tuned=True)
    inside = save_adapter(study.folder / "repairs" / "r" / "top")
    app = open_study_page("trace", study, adapter=str(inside), model=study.model)
    names = copied(app)["names"]
    assert names == {"study": str(study.folder), "model": "base", "adapter": "./repairs/r/top"}
    assert "folder of this machine" in copied(app)["note"]  # the study's
    again = open_study_page("trace", study, adapter=names["adapter"], model="base")
    assert model_label(again) == model_label(app)
    tuned = open_study_page("trace", study, adapter="tuned")
    assert model_label(tuned).endswith("\\+ tuned")


def test_an_adapter_inside_a_study_opens_nothing_outside(smollm, tmp_path):
    study = data_study(tmp_path, built=False)
    app = open_link(study=str(study.folder), adapter="./../../elsewhere", model="base")
    app.session_state["allowed-places"] = frozenset({str(study.folder), study.model})
    app.run()
    assert [code.value for code in app.code] == [str(tmp_path.parent / "elsewhere")]
    assert not app.get("bidi_component")


def test_a_hub_model_of_the_same_name_is_told_apart(smollm, tmp_path):
    app = open_link(model="base@main").run()  # not the demo's own "base"
    assert [code.value for code in app.code] == ["base@main"]


@pytest.mark.slow
def test_a_prompt_too_long_for_a_link_is_told(smollm):
    app = open_app(case="wrong-dog").run()
    app.button(key="trace-new").click().run()
    app.text_area(key="trace-prompt").set_value("word " * 1300 + "Yes or no?").run()
    app.text_input(key="trace-wrong").set_value("Yes").run()
    app.text_input(key="trace-right").set_value("No").run()
    next(b for b in app.button if b.label == "Explain").click().run()
    assert "too long for a link" in copied(app)["note"]
