"""A measurement of many cases goes on after the last line that a run before it wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.lines import Line, Work, measure_lines

CASES = (("a", "one"), ("a", "two"), ("b", "one"), ("b", "two"))


class Stopped(Exception):
    """Somebody ends the run."""


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, most: int = 9) -> list[tuple[str, str]]:
    """Measure, until so many cases are made; return these."""
    made: list[tuple[str, str]] = []

    def line(case: tuple[str, str]) -> Line:
        if len(made) == most:
            raise Stopped
        made.append(case)
        return {"id": case[0], "rule": case[1], "verdict": "holds", "seconds": 0.1}

    def works(study: Path | None) -> Iterator[Work]:
        assert study == folder
        for case in CASES:
            yield case, lambda case=case: line(case)

    given = ["--lines", folder / "lines.jsonl", "--json", folder / "all.json", "--study", folder]
    monkeypatch.setattr("sys.argv", ["bench", *map(str, given)])
    try:
        measure_lines("", ("id", "rule"), works, lambda lines: [[line["id"], line["rule"]] for line in lines])
    except Stopped:
        assert not (folder / "all.json").exists()
    return made


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    assert run(monkeypatch, tmp_path, most=2) == list(CASES[:2])
    assert run(monkeypatch, tmp_path) == list(CASES[2:])
    written = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [(line["id"], line["rule"]) for line in written] == list(CASES)  # no case twice, none lost
    assert json.loads((tmp_path / "all.json").read_text()) == [list(case) for case in CASES]
    assert run(monkeypatch, tmp_path) == []
