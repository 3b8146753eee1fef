"""Two studies on tiny models, one whose every text is an attack, and the report of a case of each."""

import pytest

from explorer.data.study import Study
from explorer.reports.blocks import Report
from explorer.reports.gather import report
from tests.hostile import hostile_study
from tests.pages.data_study import data_study


@pytest.fixture(scope="package")
def study(tmp_path_factory) -> Study:
    """60 rows with vectors; behaviors and one failure, no repair."""
    return data_study(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="package")
def made(study: Study) -> Report:
    """The report of its failure, with verdicts."""
    return report(study, "f", app="http://localhost:8501/")


@pytest.fixture(scope="package")
def hostile(tmp_path_factory) -> Study:
    """The study of attacks, with a repair."""
    return hostile_study(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="package")
def attacked(hostile: Study) -> Report:
    """The report of its first failure, under a title that is an attack."""
    name, failure = next(iter(hostile.failures().items()))
    return report(hostile, name, title=failure.system or "", judge=False)
