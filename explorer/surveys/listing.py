"""Which cases of a survey are listed, and in which order."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from explorer.surveys.folder import OUTCOMES, PATTERNS, SMALL_GAP, Note, Row, Survey

State = Literal["failure", "small", "not-made", "unreadable", "waiting"]
"""Whether the surveyed model makes the failure: yes; by a small gap; no; it could not be read; not measured yet."""
STATES: tuple[State, ...] = get_args(State)
VERDICTS = ("holds", "disagree", "chance")


@dataclass(frozen=True)
class Filter:
    """What is listed; an empty tuple keeps everything.

    Attributes:
        profiles: numbers of profile clusters, from 1.
        text: words that must all stand in the prompt, the answers, the strongest words or the note, cut off or whole.
        unseen: leave out what is marked as seen.
    """

    categories: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    profiles: tuple[int, ...] = ()
    text: str = ""
    unseen: bool = False


def state_of(row: Row | None) -> State:
    """Return whether the surveyed model makes a failure."""
    if row is None:
        return "waiting"
    if row.error or row.gap is None:
        return "unreadable"
    if row.gap > SMALL_GAP:
        return "failure"
    return "small" if row.gap > 0 else "not-made"


def listed(survey: Survey, wanted: Filter, labels: Mapping[str, int] | None = None, sort: str = "-gap") -> list[str]:
    """Return the ids that a filter keeps, in order.

    Args:
        labels: id → number of its profile cluster.
        sort: a key of ``SORTS``, with ``-`` before it for the largest first; what has no value comes last. Cases that
            are equal keep the survey's order.
    """
    kept = [id for id in survey.cases if _fits(survey, id, wanted, labels or {})]
    value, reverse = SORTS.get(sort.removeprefix("-"), _gap), sort.startswith("-")
    values = {id: value(survey, id) for id in kept}
    with_value = [id for id in kept if values[id] is not None]
    with_value.sort(key=values.__getitem__, reverse=reverse)
    return with_value + [id for id in kept if values[id] is None]


def _fits(survey: Survey, id: str, wanted: Filter, labels: Mapping[str, int]) -> bool:
    row, case = survey.rows.get(id), survey.cases[id]
    values = (
        (wanted.categories, case.category),
        (wanted.outcomes, row and row.outcome),
        (wanted.patterns, row and row.pattern),
        (wanted.verdicts, row and row.verdict),
        (wanted.states, state_of(row)),
        (wanted.profiles, labels.get(id)),
    )
    if any(allowed and value not in allowed for allowed, value in values):
        return False
    if wanted.unseen and is_seen(survey, id):
        return False
    words = wanted.text.casefold().split()
    return not words or all(word in _text(survey, id) for word in words)


def _text(survey: Survey, id: str) -> str:
    """All that is searched of a case, in lower case."""
    row, case = survey.rows.get(id), survey.cases[id]
    strongest = (text for text, _ in (*row.reddest, *row.bluest)) if row else ()
    note = survey.notes.get(id, Note(id)).text
    return " ".join((id, case.prompt, case.wrong, case.right, case.category, note, *strongest)).casefold()


def is_seen(survey: Survey, id: str) -> bool:
    """Return whether somebody marked a case as seen."""
    return survey.notes.get(id, Note(id)).seen


def _gap(survey: Survey, id: str) -> float | None:
    row = survey.rows.get(id)
    return row and row.gap


def _place(order: tuple[str, ...], value: str | None) -> int | None:
    return order.index(value) if value in order else None


def _of_row(read: Callable[[Row], Any]) -> Callable[[Survey, str], Any]:
    def value(survey: Survey, id: str) -> Any:
        row = survey.rows.get(id)
        return None if row is None else read(row)

    return value


SORTS: dict[str, Callable[[Survey, str], Any]] = {
    "gap": _gap,
    "outcome": _of_row(lambda row: _place(OUTCOMES, row.outcome)),
    "pattern": _of_row(lambda row: _place(PATTERNS, row.pattern)),
    "verdict": _of_row(lambda row: _place(VERDICTS, row.verdict)),
    "sink": _of_row(lambda row: row.sink_share),
    "category": lambda survey, id: _natural(survey.cases[id].category),
    "prompt": lambda survey, id: _natural(survey.cases[id].prompt),
    "seen": is_seen,
}
"""What a list may be sorted by → the value of a case; None where it has none."""


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Sort key by which 9 comes before 10."""
    parts = re.split(r"(\d{1,15})", text.casefold())
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
