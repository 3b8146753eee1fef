"""One shared load of the embedded model, and where Chromium is."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: no test needs a hub

import pytest

from explorer.models import LoadedModel, load_model


@pytest.fixture(scope="session")
def smollm() -> LoadedModel:
    """The embedded model, loaded once."""
    return load_model()
