"""Names and notes of clusters: kept, never written over what can't be read, never half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from explorer.behaviors.notes import FILE, Note, read_notes, write_note
from explorer.errors import ExplorerError


def test_notes_are_kept_beside_each_other_and_an_empty_one_goes(tmp_path: Path) -> None:
    assert read_notes(tmp_path) == {}
    one, other = Note("flattery", "praise, <b>unasked</b> é🐳", "bad"), Note("", "only a note")
    write_note(tmp_path, "a", one)
    write_note(tmp_path, "b", other)
    assert read_notes(tmp_path) == {"a": one, "b": other}
    write_note(tmp_path, "a", Note())
    write_note(tmp_path, "nobody", Note())
    assert read_notes(tmp_path) == {"b": other}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [FILE]


def test_a_file_from_before_there_were_tags(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 1, "clusters": {"a": {"name": "x", "note": "y"}}}')
    assert read_notes(tmp_path) == {"a": Note("x", "y")}
    write_note(tmp_path, "b", Note(tag="wanted"))
    assert read_notes(tmp_path) == {"a": Note("x", "y"), "b": Note("", "", "wanted")}


@pytest.mark.parametrize(
    "text",
    (
        "{",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 2, "clusters": {}}',
        '{"format": 1, "clusters": []}',
        '{"format": 1, "clusters": {"a": {"name": 3}}}',
        '{"format": 1, "clusters": {"a": {"title": "x"}}}',
        '{"format": 1, "clusters": {"a": "x"}}',
        '{"format": 1, "clusters": {"a": {"tag": "good"}}}',
    ),
)
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    for act in (lambda: read_notes(tmp_path), lambda: write_note(tmp_path, "a", Note("x"))):
        with pytest.raises(ExplorerError, match=rf"{FILE}: damaged, .* repair it or move it away \(.+\)\.$"):
            act()
    assert (tmp_path / FILE).read_text() == text


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe{")
    with pytest.raises(ExplorerError, match="damaged"):
        read_notes(tmp_path)


def test_a_failed_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_note(tmp_path, "a", Note("kept"))

    def full(_from: Path, _to: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ExplorerError, match="the disk is full; what was written before is kept"):
        write_note(tmp_path, "b", Note("new"))
    assert json.loads((tmp_path / FILE).read_text())["clusters"] == {"a": {"name": "kept", "note": "", "tag": ""}}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [FILE]
