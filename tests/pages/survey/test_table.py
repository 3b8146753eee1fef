"""What the Survey page shows of a survey that is done: headline, pictures, filters, the table, notes."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.model.spec import ModelSpec
from explorer.surveys import job
from explorer.surveys.folder import NOTES, ROWS, SURVEYS, Note, add_row, note, read_survey
from explorer.surveys.job import JobStatus, status
from explorer.surveys.listing import Filter
from explorer.surveys.report import STATE_MEANING, case_table, headline
from explorer.surveys.totals import totals
from explorer.ui.survey import files, table
from explorer.ui.survey.view import SORT, OnScreen
from explorer.ui.text import plain
from tests.pages.app import open_study_page, shown, texts
from tests.pages.data_study import HOSTILE, LIVE
from tests.pages.survey.conftest import open_page
from tests.surveys.made import made_row, made_survey


def rows_of(app) -> list[dict]:
    return shown(app, "survey-table")["rows"]


def ids_of(app) -> list[str]:
    return [row["id"] for row in rows_of(app)]


def test_the_page_shows_every_case(study):
    app = open_page(study)
    survey = read_survey(study.folder / SURVEYS / "capitals")
    assert not app.error
    assert any(plain(headline(totals(survey).all)) == text for text in texts(app))
    rows = {row["id"]: row for row in rows_of(app)}
    assert set(rows) == set(survey.cases)
    assert rows["q/1"]["gap"] == "+1.25" and rows["q/1"]["words"][0] == ["Canada", 1.5]
    assert rows["q/1"]["segments"] == [["user", 0.8], ["template", 0.2]] and rows["q/1"]["sink"] == "1%"
    assert rows["q/4"]["mark"].startswith("not made") and rows["q/5"]["mark"].startswith("small gap")
    assert rows["q/6"]["mark"] == survey.rows["q/6"].error and not rows["q/6"]["can"] and rows["q/1"]["can"]
    gaps = [float(row["gap"]) for row in rows_of(app)[:-1]]
    assert gaps == sorted(gaps, reverse=True)
    bars = shown(app, "survey-outcome-bars")
    assert sum(part["count"] for row in bars["rows"] for part in row["parts"]) == 24
    assert {row["label"] for row in bars["rows"]} == {"capitals", "dogs, cats", "no category"}
    assert len(shown(app, "survey-profile-lines")["lines"]) >= 2


def test_hostile_text_is_drawn_as_text(study):
    app = open_page(study, contrasts="1")
    assert not [text for text in texts(app) if LIVE.search(text)]
    assert rows_of(app)[[*ids_of(app)].index("q/3")]["prompt"].startswith(HOSTILE[:20])


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"outcome": "M-IA"}, {n for n in range(1, 25) if n % 4 in (0, 3) and n not in (4, 6)}),
        ({"category": "dogs%2C cats"}, {n for n in range(1, 25) if n % 3 == 1}),
        ({"category": "%,capitals"}, {n for n in range(1, 25) if n % 3 != 1}),
        ({"made": "small,unreadable"}, {5, 6}),
        ({"verdict": "holds", "pattern": "URT"}, {12, 24}),
        ({"find": "NUMBER 23"}, {23}),
        ({"unseen": "1", "made": "small,not-made"}, {5}),
        ({"outcome": "nonsense"}, set(range(1, 25))),
    ],
)
def test_filters_stand_in_the_link(study, link, expected):
    note(study.folder / SURVEYS / "capitals", Note("q/4", seen=True))
    app = open_page(study, **link)
    assert set(ids_of(app)) == {f"q/{n}" for n in expected}


def test_a_profile_cluster_is_a_filter(study):
    app = open_page(study)
    clusters = {row["id"]: row["profile"] for row in rows_of(app)}
    app = open_page(study, profile="2")
    assert set(ids_of(app)) == {id for id, cluster in clusters.items() if cluster == "2"} != set()
    assert "profile cluster 2" in " ".join(texts(app))
    app.button(key="survey-clear").click().run()
    assert len(ids_of(app)) == 24 and "profile" not in app.query_params


def test_order_and_selection_stand_in_the_link(study):
    app = open_page(study, sort="gap", ticked="0,2,99")
    assert ids_of(app)[0] == "q/4"
    assert {row["id"] for row in rows_of(app) if row["ticked"]} == {"q/1", "q/3"}
    assert "2 selected" in " ".join(texts(app))


def test_models_side_by_side(study):
    app = open_page(study, view="models")
    points = {point["key"]: point for point in shown(app, "survey-scatter")["points"]}
    survey = read_survey(study.folder / SURVEYS / "capitals")
    assert set(points) == {id for id, row in survey.rows.items() if row.gap is not None}
    assert points["q/8"]["y"] == pytest.approx(3.0) and points["q/8"]["x"] == pytest.approx(1.0)
    assert "newly broken" in " ".join(texts(app))
    assert [group["title"][:4] for group in shown(app, "survey-segments")["groups"]] == ["user", "temp"]


def test_three_models_have_lines(bare):
    models: dict[str, ModelSpec] = dict(zip(("a", "b", "c"), [*bare.checkpoints().values(), bare.spec], strict=True))
    made_survey(bare.folder / SURVEYS / "three", 8, models)
    app = open_page(bare, view="models")
    lines = shown(app, "survey-checkpoints")["lines"]
    assert len(lines) == 8 and lines[-1]["label"] == "median" and len(lines[0]["points"]) == 3


def test_a_survey_that_is_not_judged_is_divided_by_its_gaps(bare):
    folder = made_survey(bare.folder / SURVEYS / "quick", 8)
    survey = read_survey(folder)
    (folder / ROWS).unlink()
    for row in survey.rows.values():
        add_row(folder, replace(row, outcome=None, pattern=None, verdict=None))
    bars = shown(open_page(bare), "survey-outcome-bars")
    assert {key["key"]: key["count"] for key in bars["keys"]}["failure"] == "5"


def test_the_files_are_what_is_listed(study, monkeypatch):
    screens = []
    monkeypatch.setattr(files, "downloads", screens.append)
    open_page(study, made="small,not-made", sort="gap")
    lines = list(csv.DictReader(io.StringIO(case_table(screens[0].survey, screens[0].ids).decode())))
    assert [line["id"] for line in lines] == ["q/4", "q/5"]


def test_the_newest_survey_opens_and_another_by_the_link(study):
    folder = made_survey(study.folder / SURVEYS / "newer", 4)
    os.utime(study.folder / SURVEYS / "capitals" / "survey.json", (1, 1))
    assert len(ids_of(open_page(study))) == 4
    assert len(ids_of(open_page(study, survey="capitals"))) == 24
    assert len(ids_of(open_page(study, case="capitals/q/1"))) == 24  # that of the failure on screen
    (folder / "survey.json").write_text("{")
    assert "not JSON" in open_page(study, survey="newer").error[0].value


def test_a_case_of_a_survey_opens_by_its_link(study):
    app = open_page(study, case="capitals/q/7")
    app.switch_page("../../pages/trace.py").run()
    assert not app.exception and not app.error
    assert "number 7" in shown(app, "case-bar")["prompt"]
    model = next(expander.label for expander in app.expander if expander.label.startswith("Model"))
    assert "tuned" in model  # the last of the survey's models
    for gone in ("capitals/q/6", "capitals/nobody", "nosurvey/q/7", "../x/q/7"):
        app = open_page(study, case=gone)
        assert not app.exception


def test_trace_steps_through_the_survey(study):
    """A case that came by a link stands among those of its survey, in its order; round the ends."""
    app = open_study_page("trace", study, case="capitals/q/5")
    (following,) = (button for button in app.button if button.label == "Next failure")
    following.click().run()
    assert app.query_params["case"] == "capitals/q/7"  # 6 has no contrast
    (before,) = (button for button in app.button if button.label == "Previous failure")
    before.click().run()
    assert app.query_params["case"] == "capitals/q/5"


def test_a_survey_that_ends_while_the_page_reads_it_is_shown_whole(bare, monkeypatch):
    folder = made_survey(bare.folder / SURVEYS / "capitals", 8, measured=7)

    def ending(folder: Path) -> JobStatus:
        add_row(folder, made_row(8, ("base",)))
        return status(folder)

    monkeypatch.setattr(job, "status", ending)
    assert {row["mark"] for row in rows_of(open_page(bare))}.isdisjoint({STATE_MEANING["waiting"]})
    assert len(read_survey(folder).rows) == 8


class CutShort(BaseException):
    """As Streamlit ends a run, in any line, where another begins."""


@pytest.mark.parametrize("ends", ["before it is kept", "after it was kept"])
def test_a_note_outlives_a_run_that_was_cut_short(study, monkeypatch, ends):
    survey = read_survey(study.folder / SURVEYS / "capitals")
    screen = OnScreen(survey, Filter(), SORT, list(survey.cases), set(), None)
    changes = [[1, "seen", "q/2", True], [2, "note", "q/2", "odd"]]
    monkeypatch.setattr(table.st, "session_state", {table.KEY: {"changes": changes}})
    keep = table.note

    def cut(folder: Path, changed: Note) -> None:
        if changed.text and ends.startswith("before"):
            raise CutShort
        keep(folder, changed)
        if changed.text:
            raise CutShort

    with monkeypatch.context() as patch:
        patch.setattr(table, "note", cut)
        with pytest.raises(CutShort):
            table._take_changes(screen)
    assert table._take_changes(screen)
    assert read_survey(survey.folder).notes["q/2"] == Note("q/2", seen=True, text="odd")
    written = len((survey.folder / NOTES).read_text().splitlines())
    assert not table._take_changes(screen) and len((survey.folder / NOTES).read_text().splitlines()) == written
