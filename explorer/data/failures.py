"""Failures: prompts with a wrong and a right answer, read from JSON lines; and the gallery shipped with the app."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from explorer.files import shipped
from explorer.model.prompts import Prompt
from explorer.reading import read_rows, wrong_field

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
        place: number of the place where the answers differ that is contrasted (see ``trace.alignment.places_of``);
            None for the one that is chosen by itself.
        id, kind, title: its name in a file, what went wrong in one word, and a line for people.
        behavior: name of the study's behavior that it is a case of; empty for none.
    """

    prompt: str
    wrong: str
    right: str
    system: str | None = None
    evidence: str | None = None
    raw: bool = False
    place: int | None = None
    id: str = OWN
    kind: str = OWN
    title: str = ""
    behavior: str = ""

    @property
    def question(self) -> "Failure":
        """Cache key: the failure without its display fields (id, kind, title, behavior)."""
        return replace(self, id=OWN, kind=OWN, title="", behavior="")

    def as_prompt(self) -> Prompt:
        """Return the prompt without the answers."""
        return Prompt(self.prompt, self.system, self.raw, self.evidence)


_EXPECTED = {"raw": (bool, "true or false"), "place": (int, "a whole number from 0")}
"""Type of the fields that are no text, and its name for people."""
_KNOWN = {f.name for f in fields(Failure)}


@cache
def shipped_failures() -> dict[str, Failure]:
    """Failures that the bare embedded model makes, by id."""
    return read_failures(GALLERY)


def read_failures(path: Path = GALLERY) -> dict[str, Failure]:
    """Read failures by id, in the file's order. Raises ExplorerError that names file, line and field."""
    failures: dict[str, Failure] = {}
    for where, row in read_rows(path, "prompt", "wrong", "right"):
        failures[row["id"]] = failure_of(row, where)
    return failures


def failure_of(row: Mapping[str, Any], where: str) -> Failure:
    """A line of ``failures.jsonl``, whose id, prompt and both answers are text. Raises ExplorerError."""
    values = {name: value for name, value in row.items() if name in _KNOWN and value is not None}
    for name, value in values.items():
        kind, expected = _EXPECTED.get(name, (str, "text"))
        if type(value) is not kind or (kind is int and value < 0):
            raise wrong_field(row, where, name, expected)
    return Failure(**values)
