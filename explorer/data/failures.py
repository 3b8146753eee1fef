"""Failures: prompts with a wrong and a right answer, read from JSON lines; and the gallery shipped with the app."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from explorer.errors import ExplorerError
from explorer.model.prompts import Prompt

GALLERY = Path(__file__).parents[2] / "assets" / "gallery.jsonl"


@dataclass(frozen=True)
class Failure:
    """One (prompt, wrong answer, right answer), with where the evidence for the right one stands, if that is known."""

    id: str
    prompt: str
    wrong: str
    right: str
    system: str | None = None
    evidence: str | None = None
    raw: bool = False
    kind: str = "own"
    title: str = ""

    def as_prompt(self) -> Prompt:
        """What the model is asked."""
        return Prompt(self.prompt, self.system, self.raw, self.evidence)


_REQUIRED = ("id", "prompt", "wrong", "right")
_KNOWN = {f.name for f in fields(Failure)}


def read_failures(path: Path = GALLERY) -> dict[str, Failure]:
    """Failures by id, in the file's order. Raises ExplorerError that names file, line and field."""
    found: dict[str, Failure] = {}
    for where, row in read_lines(path):
        for name in _REQUIRED:
            if not isinstance(row.get(name), str) or not row[name]:
                raise ExplorerError(f"{where}: field '{name}' is missing or empty; expected text.")
        given = {name: value for name, value in row.items() if name in _KNOWN and value is not None}
        for name, value in given.items():
            if not isinstance(value, kind := bool if name == "raw" else str):
                expected = "true or false" if kind is bool else "text"
                raise ExplorerError(f"{where}: field '{name}' is {json.dumps(value)[:40]}; expected {expected}.")
        if row["id"] in found:
            raise ExplorerError(f"{where}: id '{row['id']}' stands in the file twice.")
        found[row["id"]] = Failure(**given)
    return found


def read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file, line n", object) of each line of a JSON lines file. Raises ExplorerError that names file and line."""
    if not path.is_file():
        raise ExplorerError(f"{path}: no such file; expected JSON lines.")
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ExplorerError(f"{where}: not JSON ({error.msg}); expected one object a line.") from error
        if not isinstance(row, dict):
            raise ExplorerError(f"{where}: expected an object, found {type(row).__name__}.")
        yield where, row
