"""A survey's cases under several models, against figures counted by hand."""

import numpy as np
import pytest

from explorer.model.spec import ModelSpec
from explorer.surveys.folder import Reading, Row, add_row, read_survey
from explorer.surveys.side_by_side import change, side_by_side
from tests.surveys.made import made_survey


def test_gaps_medians_and_segments(tmp_path):
    models = {"base": ModelSpec(), "sft": ModelSpec(), "dpo": ModelSpec()}
    survey = read_survey(made_survey(tmp_path / "s", 9, models))
    result = side_by_side(survey)
    assert result.models == ("base", "sft", "dpo")
    assert set(result.gaps) == {f"q/{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9)}  # 6 could not be read
    for id, gaps in result.gaps.items():
        assert gaps[2] == survey.rows[id].gap and gaps[0] == pytest.approx(gaps[2] - 4)
    assert result.medians == pytest.approx(np.median([*result.gaps.values()], axis=0))
    assert result.segments["user"] == ((2.0, -1.0), (3.0, -1.0), (4.0, -1.0))
    few = side_by_side(survey, ["q/1", "q/6", "nobody"])
    assert few.medians == few.gaps["q/1"] and list(few.gaps) == ["q/1"]


def test_a_segment_that_a_prompt_lacks_counts_as_nothing(tmp_path):
    folder = made_survey(tmp_path / "s", 2, measured=0)
    add_row(folder, Row("q/1", 2.0, readings={"base": Reading(2.0, {"system": (3.0, -1.0, 4)})}))
    add_row(folder, Row("q/2", 2.0, readings={"base": Reading(2.0, {})}))
    assert side_by_side(read_survey(folder)).segments == {"system": ((1.5, -0.5),)}


def test_a_case_that_one_model_has_not_read_is_left_out(tmp_path):
    folder = made_survey(tmp_path / "s", 1, {"base": ModelSpec(), "sft": ModelSpec()}, measured=0)
    add_row(folder, Row("q/1", 2.0, readings={"sft": Reading(2.0, {})}))
    result = side_by_side(read_survey(folder))
    assert (result.gaps, result.medians, result.segments) == ({}, (), {})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(-1.0, 1.0, "broken"), (0.0, 0.1, "broken"), (1.0, 0.0, "fixed"), (2.0, 1.0, "failing"), (-1.0, -2.0, "passing")],
)
def test_change(before, after, expected):
    assert change(before, after) == expected
