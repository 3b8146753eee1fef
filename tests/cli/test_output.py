"""Files and stdout are written whole, and what can't be written is one sentence."""

import json
import sys

import pytest

from explorer.cli.output import write, write_json
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
    with pytest.raises(ExplorerError, match=f"can't be written: {why}") as caught:
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
