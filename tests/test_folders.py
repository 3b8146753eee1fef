"""Folders in one step: scratch folders of the dead are swept, those of the living are not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from explorer.errors import ExplorerError
from explorer.folders import UNFINISHED, scratch_folder, unfinished, whole_folder


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a") as scratch:
        (scratch / "x").write_text("1")
        assert not (tmp_path / "a").exists()
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with whole_folder(tmp_path / "a") as scratch:
        (scratch / "inner").mkdir()
        (scratch / "inner" / "x").write_text("1")
    assert (tmp_path / "a" / "inner" / "x").read_text() == "1" and len(list(tmp_path.iterdir())) == 1


def test_files_of_a_filled_folder_are_replaced_and_the_last_comes_last(tmp_path: Path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").write_text("mine")
    placed: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (placed.append(Path(other).name), replace(one, other)))
    with whole_folder(tmp_path / "a", last="end") as scratch:
        for name in ("end", "begin", "middle"):
            (scratch / name).write_text(name)
    assert placed[-1] == "end" and (tmp_path / "a" / "mine").read_text() == "mine"
    assert not unfinished(tmp_path / "a") and not (tmp_path / "a" / UNFINISHED).exists()


def test_two_at_once_make_one(tmp_path: Path):
    with pytest.raises(ExplorerError, match="can't be written"), whole_folder(tmp_path / "a") as first:
        (first / "x").write_text("first")
        with whole_folder(tmp_path / "a") as second:
            (second / "x").write_text("second")
    assert (tmp_path / "a" / "x").read_text() == "second"


def test_scratch_folders_of_the_living_stay(tmp_path: Path):
    begun = tmp_path / ".a.12345678.scratch"  # by a process that has not come to lock it
    begun.mkdir()
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with scratch_folder(tmp_path / "a") as folder:
            (folder / "x").touch()
            inside.set()
            assert leave.wait(10) and (folder / "x").exists()

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    with scratch_folder(tmp_path / "a"):
        assert len(list(tmp_path.glob(".a.*.scratch"))) == 3
    leave.set()
    thread.join()
    os.utime(begun, (0, 0))
    with scratch_folder(tmp_path / "a"):
        assert not begun.exists()
