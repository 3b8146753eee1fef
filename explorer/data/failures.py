"""Failures: prompts with a wrong and a right answer, read from JSON lines; and the gallery shipped with the app."""

import json
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.files import read_json_lines, shipped
from explorer.model.prompts import Prompt

GALLERY = shipped("gallery.jsonl")
OWN = "own"
"""Id and kind of a failure that somebody typed; the others come from a file."""


@dataclass(frozen=True)
class Failure:
    """One prompt with a wrong and a right answer.

    Attributes:
        prompt, system, raw: what the model is asked (see ``Prompt``).
        wrong, right: the two answers.
        evidence: the words of the prompt that should have decided it, letter for letter.
        id, kind, title: its name in a file, what went wrong in one word, and a line for people.
    """

    prompt: str
    wrong: str
    right: str
    system: str | None = None
    evidence: str | None = None
    raw: bool = False
    id: str = OWN
    kind: str = OWN
    title: str = ""

    @property
    def question(self) -> "Failure":
        """Cache key: the failure without its display fields (id, kind, title)."""
        return replace(self, id=OWN, kind=OWN, title="")

    def as_prompt(self) -> Prompt:
        """Return the prompt without the answers."""
        return Prompt(self.prompt, self.system, self.raw, self.evidence)


_REQUIRED = ("id", "prompt", "wrong", "right")
_KNOWN = {f.name for f in fields(Failure)}


@cache
def shipped_failures() -> dict[str, Failure]:
    """Failures that the bare embedded model makes, by id."""
    return read_failures(GALLERY)


def read_failures(path: Path = GALLERY) -> dict[str, Failure]:
    """Read failures by id, in the file's order. Raises ExplorerError that names file, line and field."""
    failures: dict[str, Failure] = {}
    for where, row in read_json_lines(path):
        for name in _REQUIRED:
            if not isinstance(row.get(name), str) or not row[name]:
                raise ExplorerError(f"{where}: field '{name}' is missing or empty; expected text.")
        values = {name: value for name, value in row.items() if name in _KNOWN and value is not None}
        for name, value in values.items():
            if not isinstance(value, kind := bool if name == "raw" else str):
                expected = "true or false" if kind is bool else "text"
                raise ExplorerError(f"{where}: field '{name}' is {json.dumps(value)[:40]}; expected {expected}.")
        if row["id"] in failures:
            raise ExplorerError(f"{where}: id '{row['id']}' stands in the file twice.")
        failures[row["id"]] = Failure(**values)
    return failures
