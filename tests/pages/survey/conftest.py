"""The study of the tests of the Survey page: two checkpoints, a survey of 24 failures that nothing was measured for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.data.study import Study, open_study
from explorer.surveys.folder import SURVEYS
from tests.pages.app import open_study_page
from tests.pages.data_study import data_study
from tests.surveys.made import made_survey


@pytest.fixture(scope="package")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study without a survey."""
    return data_study(tmp_path_factory.mktemp("surveys"), built=False, tuned=True)


@pytest.fixture
def bare(whole_study: Study, tmp_path: Path) -> Iterator[Study]:
    """A copy of it that a test may write to."""
    yield open_study(shutil.copytree(whole_study.folder, tmp_path / "study"))


@pytest.fixture
def study(bare: Study) -> Study:
    """The same with a survey under both checkpoints."""
    made_survey(bare.folder / SURVEYS / "capitals", 24, bare.checkpoints())
    return bare


def open_page(study: Study, **link: str) -> AppTest:
    """The page at a link, run without a traceback."""
    return open_study_page("survey", study, **link)
