"""A tiny model on disk."""

from pathlib import Path

import pytest

from explorer.model.load import LoadedModel
from tests.vectors.tiny import save_tiny, tiny_loaded


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_loaded_model() -> LoadedModel:
    return tiny_loaded()
