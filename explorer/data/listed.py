"""Behaviors and failures from a list that somebody typed, pasted or has in a file.

One entry is a prompt with the wrong answer and, where it is known, the right one. With both it is a failure; either way
it is a prompt of the behavior that it is named after.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from explorer.data.formats import open_data
from explorer.errors import ExplorerError

BEHAVIOR = "wrong answer"
"""Name of the behavior of entries that name none."""
_FIELDS = {
    "prompt": ("prompt", "question", "input", "instruction", "query"),
    "wrong": ("wrong", "bad", "rejected", "said"),
    "right": ("right", "good", "chosen", "expected", "answer", "target"),
    "behavior": ("behavior", "name", "kind", "category"),
}
_KEPT = ("id", "system", "evidence", "raw", "exhibits", "half", "asks", "forbids")
_SEPARATORS = ("\t", " | ", "|")
_HEADERS = (",", ";", "\t")
Entry = dict[str, str]
"""``prompt``, ``wrong``, ``behavior``, and what else is known: ``right`` and the fields of behaviors and failures."""


def make_entry(row: Mapping[str, Any], where: str, behavior: str = BEHAVIOR) -> Entry:
    """One entry of a row with any of the usual names of columns.

    Args:
        where: the row stands, for the error's sentence.
        behavior: the entry belongs to where the row names none.

    Raises ExplorerError for a row without a prompt or a wrong answer, or of two answers that are the same.
    """
    lower = {str(name).strip().lower(): value for name, value in row.items()}
    texts = {field: _text(lower, names) for field, names in _FIELDS.items()}
    for field, names in (("prompt", _FIELDS["prompt"]), ("wrong", _FIELDS["wrong"])):
        if not texts[field]:
            raise ExplorerError(f"{where}: no {field}; expected text under one of {', '.join(names)}.")
    if texts["wrong"] == texts["right"]:
        raise ExplorerError(f"{where}: the wrong answer and the right one are the same.")
    entry = {name: value for name, value in texts.items() if value} | {"behavior": texts["behavior"] or behavior}
    return entry | {name: text for name in _KEPT if (text := _text(lower, (name,)))}


def _text(row: Mapping[str, Any], names: Sequence[str]) -> str:
    values = (row.get(name) for name in names)
    return next((str(value) for value in values if value not in (None, "") and not isinstance(value, list | dict)), "")


def read_listed(path: Path, behavior: str = BEHAVIOR) -> list[Entry]:
    """The entries of a JSON lines, JSON, CSV or Parquet file. Raises ExplorerError that names file and row."""
    rows = open_data(path, ()).rows
    return [make_entry(row, f"{path.name}, row {number}", behavior) for number, row in enumerate(rows, 1)]


def parse_listed(text: str, behavior: str = BEHAVIOR) -> list[Entry]:
    """The entries of a pasted text.

    It is JSON lines, CSV with a line of names, or one entry a line: prompt, wrong answer and right answer with tabs or
    ``|`` between, the right one may be left out. Raises ExplorerError that names the line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ExplorerError("The list is empty; expected a prompt and its answers in each line.")
    names = {name.strip(' "').lower() for mark in _HEADERS for name in lines[0].split(mark)}
    if lines[0].lstrip().startswith("{"):
        return _as_file("\n".join(lines), "list.jsonl", behavior)
    if names & set(_FIELDS["prompt"]) and names & set(_FIELDS["wrong"]):
        if "," not in lines[0]:  # a table copied from a spreadsheet
            mark = "\t" if "\t" in lines[0] else ";"
            head, *rest = ([cell.strip() for cell in line.split(mark)] for line in lines)
            rows = [dict(zip(head, cells, strict=False)) for cells in rest]
            return [make_entry(row, f"Line {number}", behavior) for number, row in enumerate(rows, 2)]
        return _as_file(text, "list.csv", behavior)
    return [_of_line(line, number, behavior) for number, line in enumerate(lines, 1)]


def _as_file(text: str, name: str, behavior: str) -> list[Entry]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            return read_listed(path, behavior)
        except ExplorerError as error:
            raise ExplorerError(str(error).replace(f"{folder}/", "")) from error


def _of_line(line: str, number: int, behavior: str) -> Entry:
    mark = next((mark for mark in _SEPARATORS if mark in line), None)
    cells = [cell.strip() for cell in line.split(mark)] if mark else [line]
    if not 2 <= len(cells) <= 3:
        expected = "prompt | wrong answer | right answer, with | or tabs between"
        raise ExplorerError(f"Line {number} has {len(cells)} parts; expected {expected}.")
    return make_entry(dict(zip(("prompt", "wrong", "right"), cells, strict=False)), f"Line {number}", behavior)


def study_rows(entries: Sequence[Entry]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of ``behaviors.jsonl`` and ``failures.jsonl``, each id once; failures are the entries with both answers."""
    behaviors, failures, taken = [], [], set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("id") or f"{entry['behavior']}-{number}"
        while name in taken:
            name = f"{name}-{number}"
        taken.add(name)
        more = {field: entry[field] for field in _KEPT if field in entry and field not in ("id", "evidence", "raw")}
        raw = {"raw": True} if entry.get("raw", "").lower() in ("true", "1") else {}
        behavior = (
            {"id": name, "name": entry["behavior"], "prompt": entry["prompt"], "bad": entry["wrong"]} | more | raw
        )
        behaviors.append(behavior | ({"good": entry["right"]} if "right" in entry else {}))
        if "right" in entry:
            failure = {"id": name, "kind": entry["behavior"], "behavior": entry["behavior"], "prompt": entry["prompt"]}
            asked = {field: entry[field] for field in ("system", "evidence") if field in entry}
            failures.append(failure | {"wrong": entry["wrong"], "right": entry["right"]} | asked | raw)
    return behaviors, failures
