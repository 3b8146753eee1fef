"""The figure and the report of a survey in every format."""

import pytest

from explorer.figures.save import FORMATS
from explorer.figures.survey import export_survey
from explorer.figures.survey_page import survey_html
from explorer.model.spec import ModelSpec
from explorer.surveys.folder import Note, note, read_survey
from explorer.surveys.profiles import cluster_profiles
from tests.pages.data_study import HOSTILE as HTML
from tests.surveys.made import made_survey

MODELS = {"base": ModelSpec(), "$x$ <b>": ModelSpec(), "dpo": ModelSpec()}


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = made_survey(tmp_path_factory.mktemp("s") / "capitals", 24, MODELS)
    note(folder, Note("q/2", True, HTML))
    return read_survey(folder)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_figure_as_a_file(survey, kind):
    drawn = export_survey(survey, list(survey.cases), cluster_profiles(survey), "verdict", kind, "http://x/survey")
    assert drawn.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype"}[kind])
    assert b"<img" not in drawn and len(drawn) > 9000


def test_one_model_and_no_profiles_are_a_smaller_figure(tmp_path, survey):
    alone = read_survey(made_survey(tmp_path / "s", 4))
    small, large = (len(export_survey(s, list(s.cases), None, "outcome", "png")) for s in (alone, survey))
    assert small < large


def test_the_report_has_every_case_and_no_markup_of_theirs(survey):
    page = survey_html(survey, list(survey.cases), cluster_profiles(survey), "http://x/survey")
    assert page.count("the capital of Canada is number") == 23  # one prompt is the hostile one
    assert "<img" not in page and "&lt;img" in page and "<b>dpo" not in page
    assert "NC-IA + M-AG" in page and "http://x/survey" in page and "No contrast was found" in page
    assert "script-src" not in page


def test_the_report_of_some_cases_counts_those(survey):
    page = survey_html(survey, ["q/1", "q/2"])
    assert "2 failures of 24" in page and page.count("the capital of Canada is number") == 2
