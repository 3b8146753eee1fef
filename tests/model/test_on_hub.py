"""A model on the hub is looked for within seconds, whatever becomes of the network."""

import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from explorer.errors import ModelError
from explorer.model import on_hub
from explorer.model.on_hub import is_fetched, require_on_hub
from tests.model.hub import FakeHub


class _Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/models/owner/there/revision/v2" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def test_what_the_hub_has_and_has_not(online, monkeypatch):
    server = HTTPServer(("localhost", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://localhost:{server.server_port}")
    require_on_hub("owner/there@v2")
    with pytest.raises(ModelError, match="'owner/gone' is not on this machine, and the hub has none of that name"):
        require_on_hub("owner/gone")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("answers", [False, True], ids=["nobody there", "somebody who is silent"])
def test_a_hub_out_of_reach_is_told_within_seconds(online, monkeypatch, answers):
    monkeypatch.setattr(on_hub, "SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        if answers:
            silent.listen()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://localhost:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ModelError, match="'owner/name' is not on this machine, and the hub can't be reached"):
            require_on_hub("owner/name")
        assert time.monotonic() - began < 5


def test_what_lies_here_is_not_asked_for(monkeypatch, tmp_path):
    hub = FakeHub(tmp_path / "hub", monkeypatch)
    with pytest.raises(ModelError, match="offline mode is on"):
        require_on_hub("owner/name")
    files = tmp_path / "files"
    files.mkdir()
    (files / "config.json").write_text("{}")
    hub.put("owner/name", files)
    require_on_hub("owner/name")
    assert is_fetched("owner/name") and not is_fetched("owner/name@v2") and not is_fetched("owner/other")
