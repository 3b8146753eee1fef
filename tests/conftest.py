"""One shared load of the embedded model, and where Chromium is."""

import os

import explorer  # noqa: F401 - before torch: it says how torch's threads wait

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: no test needs a hub

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from explorer.model import coverage_memory
from explorer.model.load import LoadedModel, load_model


@pytest.fixture(scope="session")
def smollm() -> LoadedModel:
    """The embedded model, loaded once."""
    return load_model()


@pytest.fixture(autouse=True, scope="session")
def every_model_is_checked() -> Iterator[None]:
    """No test relies on a check of an earlier run: nothing can lie in a folder below a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage_memory, "folder", lambda: Path(__file__) / "none")
        yield


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny models are many times faster without torch's own threads, which wait for each other on a busy machine."""
    torch.set_num_threads(1)
    yield
