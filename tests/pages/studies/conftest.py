"""A shelf of studies of its own for each file, and somebody's model and training data."""

import csv
from pathlib import Path

import pytest

from explorer.ui.study import demo_folder
from tests.pages.studies.steps import HOSTILE
from tests.vectors.tiny import save_adapter, save_tiny


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory):
    """The folder of the studies of this file's tests, with the demo study in it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shelf") / "studies"
        patch.setenv("EXPLORER_STUDIES", str(folder))
        demo_folder.clear()
        yield folder
    demo_folder.clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's folder, two adapters and a CSV of training data beside it."""
    folder = tmp_path_factory.mktemp("mine")
    save_tiny(folder / "model")
    save_adapter(folder / "sft")
    save_adapter(folder / "dpo")
    with (folder / "train.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["instruction", "output", "source"])
        rows.writerows([f"the capital number {i}?", "Seoul" if i % 3 else HOSTILE, "web"] for i in range(40))
    return folder / "model"
