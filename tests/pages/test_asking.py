"""A link that asks for more than it may open: one question, and nothing is read, loaded or fetched before the click."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import explorer.model.load
from explorer.data.study import create_study
from tests.model.hub import FakeHub
from tests.pages.app import open_link, open_study_page, shown
from tests.pages.data_study import data_study
from tests.vectors.tiny import save_tiny

DATA = [{"id": "a", "prompt": "p", "response": "r"}]
FAILURE = {"id": "f", "prompt": "the capital of Canada is?", "wrong": "Seoul", "right": "Ottawa"}


@pytest.fixture(autouse=True)
def nothing_allowed(smollm, monkeypatch):
    """The app as it is started without ``--allow``."""
    monkeypatch.delenv("EXPLORER_ALLOW", raising=False)


@pytest.fixture
def untouched(monkeypatch) -> list[str]:
    """Which models were located on disk or hub, beside the embedded one."""
    located: list[str] = []
    locate = explorer.model.load._fetch
    monkeypatch.setattr("explorer.model.load._fetch", lambda spec, *a: located.append(spec.name) or locate(spec, *a))
    return located


def study(folder: Path, model: str = "smollm2") -> Path:
    return create_study(folder, name="Mine", model=model, datapoints=DATA, failures=[FAILURE]).folder


def asked(app: AppTest) -> list[str]:
    """What the page asks about; all that it shows then is the question."""
    assert not app.exception and not app.error
    assert not app.sidebar.selectbox and not app.get("bidi_component")
    return [code.value for code in app.code]


def test_a_model_in_a_link_is_asked_for_and_loaded_after_the_click(untouched, tmp_path):
    folder = str(save_tiny(tmp_path / "model"))
    app = open_link(model=folder, q="a", wrong="b", right="c").run()
    assert asked(app) == [folder]
    assert untouched == []
    app.button(key="ask-open").click().run()
    assert untouched == [folder]
    assert shown(app, "case-bar")["prompt"] == "a"


@pytest.mark.parametrize("page", ["graph", "compare", "training_data", "behaviors", "repair"])
def test_every_page_asks(untouched, page):
    app = open_link(model="owner/name", adapter="owner/adapter@v1", study="/somewhere")
    app.switch_page(f"../../pages/{page}.py").run()
    assert asked(app) == ["/somewhere", "owner/name", "owner/adapter@v1"]
    assert untouched == []
    text = " ".join(m.value for m in app.markdown)
    assert "Model on the hub" in text and "PEFT adapter on the hub" in text and "Study" in text


@pytest.mark.slow
def test_a_study_is_not_read_before_the_click(tmp_path, monkeypatch):
    folder = study(tmp_path / "mine")
    read = []
    monkeypatch.setattr("explorer.ui.study.open_study", read.append)
    app = open_link(study=str(folder)).run()
    assert asked(app) == [str(folder)]
    assert read == []
    app.button(key="ask-back").click().run()
    assert not app.exception and "study" not in app.query_params
    assert [path for path in read if path == folder] == []


def test_a_study_opens_after_the_click_and_then_asks_for_its_model_on_the_hub(untouched, tmp_path, monkeypatch):
    FakeHub(tmp_path / "hub", monkeypatch).put("org/asked", save_tiny(tmp_path / "model"))
    app = open_link(study=str(study(tmp_path / "mine", "org/asked"))).run()
    app.button(key="ask-open").click().run()
    assert asked(app) == ["org/asked"]
    assert untouched == []
    assert "study.toml" in app.markdown[1].value
    app.button(key="ask-open").click().run()
    assert shown(app, "case-bar")["prompt"] == FAILURE["prompt"]
    assert untouched == ["org/asked"]


def test_a_folder_that_was_allowed_at_the_start_is_opened_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_ALLOW", f'["{tmp_path}"]')
    app = open_link(study=str(study(tmp_path / "mine"))).run()
    assert shown(app, "case-bar")["prompt"] == FAILURE["prompt"]


def test_what_was_typed_by_hand_is_not_asked_for(tmp_path, monkeypatch):
    FakeHub(tmp_path / "hub", monkeypatch).put("org/typed", save_tiny(tmp_path / "model"))
    folder = study(tmp_path / "mine", "org/typed")
    app = open_link().run()
    app.selectbox(key="study").select_index(len(app.selectbox(key="study").options) - 1).run()
    app.text_input(key="study-path").set_value(str(folder)).run()
    assert shown(app, "case-bar")["prompt"] == FAILURE["prompt"]
    assert not app.code or str(folder) not in [code.value for code in app.code]


@pytest.mark.parametrize("name", ["~nobody-here", "\0", "x" * 10_000, "/" + "x" * 300, "/dev/zero", "a b/c"])
@pytest.mark.parametrize("key", ["model", "adapter", "study"])
def test_names_that_can_be_no_place_are_a_sentence_or_a_question(key, name):
    app = open_link(**{key: name}).run()
    assert not app.exception
    said = [error.value for error in app.error]
    assert len(said) == 1 if name not in ("/dev/zero", "a b/c") else app.code and not said
    if said:
        assert len(said[0]) < 600
        app.button(key="back").click().run()
        assert not app.error and shown(app, "case-bar")


NINES = "9" * 5000
NUMBERS = dict.fromkeys(("token", "k", "layers", "p", "top", "layer", "rule", "clusters"), NINES) | {
    "hide": "²",
    "groups": "[" * 190_000,
    "at": f"fold:{NINES}",
    "pins": f"{NINES}_1",
    "node": f"1:{NINES}",
    "repair": "../../etc",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["trace", "graph", "training_data", "repair"])
def test_numbers_beyond_any_sense_are_ignored(page):
    app = open_link(**NUMBERS)
    app.switch_page(f"../../pages/{page}.py").run()
    assert not app.exception
    assert not app.code


@pytest.mark.slow
def test_no_page_changes_a_study_because_of_a_link(smollm, tmp_path):
    """What is computed from vectors is kept in a folder beside them; every other file stays, and none is added."""
    made = data_study(tmp_path)

    def state() -> dict[Path, tuple[int, int]]:
        kept = {*made.folder.glob("vectors/*/*/*")}
        files = (path for path in tmp_path.rglob("*") if path.is_file() and path not in kept)
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    asked_for = {"repair": "new", "behavior": "swapped", "train": "1", "edit": "swap", "top": "5", "clusters": "3"}
    asked_for |= {"method": "rept", "query": "persona", "faithfulness": "1", "more": "1", "evaluate": "1", "build": "1"}
    for page in ("trace", "graph", "compare", "training_data", "behaviors", "repair"):
        open_study_page(page, made, **asked_for)
    assert state() == before
