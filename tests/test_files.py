"""Files are whole or absent, whatever happens while they are written."""

import os
from pathlib import Path

import pytest

from explorer.errors import ExplorerError
from explorer.files import append_lines, write_json, write_whole
from explorer.reading import read_json_lines, read_whole_lines


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a.json"
    write_json(file, {"kept": 1})

    def full(*_paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ExplorerError, match=r"a\.json: the disk is full"):
        write_json(file, {"new": 2})
    assert file.read_text() == '{\n "kept": 1\n}\n'
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_is_stopped_leaves_nothing(tmp_path: Path):
    def stop(scratch: Path) -> None:
        scratch.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", stop)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ExplorerError, match="can't be written"):
        write_json(tmp_path / "missing" / "a.json", 1)


def test_lines_survive_one_that_was_cut_short(tmp_path: Path):
    file = tmp_path / "deep" / "lines.jsonl"
    append_lines(file, [{"n": 1}, {"n": 2}])
    file.write_text(file.read_text()[:-3])  # killed within the second line
    append_lines(file, [{"n": 3}])
    assert list(read_whole_lines(file)) == [{"n": 1}, {"n": 3}]
    with pytest.raises(ExplorerError, match=r"lines\.jsonl, line 3: not JSON"):
        list(read_json_lines(file))
    assert list(read_whole_lines(tmp_path / "absent")) == []
