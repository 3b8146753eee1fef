"""The tiny study of the Training data page with its vectors, for the whole room."""

import pytest

from explorer.data.study import Study
from tests.pages.data_study import data_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """60 rows with vectors at layers 1 and 3; tests leave it as it is."""
    return data_study(tmp_path_factory.mktemp("ranking"))
