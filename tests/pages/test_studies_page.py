"""The Studies page: a study made in four steps, and whole studies opened, renamed, copied, thrown away and sent on."""

import csv
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from explorer.data.drafts import drafts_in
from explorer.data.names import MAPPED
from explorer.data.study import create_study, open_study
from explorer.data.study_zip import export_study
from explorer.jobs import LOCK, RUNNING, STOPPED, told_to_stop, write_progress
from explorer.model.spec import ModelSpec
from explorer.serving import Serving
from explorer.studies.failures import asking_of
from explorer.surveys.folder import Case, Row, SurveySettings, add_row, create_survey
from explorer.ui.jobs import find_jobs
from explorer.ui.places import ALLOWED
from explorer.ui.studies import asking
from explorer.ui.studies.column_map import FIELDS
from explorer.ui.study import demo_folder
from explorer.vectors.find import study_indexes
from tests.model.gguf_file import save_gguf
from tests.pages.app import open_app, open_link, shown, texts
from tests.pages.data_study import LIVE
from tests.vectors.tiny import save_adapter, save_tiny

HOSTILE = "<img src=x onerror=alert(1)> ![x](http://example.com/x.png) **b** $x$"
DATA = [{"id": "a", "prompt": "p", "response": "r"}]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory):
    """The folder of the studies of this file's tests, with the demo study in it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shelf") / "studies"
        patch.setenv("EXPLORER_STUDIES", str(folder))
        demo_folder.clear()
        yield folder
    demo_folder.clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's folder, two adapters and a CSV of training data beside it."""
    folder = tmp_path_factory.mktemp("mine")
    save_tiny(folder / "model")
    save_adapter(folder / "sft")
    save_adapter(folder / "dpo")
    with (folder / "train.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["instruction", "output", "source"])
        rows.writerows([f"the capital number {i}?", "Seoul" if i % 3 else HOSTILE, "web"] for i in range(40))
    return folder / "model"


def open_studies(app: AppTest | None = None, **query: str) -> AppTest:
    app = open_app(**query) if app is None else app  # one that has not run yet counts as false
    app.switch_page(str(Path(__file__).parents[2] / "pages/studies.py"))
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def fill(app: AppTest, key: str, value: str) -> AppTest:
    (app.text_area if key in ("studies-prompt", "studies-pasted") else app.text_input)(key=key).set_value(value).run()
    return app


def errors(app: AppTest) -> list[str]:
    return [error.value.replace("\\", "").replace(":small[]", "") for error in app.error]


@pytest.mark.slow
def test_a_study_is_made_in_four_steps_without_a_terminal(smollm, studies: Path, model: Path):
    app = press(open_studies(), "studies-new")
    assert "which comes with the program" in " ".join(texts(app))
    fill(app, "studies-model", str(model))
    assert any("LlamaForCausalLM" in text and "blocks" in text for text in texts(app))
    for number, name in enumerate(("sft", "dpo")):
        press(app, "studies-add-stage")
        fill(app, f"studies-stage-{number}", str(model.parent / name))
    assert any("dpo · **after**" in text and "LORA adapter" in text for text in texts(app))
    assert any("sft · **before**" in text for text in texts(app))
    app.selectbox(key="studies-before").set_value(-1).run()
    assert any("base · **before**" in text for text in texts(app))
    press(app, "studies-next")
    assert app.button(key="studies-next").disabled
    fill(app, "studies-path", str(model.parent / "train.csv"))
    assert any("40 training examples" in text for text in texts(app))
    assert any("prompt from 'instruction', answer from 'output'" in text.replace("\\", "") for text in texts(app))
    assert list(app.dataframe[0].value["prompt"])[:1] == ["the capital number 0?"]
    press(app, "studies-back")
    assert app.text_input(key="studies-model").value == str(model)  # nothing is lost on the way back
    press(press(app, "studies-next"), "studies-next")
    fill(app, "studies-behavior", "capitals")
    for key, value in (("prompt", "the capital of Canada is?"), ("wrong", "Seoul"), ("right", "Ottawa")):
        fill(app, f"studies-{key}", value)
    press(app, "studies-add")
    assert app.text_area(key="studies-prompt").value == ""
    fill(app, "studies-pasted", "the river? | Han | Ottawa\nthe city? | Seoul")
    press(app, "studies-paste")
    assert any("3 prompts of 1 behavior, 2 failures" in text for text in texts(app))
    assert app.button(key="studies-create").disabled
    fill(app, "studies-name", "My capitals")
    press(app, "studies-create")
    made = open_study(studies / "my-capitals")
    assert (made.name, made.model, [s.adapter for s in made.trained]) == (
        "My capitals",
        str(model),
        [str(model.parent / "sft"), str(model.parent / "dpo")],
    )
    assert made.reference_spec.adapter is None and made.datapoints().num_rows == 40
    first = made.behaviors()[0]
    assert (first.name, first.bad, first.good) == ("capitals", "Seoul", "Ottawa")
    assert len(made.failures()) == 2
    assert app.query_params["study"] == "my-capitals" and not errors(app)
    built_on_the_page(app)
    assert len(study_indexes(made)) == 1
    opens_on_every_page(app)


def built_on_the_page(app: AppTest) -> None:
    """Estimate, then build, by the buttons of the last step."""
    press(app, "build-estimate")
    for _ in range(100):
        app.run()
        if any("of disk" in text for text in texts(app)):
            break
        time.sleep(0.3)
    assert any("**13 kB** of disk, for 40 rows at layer 2" in text for text in texts(app))
    assert not any(text.startswith(("Built.", "Stopped.")) for text in texts(app))
    press(app, "build")
    for _ in range(200):
        app.run()
        if not any(button.key == "stop-build" for button in app.button):
            break
        time.sleep(0.3)
    app.run()
    assert not errors(app) and any(text.startswith("Built.") for text in texts(app))


def opens_on_every_page(app: AppTest) -> None:
    for page in ("trace", "graph", "compare", "survey", "training_data", "behaviors", "repair"):
        app.switch_page(str(Path(__file__).parents[2] / f"pages/{page}.py"))
        app.run()
        assert not app.exception, page
        assert app.query_params["study"] == "my-capitals" and not errors(app), page
        if page == "trace":
            assert shown(app, "case-bar")["prompt"] == "the capital of Canada is?"


def test_what_can_not_be_used_is_told_and_nothing_is_made(smollm, studies: Path, model: Path, tmp_path: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", str(tmp_path))
    assert "no config.json" in errors(app)[0] and app.button(key="studies-next").disabled
    fill(app, "studies-model", "")
    press(app, "studies-add-stage")
    fill(app, "studies-stage-0", str(model.parent / "train.csv"))
    assert errors(app) and app.button(key="studies-next").disabled
    press(app, "studies-away-0")
    press(app, "studies-next")
    (tmp_path / "x.txt").write_text("x")
    fill(app, "studies-path", str(tmp_path / "x.txt"))
    assert "unknown format" in errors(app)[0]
    app.query_params["step"] = "failures"
    app.run()
    fill(app, "studies-pasted", "no answer")
    before = sorted(os.listdir(studies))
    press(app, "studies-paste")
    assert "Line 1 has 1 parts" in errors(app)[0]
    assert sorted(os.listdir(studies)) == before


def test_hostile_rows_and_names_are_text(smollm, studies: Path, model: Path):
    made = create_study(studies / "hostile", name=HOSTILE, model="smollm2", datapoints=DATA)
    app = open_studies(manage="hostile")
    everything = " ".join(texts(app))
    assert "onerror" in everything and not LIVE.search(everything)
    app = open_studies(new="1", step="failures")
    fill(app, "studies-behavior", HOSTILE)
    fill(app, "studies-pasted", f"{HOSTILE} \t {HOSTILE} \t b")
    press(app, "studies-paste")
    assert not LIVE.search(" ".join(texts(app)))
    assert list(app.dataframe[0].value["Behavior"]) == [HOSTILE]
    os.rename(made.folder, studies.parent / "away")


def test_whole_studies_are_renamed_copied_thrown_away_and_taken_back(smollm, studies: Path):
    folder = create_study(studies / "one", name="One", model="smollm2", datapoints=DATA).folder
    app = open_studies(study="one", manage="one")
    fill(app, f"studies-name-{folder}", "First")
    press(app, "studies-rename")
    assert open_study(folder).name == "First" and "First" in app.selectbox(key="study").options
    press(app, "studies-duplicate")
    assert open_study(studies / "first-copy").name == "First (copy)"
    app.query_params["manage"] = "one"
    press(app.run(), "studies-trash")
    assert not folder.exists() and "study" not in app.query_params
    press(app, "studies-undo-trash")
    assert open_study(folder).name == "First"
    app.query_params["manage"] = "first-copy"
    press(app.run(), "studies-trash")
    press(press(app, "studies-gone-0"), "studies-new")
    assert not (studies / "first-copy").exists() and not list((studies / ".trash").iterdir())


def test_the_demo_is_neither_renamed_nor_thrown_away(smollm, studies: Path):
    app = open_studies(manage="demo")
    assert app.button(key="studies-rename").disabled and app.button(key="studies-trash").disabled
    assert not app.button(key="studies-duplicate").disabled


def test_a_zip_is_brought_in_and_its_models_are_asked_for(smollm, studies: Path, model: Path, tmp_path: Path):
    sent = create_study(tmp_path / "sent", name="Sent", model=str(model), datapoints=DATA).folder
    path = export_study(sent, tmp_path / "sent.zip")
    app = open_link()
    open_studies(app)
    press(app, "studies-bring")
    assert errors(app) == ["No zip was chosen; expected a file or a path."]
    fill(app, "studies-zip-path", str(path))
    press(app, "studies-bring")
    assert open_study(studies / "sent").name == "Sent"
    assert any("Open this?" in text for text in texts(app))  # its model lies elsewhere: nobody typed it here
    assert str(model) in [code.value for code in app.code]


def test_a_shared_app_opens_and_writes_nothing_outside(smollm, studies: Path, model: Path, tmp_path: Path, monkeypatch):
    outside = create_study(tmp_path / "outside", name="Outside", model="smollm2", datapoints=DATA).folder
    path = export_study(outside, tmp_path / "outside.zip")
    for name, value in Serving(share=True).environment().items():
        monkeypatch.setenv(name, value)
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    app = open_studies(study=str(outside), manage=str(outside))
    press(app, "studies-trash")
    assert "this app is shared and changes only what lies below" in errors(app)[0] and outside.exists()
    fill(app, "studies-zip-path", str(path))
    press(app, "studies-bring")
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    inside = studies / "links"
    inside.mkdir(exist_ok=True)
    os.symlink(model.parent / "train.csv", inside / "train.csv")
    for typed in ("train.csv", "*.csv", ""):  # a link, a pattern and a folder that lead outside
        app = open_studies(new="1", step="data")
        fill(app, "studies-path", f"{inside}/{typed}")
        assert "this app is shared and opens only what lies below" in errors(app)[0], typed
    monkeypatch.setenv("EXPLORER_ALLOW", f'["{model.parent}"]')
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    assert not errors(app)


def test_a_link_to_the_page_makes_and_changes_nothing(smollm, studies: Path):
    before = {path: path.stat().st_mtime_ns for path in studies.rglob("*") if path.is_file()}
    for query in ({"new": "1", "step": "vectors"}, {"new": "1", "step": "nonsense"}, {"manage": "../x"}):
        app = open_link(**query)
        open_studies(app)
        assert ALLOWED not in app.session_state or not app.session_state[ALLOWED]
    assert {path: path.stat().st_mtime_ns for path in studies.rglob("*") if path.is_file()} == before


def test_every_field_that_can_be_mapped_is_on_the_page():
    assert {*FIELDS} == {*MAPPED}


def test_columns_are_chosen_by_hand_where_their_names_do_not_tell(smollm, studies: Path, tmp_path: Path):
    file = tmp_path / "train.jsonl"
    rows = [{"Frage": f"a {i}?", "Antwort": f"b {i}", "prompt": "no"} for i in range(3)]
    file.write_text("\n".join(map(json.dumps, rows)) + "\nbroken\n")
    app = open_studies(new="1", step="data")
    fill(app, "studies-path", str(file))
    assert errors(app) and app.button(key="studies-next").disabled
    assert app.selectbox(key="studies-column-response").options == ["Auto", "Frage", "Antwort", "prompt"]
    app.selectbox(key="studies-column-response").select("Antwort").run()
    app.selectbox(key="studies-column-prompt").select("Frage").run()
    assert not errors(app) and list(app.dataframe[0].value["prompt"]) == ["a 0?", "a 1?", "a 2?"]
    assert any("line 4" in text for text in texts(app))  # the broken row is listed
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "By hand"), "studies-create")
    made = open_study(studies / "by-hand").datapoints()
    assert (made["prompt"].to_pylist()[0], made["response"].to_pylist()[0]) == ("a 0?", "b 0")


def waited(app: AppTest, over: Callable[[AppTest], bool], seconds: float = 120) -> AppTest:
    """Run the page until something is so."""
    end = time.monotonic() + seconds
    while not over(app):
        assert time.monotonic() < end, [texts(app), errors(app)]
        time.sleep(0.5)
        app.run()
        assert not app.exception
    return app


QUESTIONS = b"prompt,expected\nthe capital of Canada is?,Ottawa\nthe river of Canada is?,Yukon\n"


@pytest.mark.slow
def test_prompts_with_expected_answers_are_asked_behind_the_page(smollm, studies: Path, model: Path):
    app = open_studies(new="1", step="failures")
    press(app, "studies-ask")
    assert errors(app) == ["No file was chosen; expected one above the button."]
    app.session_state["studies-draft"].model = str(model)
    app.file_uploader(key="studies-list-file").upload("questions.csv", QUESTIONS, "text/csv").run()
    press(app, "studies-ask")
    assert not errors(app) and any(button.key == "studies-ask-stop" for button in app.button)  # the page is there
    draft = app.query_params["draft"]
    (job,) = find_jobs([], drafts_in(studies))
    assert (job.kind, job.link.params()["draft"]) == ("questions", draft) and job.active
    press(app, "studies-ask")
    assert "is being asked already" in errors(app)[0]
    app = open_studies(new="1", step="failures", draft=draft)  # another browser finds it
    waited(app, lambda app: len(app.session_state["studies-draft"].entries) == 2)
    entries = app.session_state["studies-draft"].entries
    assert {entry["prompt"] for entry in entries} == {"the capital of Canada is?", "the river of Canada is?"}
    assert all(entry["wrong"] and entry["wrong"] != entry["right"] for entry in entries)
    assert any("Added: 2 failures of 2 prompts" in s.value.replace("\\", "") for s in app.success)
    assert find_jobs([], drafts_in(studies)) == []


def test_asking_is_stopped_gone_on_with_and_left(smollm, studies: Path, model: Path, monkeypatch):
    states = [RUNNING, STOPPED]
    monkeypatch.setattr(asking, "start", lambda folder: write_progress(folder, states[-1], done=1, total=2))
    app = open_studies(new="1", step="failures")
    app.session_state["studies-draft"].model = str(model)
    app.file_uploader(key="studies-list-file").upload("questions.csv", QUESTIONS, "text/csv").run()
    press(app, "studies-ask")
    folder = asking_of(app.session_state["studies-draft"].place)
    assert folder is not None
    assert any("Asking the model: stopped" in text for text in texts(app))
    states.pop()
    with FileLock(folder / LOCK):
        press(app, "studies-ask-on")
        assert not any(button.key == "studies-ask-on" for button in app.button)
        press(app, "studies-ask-stop")
        assert told_to_stop(folder)
        press(app, "studies-anew")
        assert "is being asked for this draft" in errors(app)[0] and folder.exists()
    app.run()
    press(app, "studies-ask-leave")
    assert not folder.exists() and not any(button.key == "studies-ask-on" for button in app.button)
    app.session_state["studies-draft"].model = str(studies / "gone")
    press(app, "studies-ask")
    assert "no such folder" in errors(app)[0]


def test_failures_are_taken_from_a_survey_of_any_study(smollm, studies: Path):
    made = create_study(studies / "surveyed", name="Surveyed", model="smollm2", datapoints=DATA)
    cases = [Case(name, f"{name}?", "Seoul", "Ottawa", category="capitals") for name in ("made", "not", "unread")]
    folder = create_survey(made.folder / "surveys/s", SurveySettings("My log", (("m", ModelSpec()),)), cases).folder
    for row in (Row("made", gap=2.0), Row("not", gap=-1.0), Row("unread", error="too long")):
        add_row(folder, row)
    app = open_studies(new="1", step="failures")
    assert "My log · Surveyed" in app.selectbox(key="studies-survey").options
    app.selectbox(key="studies-survey").select("My log · Surveyed").run()
    press(press(app, "studies-take"), "studies-take")  # twice adds it once
    (entry,) = app.session_state["studies-draft"].entries
    assert entry == {"id": "made", "prompt": "made?", "wrong": "Seoul", "right": "Ottawa", "behavior": "capitals"}


def test_a_draft_survives_the_session_and_is_thrown_away(smollm, studies: Path, model: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    press(app, "studies-next")
    files = [("a.jsonl", b'{"prompt": "p", "response": "r"}\n'), ("b.jsonl", b'{"prompt": "q", "response": "s"}\n')]
    app.file_uploader(key="studies-upload-0").upload(*files[0]).run()
    app.file_uploader(key="studies-upload-1").upload(*files[1]).run()
    app.number_input(key="studies-max_tokens").set_value(128).run()
    assert any("2 training examples" in text for text in texts(app)) and not errors(app)
    name = app.query_params["draft"]
    again = open_studies(new="1", step="data", draft=name)  # reloaded: nothing of the session is left
    assert any("2 training examples" in text for text in texts(again))
    press(again, "studies-back")
    assert again.text_input(key="studies-model").value == str(model)
    press(press(again, "studies-next"), "studies-remove-upload-0")
    assert any("1 training example" in text for text in texts(again))
    again.query_params["step"] = "failures"
    press(fill(again.run(), "studies-name", "From a draft"), "studies-create")
    made = open_study(studies / "from-a-draft")
    assert (made.datapoints()["prompt"].to_pylist(), made.max_tokens) == (["q"], 128)
    assert not (studies / ".drafts" / name).exists() and "draft" not in again.query_params
    gone = open_studies(new="1", draft=name)
    assert "is gone" in errors(gone)[0]
    press(gone, "studies-begin")
    fill(gone, "studies-model", str(model))
    shelf = open_studies()
    assert any("A new study" in text and "not made yet" in text for text in texts(shelf))
    place = studies / ".drafts" / gone.query_params["draft"]
    press(open_studies(new="1", draft=place.name), "studies-anew")
    assert not place.exists()


def test_a_model_that_the_hub_can_not_give_is_told_before_anything_is_made(smollm, studies: Path, model: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", "owner/name-of-nothing")
    assert not errors(app)  # the hub is not asked while somebody types
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "From the hub"), "studies-create")
    assert errors(app) == [
        "'owner/name-of-nothing' is not on this machine, and nothing is fetched from the hub (offline mode is on)."
    ]
    assert not (studies / "from-the-hub").exists() and app.text_input(key="studies-name").value == "From the hub"


def test_an_adapter_or_a_folder_with_a_gguf_file_is_recognised_as_the_model(
    smollm, studies: Path, model: Path, tmp_path
):
    adapter = save_adapter(tmp_path / "tuned")
    config = json.loads((adapter / "adapter_config.json").read_text()) | {"base_model_name_or_path": str(model)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    app = open_studies(new="1")
    fill(app, "studies-model", str(adapter))
    assert not errors(app) and any("LlamaForCausalLM" in text and "before" in text for text in texts(app))
    assert any("tuned" in text and "LORA adapter" in text and "after" in text for text in texts(app))
    packed = tmp_path / "packed"
    packed.mkdir()
    save_gguf(packed / "model.gguf")
    fill(app, "studies-model", str(packed))
    assert not errors(app) and any("GGUF file of" in text for text in texts(app))
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "Packed"), "studies-create")
    assert open_study(studies / "packed").model == str(packed / "model.gguf") and not errors(app)
    press(app, "build")
    waited(app, lambda app: any(text.startswith("Built.") for text in texts(app)))
    assert len(study_indexes(open_study(studies / "packed"))) == 1


def test_a_copy_opens_no_model_that_its_study_does_not(smollm, studies: Path, model: Path):
    made = create_study(studies / "foreign", name="Foreign", model=str(model), datapoints=DATA)
    app = open_link(manage="foreign")
    open_studies(app)
    press(app, "studies-duplicate")
    app.query_params["study"] = "foreign-copy"
    app.run()
    assert open_study(studies / "foreign-copy").model == made.model
    assert any("Open this?" in text for text in texts(app)) and str(model) in [code.value for code in app.code]
