"""How many windows a server serves, and what the next one sees."""

import pytest

from explorer.errors import ExplorerError
from explorer.ui.server import windows
from tests.pages.app import open_app


def test_windows_are_counted_while_they_are_connected(monkeypatch):
    monkeypatch.setattr(windows, "WINDOWS", 1)
    with windows.connected():
        windows.require_place()
        with windows.connected(), pytest.raises(ExplorerError, match="1 browser window already use"):
            windows.require_place()
        windows.require_place()


def test_who_comes_too_late_is_told_and_who_is_in_stays(smollm, monkeypatch):
    inside = open_app().run()
    monkeypatch.setattr(windows, "_connected", windows.WINDOWS + 1)
    outside = open_app().run()
    assert "as many as it serves" in outside.error[0].value and not outside.sidebar.selectbox
    assert not inside.run().error
