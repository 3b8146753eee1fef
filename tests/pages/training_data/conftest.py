"""The study of the tests of the Training data page."""

import pytest

from explorer.data.study import Study
from tests.pages.data_study import data_study


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    """The study with its vectors."""
    return data_study(tmp_path_factory.mktemp("training-data"))
