"""One shared load of the embedded model, and where Chromium is."""

import os

import explorer  # noqa: F401 - before torch: it says how torch's threads wait

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: no test needs a hub

from collections.abc import Iterator

import pytest
import torch

from explorer.model.load import LoadedModel, load_model


@pytest.fixture(scope="session")
def smollm() -> LoadedModel:
    """The embedded model, loaded once."""
    return load_model()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny models are many times faster without torch's own threads, which wait for each other on a busy machine."""
    torch.set_num_threads(1)
    yield
