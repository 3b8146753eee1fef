"""Failures: prompts with a wrong and a right answer, read from JSON lines; and the gallery shipped with the app."""

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.files import read_json_lines, shipped
from explorer.model.prompts import Prompt

GALLERY = shipped("gallery.jsonl")


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


@cache
def shipped_failures() -> dict[str, Failure]:
    """Failures that the bare embedded model makes, by id."""
    return read_failures(GALLERY)


def read_failures(path: Path = GALLERY) -> dict[str, Failure]:
    """Failures by id, in the file's order. Raises ExplorerError that names file, line and field."""
    found: dict[str, Failure] = {}
    for where, row in read_json_lines(path):
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
