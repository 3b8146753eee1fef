"""The small study of the tests of the index, built once and built anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from explorer.data.study import Study
from explorer.vectors.index import Index
from tests.vectors.tiny import ROWS, build, save_tiny, tiny_study


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model."""
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Index:
    """An index that was built without a break; tests leave it as it is."""
    return build(tiny_study(tmp_path_factory.mktemp("whole"), model, ROWS))


@pytest.fixture
def study(tmp_path: Path, model: Path) -> Study:
    """The same study, with nothing built."""
    return tiny_study(tmp_path / "study", model, ROWS)


@pytest.fixture
def built(study: Study) -> Index:
    """An index of one's own, to be damaged."""
    return build(study)
