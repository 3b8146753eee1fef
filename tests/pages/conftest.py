"""Every test begins with an empty basket and report, whatever study it opens; nothing is computed in the background."""

from pathlib import Path

import pytest

from explorer.ui.background import background


@pytest.fixture(autouse=True)
def baskets(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where baskets and reports lie in this test, instead of in the studies."""
    folder = tmp_path_factory.mktemp("baskets")
    monkeypatch.setattr("explorer.data.basket.basket_file", lambda study: folder / f"{study.name}.json")
    collected = "explorer.reports.collection.collection_file"
    monkeypatch.setattr(collected, lambda study: folder / f"{study.name}-report.json")
    return folder


@pytest.fixture(autouse=True)
def nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages show what is known without computing further; what the background computes has tests of its own."""
    for wish in ("soon", "later"):
        monkeypatch.setattr(background, wish, lambda function, *given, **named: function.known(*given, **named))
