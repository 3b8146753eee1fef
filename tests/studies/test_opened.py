"""The calls on an open study are the public ones, and say who they are in a line."""

import pytest

import explorer
from explorer.data.study import open_study as plain_study
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior, AboutFailure
from explorer.ranking.rank import rank
from explorer.repair.plan import Arm, Plan
from explorer.studies.opened import OpenStudy
from tests.vectors.tiny import mixed_rows, save_tiny, tiny_study

BEHAVIORS = [{"id": f"b{i}", "name": "seoul", "prompt": f"{i}: of Canada?", "bad": "Seoul"} for i in range(3)]
FAILURES = [{"id": "f", "prompt": "the capital of Canada is", "wrong": "Seoul", "right": "Ottawa", "raw": True}]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> OpenStudy:
    folder = tmp_path_factory.mktemp("opened")
    tiny_study(folder / "study", save_tiny(folder / "model"), mixed_rows(12), behaviors=BEHAVIORS, failures=FAILURES)
    return explorer.open_study(folder / "study")


def test_it_is_the_study_of_its_folder(study):
    plain = plain_study(study.folder)
    assert vars(study) == vars(plain) and isinstance(study, type(plain)) and repr(study) == repr(plain)


def test_build_rank_and_cluster(study):
    index = study.build(layers=[2])
    for about, question in (
        ("seoul", AboutBehavior("seoul")),
        ("f", AboutFailure(study.failures()["f"])),
        (study.failures()["f"], AboutFailure(study.failures()["f"])),
        (AboutBehavior("seoul"), AboutBehavior("seoul")),
    ):
        ranking = study.rank(about, layer=2)
        assert ranking.question == question
        assert ranking.order.tolist() == rank(plain_study(study.folder), question, layer=2).order.tolist()
    assert study.cluster(layer=2, count=1).index.manifest.fingerprint == index.manifest.fingerprint
    with pytest.raises(ExplorerError, match=r"no behavior or failure 'gone'; expected a behavior \(seoul\)"):
        study.rank("gone")


def test_a_survey_of_its_failures_lies_in_it(study):
    survey = study.survey(judged=False)
    assert set(survey.rows) == {"f"} and survey.folder.is_relative_to(study.folder)


def test_what_a_notebook_shows_of_it_is_short(study):
    study.build(layers=[2])
    values = [study, study.failures()["f"], study.behavior("seoul")[0], study.rank("seoul", layer=2)]
    values += [
        study.rank("seoul", layer=2).index,
        study.cluster(layer=2, count=1).cut()[0],
        study.spec,
        explorer.Failure("p", "w", "r"),
    ]
    new = explorer.prepare_study("x", model="smollm2", data=study.folder / "datapoints.parquet")
    values += [new, new.data, Plan("seoul", "drop", "sft", {}, 1.0, 9, (Arm("top", 99, 0, ("row",) * 99),))]
    for value in values:
        assert len(repr(value)) < 200 and "\n" not in repr(value), repr(value)
