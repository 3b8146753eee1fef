"""What the command ``app`` hands to the server: host names, folders, settings; and what it refuses."""

import os
import socket
import sys
import tomllib
from pathlib import Path

import pytest

from explorer.cli.main import main
from explorer.errors import ExplorerError
from explorer.serving import LOOPBACK, Serving, allowed_hosts, link_host

CONFIG = tomllib.loads((Path(__file__).parents[1] / ".streamlit/config.toml").read_text())


def test_the_settings_keep_the_server_closed():
    server, client = CONFIG["server"], CONFIG["client"]
    assert server["allowedHosts"] == list(LOOPBACK)
    assert server["enableXsrfProtection"] and server["enableCORS"]
    assert not server["enableAgentApi"] and not server["enableStaticServing"]
    assert (server["maxUploadSize"], server["maxMessageSize"], server["maxWidgetStateSize"]) <= (20, 50, 5)
    assert client["showErrorDetails"] == "none" and client["showErrorLinks"] is False and client["allowedOrigins"] == []
    assert CONFIG["browser"]["gatherUsageStats"] is False


def test_hosts_follow_from_the_address():
    assert allowed_hosts("localhost") == [*LOOPBACK]
    assert allowed_hosts("::1") == [*LOOPBACK]
    assert allowed_hosts("192.0.2.7", ["Tool.Team.Example"]) == [*LOOPBACK, "192.0.2.7", "tool.team.example"]
    everywhere = allowed_hosts("0.0.0.0", ["*.team.example"])
    assert {socket.gethostname(), "127.0.0.1", "*.team.example"} <= set(everywhere)
    assert not {"*", "0.0.0.0", "::", ""} & set(everywhere)


@pytest.mark.parametrize("name", ["*", "", "a b", "http://x", "x/y", "x:80", "-x", "*.", "x" * 300, "a\0", "a\nb", "é"])
def test_what_is_no_host_name_is_refused(name):
    with pytest.raises(ExplorerError, match=r"--host .*: not a host name or address"):
        allowed_hosts("localhost", [name])
    with pytest.raises(ExplorerError, match=r"--address"):
        allowed_hosts(name)


def test_links_name_a_host_that_can_be_reached():
    assert link_host("localhost") == "localhost"
    assert link_host("::1") == "[::1]"
    assert link_host("0.0.0.0") == socket.gethostname()


@pytest.fixture
def started(monkeypatch) -> list:
    """What the process would have become: [command, environment]."""
    seen: list = []
    monkeypatch.setattr(os, "execve", lambda _path, command, environment: seen.extend([command, environment]))
    monkeypatch.setattr(os, "chdir", lambda _path: None)
    return seen


def test_the_command_hands_folders_hosts_and_sharing_on(started, tmp_path, capsys):
    folder = tmp_path / "a:b"
    folder.mkdir()
    assert main(["app", "--allow", f"{folder}/../a:b/", "--allow", "/", "--host", "x.example", "--share"]) == 0
    command, environment = started
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert "--server.allowedHosts=x.example" in command and "--server.allowedHosts=localhost" in command
    assert Serving.read(environment) == Serving((str(folder), "/"), share=True)
    assert "token" not in " ".join(command).lower()
    assert capsys.readouterr().err == ""


def test_an_open_address_without_a_token_is_warned_of(started, capsys):
    assert main(["app", "--address", "0.0.0.0"]) == 0
    assert "everybody who reaches 0.0.0.0 can use the app; --share" in capsys.readouterr().err
    assert Serving.read(started[1]) == Serving()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--allow", "/nowhere"], "--allow '/nowhere': no such folder."),
        (["--allow", "a\0b"], "a NUL in it; expected text"),
        (["--allow", ""], "no such folder"),
        (["--host", "*"], "not a host name"),
        (["--address", ""], "not a host name"),
        (["--port", "0"], "--port 0: expected a number from 1 to 65535."),
        (["--port", "9" * 5000], "expected a whole number up to 2,147,483,647"),
    ],
)
def test_arguments_that_can_not_be_used_are_one_line(started, capsys, arguments, said):
    try:
        code = main(["app", *arguments])
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code == 2 and said in error and error.count("\n") == 1
    assert not started


def test_damaged_settings_are_a_sentence():
    for text in ("[", "3", "[3]", '{"a": 1}'):
        with pytest.raises(ExplorerError, match="EXPLORER_ALLOW"):
            Serving.read({"EXPLORER_ALLOW": text})
