"""A link opened where what it names is not there: the page says which thing, of what name, and shows what it can."""

import pytest

from explorer.data.study import Study
from tests.pages.app import open_app, open_study_page, texts
from tests.pages.data_study import data_study
from tests.surveys.made import made_survey


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """With two rows of behaviors, vectors, a survey, and no repair."""
    study = data_study(tmp_path_factory.mktemp("missing"))
    made_survey(study.folder / "surveys" / "capitals")
    return study


def warned(app) -> str:
    return " ".join(warning.value for warning in app.warning).replace("\\", "")


LINKS = {
    ("trace", "case"): "failure",
    ("graph", "case"): "failure",
    ("survey", "survey"): "survey",
    ("training_data", "behavior"): "behavior",
    ("training_data", "stage"): "vectors",
    ("training_data", "row"): "datapoint",
    ("training_data", "like"): "datapoint",
    ("behaviors", "cluster"): "cluster",
    ("behaviors", "datapoint"): "datapoint",
    ("behaviors", "prompt"): "prompt",
    ("repair", "repair"): "repair",
}


@pytest.mark.parametrize(("page", "key"), LINKS)
def test_a_page_names_what_is_missing_and_shows_the_rest(study, page, key):
    app = open_study_page(page, study, **{key: "gone **b**"})
    said = warned(app)
    assert f"This link names the {LINKS[page, key]} “gone **b**”, which is not in this study." in said
    assert not app.error
    assert len(texts(app)) > 3, "the rest of the page is there"


@pytest.mark.parametrize("page", ("trace", "survey", "training_data", "behaviors", "repair"))
def test_a_link_that_names_what_is_there_says_nothing(study, page):
    row = study.datapoints()["id"][3].as_py()
    query = {"case": "f", "row": row, "behavior": "swapped", "survey": "capitals"}
    assert "link" not in warned(open_study_page(page, study, **query))


def test_a_survey_s_case_that_is_gone_is_told(study):
    assert "the failure “capitals/none”" in warned(open_study_page("trace", study, case="capitals/none"))


def test_the_first_failure_is_named_where_another_one_is_shown(study):
    assert "Shown instead: “the capital of Canada is?”." in warned(open_study_page("trace", study, case="gone"))


def test_a_node_that_is_none_is_told(study):
    assert "names the node “12”" in warned(open_study_page("training_data", study, node="12"))


def test_a_study_that_is_gone_ends_the_page_with_a_way_back(smollm):
    app = open_app(study="/no/such/study").run()
    assert "/no/such/study" in app.error[0].value.replace("\\", "")
    assert any(button.key == "back" for button in app.button)


def test_a_model_that_can_t_be_used_is_told_above_the_page(study, tmp_path):
    app = open_study_page("trace", study, model=str(tmp_path / "nothing"))
    said = warned(app)
    assert said.startswith("The model that this link names can't be used here: ") and "nothing" in said
    assert "model" not in app.query_params
    app.run()
    assert "can't be used here" not in warned(app), "told once"


@pytest.mark.slow
def test_another_study_forgets_what_the_last_one_s_link_named(study, smollm):
    from explorer.ui import link
    from explorer.ui.session import TRAVELS

    assert not set(link.THINGS) & {"study"} and {"case"} <= set(TRAVELS)
    app = open_study_page("training_data", study, behavior="swapped", row=study.datapoints()["id"][3].as_py())
    app.selectbox(key="study").select(next(o for o in app.selectbox(key="study").options if "Demo" in o)).run()
    assert "behavior" not in app.query_params and "row" not in app.query_params and "link" not in warned(app)
