"""From a log to a behavior: a log is opened, contrasts confirmed, failures measured and taken along."""

import json
from pathlib import Path
from typing import get_args

import pytest

from explorer.data.study import Study
from explorer.files import write_json
from explorer.jobs import PROGRESS, RUNNING
from explorer.surveys.folder import SURVEYS, How, read_survey, surveys_of
from explorer.surveys.job import execute, status
from explorer.ui.survey.confirm import HOW
from tests.pages.app import shown, texts
from tests.pages.data_study import HOSTILE, LIVE
from tests.pages.survey.conftest import open_page
from tests.surveys.made import made_survey


def write_log(path: Path, wrong: tuple[int, ...], n: int = 6) -> Path:
    """A log of JSON lines in which some answers are wrong."""
    rows = [
        {
            "id": f"s{i}",
            "prompt": HOSTILE if i == 2 else f"the capital of Canada is {i}?",
            "expected": "Ottawa",
            "response": "the city is Seoul" if i in wrong else "the city is Ottawa",
            "category": "capitals",
        }
        for i in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def started(monkeypatch, tmp_path) -> list[Path]:
    """Folders of surveys whose run was asked for; it runs when the test says so."""
    folders: list[Path] = []
    monkeypatch.setattr("explorer.surveys.job.cache_folder", lambda: tmp_path)  # no turn with what else runs here
    for place in ("setup", "job"):
        monkeypatch.setattr(f"explorer.ui.survey.{place}.start", folders.append)
    return folders


def open_log(study: Study, log: Path, **link: str):
    app = open_page(study, survey="new", **link)
    return app.text_input(key="survey-log-path").set_value(str(log)).run()


def test_a_log_is_recognised_before_anything_runs(bare, tmp_path):
    app = open_page(bare)  # no survey: the set-up
    assert "survey-start" not in {button.key for button in app.button}
    app = open_log(bare, write_log(tmp_path / "run.jsonl", (1, 2, 4)))
    assert not app.exception and not app.error
    said = " ".join(texts(app))
    assert "3 of 6 samples failed" in said and not LIVE.search(said)
    assert len(app.dataframe[0].value) == 3
    assert app.button(key="survey-start").label == "Start: 3 failures"
    assert surveys_of(bare.folder) == []


@pytest.mark.parametrize("text", ["", "no log at all", '{"a": 1}\n'])
def test_what_is_no_log_is_a_sentence(bare, tmp_path, text):
    (tmp_path / "bad.jsonl").write_text(text)
    app = open_log(bare, tmp_path / "bad.jsonl")
    assert not app.exception and "bad\\.jsonl" in app.error[0].value
    app = open_log(bare, tmp_path / "absent.jsonl")
    assert not app.exception and app.error


def test_a_log_without_failures_says_so(bare, tmp_path):
    app = open_log(bare, write_log(tmp_path / "good.jsonl", ()))
    assert not app.exception and "nothing to survey" in app.info[0].value


def test_from_a_log_to_a_behavior(smollm, bare, tmp_path, started):
    app = open_log(bare, write_log(tmp_path / "run.jsonl", (1, 2, 4)), judged="0")
    app.text_input(key="survey-name").set_value("Last night").run()
    app.button(key="survey-start").click().run()
    assert not app.exception and not app.error
    (folder,) = surveys_of(bare.folder)
    assert started == [folder] and app.query_params["survey"] == folder.name
    survey = read_survey(folder)
    assert [name for name, _ in survey.settings.models] == list(bare.checkpoints())
    assert (survey.settings.title, survey.settings.judged, survey.settings.confirmed) == ("Last night", False, False)
    execute(folder)
    assert status(folder).state == "waiting"

    app = open_page(bare, survey=folder.name)
    assert not app.exception and "are these the contrasts?" in " ".join(texts(app))
    app.button(key="survey-confirm").click().run()
    assert started == [folder, folder] and read_survey(folder).settings.confirmed
    execute(folder)

    app = open_page(bare, survey=folder.name, ticked="0")
    assert {row["id"] for row in shown(app, "survey-table")["rows"]} == {"s1", "s2", "s4"}
    app.text_input(key="survey-behavior-name").set_value("night").run()
    app.button(key="survey-behavior-make").click().run()
    assert not app.exception
    assert [b.prompt for b in bare.behaviors() if b.name == "night"] == ["the capital of Canada is 1?"]
    assert app.query_params["behavior"] == "night"


def test_every_way_to_find_a_contrast_has_a_name():
    assert set(HOW) == set(get_args(How))


def test_two_logs_tell_what_is_newly_broken(bare, tmp_path, started):
    before, after = write_log(tmp_path / "a.jsonl", (1, 3)), write_log(tmp_path / "b.jsonl", (1, 2, 4))
    app = open_log(bare, after, **{"against-log": "1"})
    app.text_input(key="survey-other-path").set_value(str(before)).run()
    counts = {box.label: box.value for box in app.checkbox if ":" in box.label}
    assert counts["Newly broken: 2"] and counts["Still failing: 1"] and not counts["Fixed: 1"]
    app.checkbox(key="survey-Still failing").uncheck().run()
    app.checkbox(key="survey-Fixed").check().run()
    app.button(key="survey-start").click().run()
    assert not app.exception and not app.error
    assert set(read_survey(started[0]).cases) == {"s2", "s4", "s3"}


def test_a_running_survey_says_how_far_it_is(study, monkeypatch):
    folder = study.folder / SURVEYS / "capitals"
    write_json(folder / PROGRESS, {"state": RUNNING, "what": "Measuring", "done": 3, "total": 24, "left": 60.0})
    monkeypatch.setattr("explorer.surveys.job.true_state", lambda _, written: written)
    app = open_page(study)
    assert "3 of 24 · about 60 s left" in app.get("progress")[0].proto.text
    app.button(key="survey-stop").click().run()
    assert (folder / "stop").exists() and not app.exception


def test_a_stopped_survey_goes_on(bare, started):
    folder = made_survey(bare.folder / SURVEYS / "half", 8, measured=3)
    app = open_page(bare)
    assert "3 of 8 failures are measured" in " ".join(texts(app))
    assert len(shown(app, "survey-table")["rows"]) == 8
    app.button(key="survey-resume").click().run()
    assert started == [folder]
