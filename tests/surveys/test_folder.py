"""A survey's folder: what is written is read again, and a cut line costs its case alone."""

import pytest

from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec
from explorer.surveys.folder import (
    ROWS,
    Case,
    Note,
    Reading,
    Row,
    SurveySettings,
    add_row,
    change_contrast,
    create_survey,
    note,
    read_survey,
)

CASES = [
    Case("a", "Which dog?", "Bella", "Rocky", category="dogs"),
    Case("b", "Which cat?", said="Tom", expected=("Kit",)),
]
SETTINGS = SurveySettings("dogs", (("base", ModelSpec()), ("sft", ModelSpec(adapter="runs/sft"))))
ROW = Row(
    "a",
    2.5,
    ("Bella", "Rocky"),
    12,
    "M-IA",
    "OIT",
    0.97,
    profile=(0.2, 0.8),
    readings={"base": Reading(1.0, {"user": (0.5, -0.1, 4)}), "sft": Reading(2.5, {"user": (1.5, -0.2, 4)})},
)


def test_it_reads_what_it_wrote(tmp_path):
    create_survey(tmp_path / "s", SETTINGS, CASES)
    add_row(tmp_path / "s", ROW)
    note(tmp_path / "s", Note("a", seen=True))
    note(tmp_path / "s", Note("a", seen=True, text="the neighbour's"))
    survey = read_survey(tmp_path / "s")
    assert survey.settings == SETTINGS and [*survey.cases.values()] == CASES
    assert survey.rows == {"a": ROW} and survey.notes["a"].text == "the neighbour's"
    assert survey.rows["a"].peak == 1 and survey.rows["a"].segments == {"user": (1.5, -0.2, 4)}


def test_a_study_can_move(tmp_path):
    study = tmp_path / "study"
    model = ModelSpec(adapter=str(study / "adapters" / "sft"))
    create_survey(study / "surveys" / "s", SurveySettings("x", (("sft", model),)), CASES)
    study.rename(tmp_path / "moved")
    moved = read_survey(tmp_path / "moved" / "surveys" / "s").settings
    assert moved.spec.adapter == str(tmp_path / "moved" / "adapters" / "sft")


def test_a_cut_row_is_measured_again(tmp_path):
    create_survey(tmp_path / "s", SETTINGS, CASES)
    add_row(tmp_path / "s", ROW)
    path = tmp_path / "s" / ROWS
    path.write_bytes(path.read_bytes()[:-20])
    assert read_survey(tmp_path / "s").rows == {}
    add_row(tmp_path / "s", ROW)
    assert read_survey(tmp_path / "s").rows == {"a": ROW}


def test_a_changed_contrast_forgets_its_row(tmp_path):
    create_survey(tmp_path / "s", SETTINGS, CASES)
    add_row(tmp_path / "s", ROW)
    change_contrast(tmp_path / "s", "a", "Bella", "Max")
    survey = read_survey(tmp_path / "s")
    assert survey.rows == {} and survey.cases["a"].right == "Max" and survey.cases["a"].how == "yours"


def test_no_cases_is_a_sentence(tmp_path):
    with pytest.raises(ExplorerError, match="No failure to survey"):
        create_survey(tmp_path / "s", SETTINGS, [])


@pytest.mark.parametrize(
    ("gap", "mark"), [(2.0, ""), (0.7, "small gap (Δℓ ≤ 1)"), (-0.1, "not made by this model (Δℓ ≤ 0)")]
)
def test_marks(gap, mark):
    assert Row("a", gap).mark == mark
