"""Failures of a survey as a behavior of the study, to be ranked, clustered and repaired like any other."""

import re
from collections.abc import Sequence
from typing import Any

from explorer.data.behaviors import HALVES
from explorer.data.study import BEHAVIORS, Study
from explorer.errors import ExplorerError
from explorer.files import append_lines
from explorer.limits import PATTERN_CHARS
from explorer.surveys.folder import Case
from explorer.trace.alignment import differing_words

SPLIT_FROM = 4
"""Failures from which on every other one is held out, for a repair to be measured with."""


def add_behavior(study: Study, name: str, cases: Sequence[Case]) -> int:
    """Add failures as prompts of a behavior: bad is what the model said, good what was expected.

    The words in which the two differ are the pattern that tells whether an answer shows the behavior. Of a new behavior
    of ``SPLIT_FROM`` failures or more, every other one is held out to measure a repair with. Returns how many were
    added; a prompt that the behavior has already is not added again.

    Raises ExplorerError for an empty name, and where no failure has a contrast.
    """
    if not name.strip():
        raise ExplorerError("The behavior has no name.")
    if not any(case.right for case in cases):
        raise ExplorerError("None of these failures can be a behavior; expected a wrong and a right answer.")
    known = study.behaviors()
    ids, same = {b.id for b in known}, [b for b in known if b.name == name]
    asked = {(b.system, b.prompt, b.raw, b.bad) for b in same}
    new: dict[tuple[Any, ...], Case] = {_asked(case): case for case in cases if case.right}
    todo = [case for key, case in new.items() if key not in asked]
    split = any(b.half for b in same) if same else len(todo) >= SPLIT_FROM
    rows = []
    for number, case in enumerate(todo):
        id = next(i for n in range(len(ids) + 2) if (i := f"{name}-{case.id}" + (f"-{n}" if n else "")) not in ids)
        ids.add(id)
        rows.append({"id": id, "name": name, **_line(case, HALVES[number % 2] if split else "")})
    if rows:
        append_lines(study.folder / BEHAVIORS, rows)
    return len(rows)


def _asked(case: Case) -> tuple[Any, ...]:
    return case.system or "", case.prompt, case.raw, case.wrong


def _line(case: Case, half: str) -> dict[str, Any]:
    """Fields of a line of ``behaviors.jsonl``; those without a value are left out."""
    wrong, _ = differing_words(case.wrong, case.right)
    pattern = rf"(?i)(?<!\w){re.escape(wrong.strip(' .,;:!?'))}(?!\w)"
    told = {"system": case.system, "raw": case.raw, "half": half}
    told |= {"exhibits": pattern if len(pattern) <= PATTERN_CHARS else ""}
    answers = {"prompt": case.prompt, "bad": case.wrong, "good": case.right}
    return answers | {field: value for field, value in told.items() if value}
