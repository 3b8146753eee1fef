"""Files and stdout are written whole, and what can't be written is one sentence."""

import ast
import json
import os
import sys
from pathlib import Path

import pytest

from explorer.cli.main import main
from explorer.cli.output import progress_lines, say, write, write_json
from explorer.errors import ExplorerError
from explorer.files import writing


def test_text_bytes_and_json_in_files(tmp_path):
    path = tmp_path / "x"
    write(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    write(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    for indent, lines in ((None, 1), (1, 4)):
        write_json(path, {"a": "é", "b": 1.5}, indent)
        text = path.read_text(encoding="utf-8")
        assert json.loads(text) == {"a": "é", "b": 1.5}
        assert len(text.splitlines()) == lines and "é" in text and text.endswith("}\n")


def test_stdout_comes_after_what_was_printed(capfd):
    print("first")
    write("-", "é\n")
    write("-", b"third\n")
    assert capfd.readouterr().out == "first\né\nthird\n"


@pytest.mark.parametrize(("place", "why"), [("none/x", "No such file or directory"), (".", "Is a directory")])
def test_what_can_not_be_written(tmp_path, place, why):
    with pytest.raises(ExplorerError, match=rf"can't be written.*{why}") as caught:
        write_json(tmp_path / place, {})
    assert str(tmp_path) in str(caught.value)


def test_a_reader_that_has_left(monkeypatch):
    class Gone:
        buffer = None

        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(ExplorerError, match="The standard output can't be written: Broken pipe"):
        write("-", "x")


def test_errors_of_libraries_too(tmp_path):
    with pytest.raises(ExplorerError, match="x can't be written: bad shape"), writing(tmp_path / "x", ValueError):
        raise ValueError("bad shape")
    with pytest.raises(ValueError, match=r"^bad shape"), writing(tmp_path / "x"):
        raise ValueError("bad shape")


ATTACKS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\rb",
    "a\nfake line",
    "\u202eevil",
    "a\u200bb",
    "\u2028",
    "\ud800",
)


def test_nothing_printed_commands_the_terminal(capsys):
    say(*ATTACKS)
    say(*ATTACKS, to_stderr=True)
    progress_lines()(ATTACKS[0])
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(ATTACKS) == len(err.splitlines()) - 1
    assert all(character.isprintable() or character == "\n" for character in out + err)
    assert out.splitlines()[0] == r"\x1b[31mred\x1b[0m"
    say("tab\t Ünï · 日本　語 مرحبا 👍🏽")  # what people write stays
    assert capsys.readouterr().out == "tab\t Ünï · 日本　語 مرحبا 👍🏽\n"


def test_arguments_and_errors_neither(capsys):
    for arguments in (["trace", "--rule", ATTACKS[0]], ["rank", f"/none/{ATTACKS[0]}", "--behavior", "x"]):
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code
        assert code == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1 and "\x1b" not in err


def test_every_command_prints_through_the_one_function():
    for path in (Path(__file__).parents[2] / "explorer/cli").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printed = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
        assert len(printed) == (path.name == "output.py"), path
        assert "stdout.write" not in path.read_text() and "stderr.write" not in path.read_text()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.svg"
    write(path, "old")
    link = tmp_path / "link"
    link.symlink_to(path)
    write(link, "new")
    assert path.read_text() == "new" and link.is_symlink()

    def full(file, data):
        os.truncate(file, 0) if Path(file).exists() else Path(file).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExplorerError, match="disk is full"):
        write(path, "newer")
    assert path.read_text() == "new" and sorted(tmp_path.iterdir()) == [link, path]


def test_devices_are_written_to_and_stay(tmp_path):
    write("/dev/null", "x")
    assert Path("/dev/null").is_char_device()


def test_a_wait_is_told_once_in_a_while(capsys):
    tell = progress_lines()
    for _ in range(5):
        tell("Waiting")
    for done in range(4):
        tell("Reading", done, 3)
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Waiting",
        "Reading: 0/3",
        "Reading: 3/3",
    ]
