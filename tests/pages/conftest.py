"""Every test begins with an empty basket, whatever study it opens."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def baskets(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where baskets lie in this test, instead of in the studies."""
    folder = tmp_path_factory.mktemp("baskets")
    monkeypatch.setattr("explorer.data.basket.basket_file", lambda study: folder / f"{study.name}.json")
    return folder
