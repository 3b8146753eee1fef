"""Failures of a draft: the model is asked for them, or they are a survey's."""

from pathlib import Path

import pytest
from filelock import FileLock

from explorer.data.drafts import drafts_in
from explorer.data.study import create_study
from explorer.jobs import LOCK, RUNNING, STOPPED, told_to_stop, write_progress
from explorer.model.spec import ModelSpec
from explorer.studies.failures import asking_of
from explorer.surveys.folder import Case, Row, SurveySettings, add_row, create_survey
from explorer.ui.jobs import find_jobs
from explorer.ui.studies import asking
from tests.pages.app import texts
from tests.pages.studies.steps import DATA, errors, open_studies, press, waited

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


@pytest.mark.slow
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
