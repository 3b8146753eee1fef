"""What a survey says: its headline, its table, what bars are divided by."""

import csv
import io
from dataclasses import replace

import pytest

from explorer.surveys.folder import OUTCOMES, LogAbout, Note, Row, note, read_survey
from explorer.surveys.report import (
    DIVISIONS,
    REST,
    case_table,
    headline,
    made_of,
    pace,
    segment_shares,
    source,
    states_without,
    value_name,
    values_of,
)
from explorer.surveys.totals import totals
from tests.pages.data_study import HOSTILE as HTML
from tests.surveys.made import ABOUT, made_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = made_survey(tmp_path_factory.mktemp("s") / "capitals", 24, measured=20)
    note(folder, Note("q/1", seen=True, text="=SUM(A1)"))
    return read_survey(folder)


def test_the_headline_has_the_shares_and_everything_that_is_left_out(survey):
    rows = [row for row in survey.rows.values() if row.outcome]
    sentence = headline(totals(survey).all)
    assert f"Of {len(rows)} failures" in sentence
    for outcome in OUTCOMES:
        assert f"{sum(row.outcome == outcome for row in rows) / len(rows):.0%}" in sentence
    assert "Marked: 1 with a small gap, 1 not made by this model, 1 could not be read, 4 not measured yet." in sentence


def test_a_survey_without_outcomes_says_what_it_has(survey, tmp_path):
    few = totals(survey, ["q/4", "q/6", "q/24"]).all
    assert headline(few).startswith("3 failures, of which the model makes 0.")


@pytest.mark.parametrize("by", DIVISIONS)
def test_the_parts_of_a_bar_are_all_its_cases(survey, by):
    counts = totals(survey)
    for one in (counts.all, *counts.categories.values()):
        assert sum(values_of(one, by).values()) == one.cases
    assert values_of(counts.all, "made") == {"failure": 17, "small": 1, "not-made": 1, "unreadable": 1, REST: 4}
    assert values_of(counts.all, by)[REST] == sum(
        count for state, count in {"not-made": 1, "unreadable": 1, "waiting": 4}.items() if state in states_without(by)
    )
    assert all(value_name(by, value) for value in (*DIVISIONS[by], REST))


def test_segment_shares_sum_to_one(survey):
    assert segment_shares(survey.rows["q/1"]) == {"user": 0.75, "template": 0.25}
    assert segment_shares(Row("a")) == {}


def test_the_source_says_what_was_left_out():
    about = replace(ABOUT, problems=("2 samples without a target were left out.", "Filter strict was taken."))
    assert source(about) == (
        "From samples_capitals.jsonl (lm-evaluation-harness 0.4.9), task capitals, run of tiny, 24 of 40 samples "
        "failed. 2 samples without a target were left out. Filter strict was taken"
    )
    assert source(LogAbout()) == ""


def test_the_table_holds_every_figure_and_runs_no_formula(survey):
    lines = list(csv.DictReader(io.StringIO(case_table(survey, list(survey.cases), {"q/1": 2}).decode())))
    assert [line["id"] for line in lines] == list(survey.cases)
    first, unread, waiting = lines[0], lines[5], lines[23]
    assert float(first["gap_logits"]) == survey.rows["q/1"].gap == float(first["gap_base"])
    assert (first["profile_cluster"], first["seen"], first["note"]) == ("2", "true", "'=SUM(A1)")
    assert float(first["share_user"]) == pytest.approx(3 / 4) and float(first["share_template"]) == pytest.approx(1 / 4)
    assert first["reddest"] == "Canada (+1.50) capital (+0.50)" and first["bluest"] == "is (-0.75)"
    assert unread["mark"] == survey.rows["q/6"].error and HTML in unread["mark"]
    assert waiting["mark"] == "not measured yet" and waiting["gap_logits"] == ""


def test_what_a_cluster_is_made_of():
    assert made_of({"b": 1, "a": 5, "": 2, "c": 1}) == "a 5, no category 2, b 1 and 1 more"


def test_pace_is_that_of_surveys_like_it(survey):
    assert pace([survey], judged=False) is None
    seconds = [row.seconds for row in survey.rows.values() if not row.error]
    assert pace([survey], judged=True) == pytest.approx(sum(seconds) / len(seconds))
