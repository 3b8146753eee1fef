"""Plain tables of questions with expected answers: JSON lines, JSON, CSV, Parquet, Arrow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from explorer.data.formats import FORMATS, open_data, quoted
from explorer.data.logs.rows import rows_of
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import (
    Asked,
    asked_of,
    failed_at,
    is_chat,
    items_of,
    name_of,
    number_of,
    text_of,
    texts_of,
    topic_of,
)
from explorer.errors import ExplorerError

HARNESS = "plain table"
PROMPTS = ("prompt", "question", "input")
EXPECTED = ("expected", "target", "gold", "ideal", "right", "answer")
SAID = ("said", "output", "response", "completion", "prediction", "wrong")
PASSED = ("passed", "correct", "success")
_CHECKS: tuple[Check, ...] = get_args(Check)
NAMES = f"{' | '.join(PROMPTS)} with {' | '.join(EXPECTED)} or {' | '.join(SAID)}"
"""The columns, for a sentence to people."""


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a row has a question, and an answer that was expected or said."""
    return any(name in row for name in PROMPTS) and any(name in row for name in EXPECTED + SAID)


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the rows; a blank cell is nothing."""
    for number, (where, row) in enumerate(rows(path), 1):
        if not any(name in row for name in PROMPTS):
            raise ExplorerError(f"{where}: no question; found {quoted(row)}; expected {NAMES}.")
        if _first(row, PROMPTS) is None:
            findings.count("{} left out: without a question")
        else:
            yield _sample(row, where, number, findings)


def rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield ("file, row n", row) of a table in any format."""
    if FORMATS.get(path.suffix.lower(), "JSON").startswith("JSON"):
        yield from rows_of(path)
        return
    for number, row in enumerate(open_data(path, ("messages", *PROMPTS)).rows, 1):
        yield f"{path}, row {number}", row


def _sample(row: Mapping[str, Any], where: str, number: int, findings: Findings) -> LoggedSample:
    asked = _asked(row, where, findings)
    choices = texts_of(row.get("choices")) if isinstance(row.get("choices"), list) else ()
    column = _first(row, EXPECTED)
    expected = _expected(row[column], choices) if column else ()
    passed = next((row[name] for name in PASSED if not _blank(row.get(name))), None)
    score = number_of(row.get("score"))
    failed = _said_no(passed) if passed is not None else failed_at(score)
    given: Check | None = next((known for known in _CHECKS if known == row.get("check")), None)
    listed: Check | None = "choice" if expected and set(expected) <= {*choices} else None
    column = _first(row, SAID)
    return LoggedSample(
        id=name_of(row.get("id")) or f"{number}",
        prompt=asked.prompt,
        system=asked.system,
        raw=row.get("raw") is True,
        said=text_of(row[column]) if column else None,
        expected=expected,
        check=given or listed,
        choices=choices,
        failed=True if failed is None and "wrong" in row and not _blank(row["wrong"]) else failed,
        score=score,
        category=topic_of(row) or name_of(row.get("task")),
        where=where,
    )


def _asked(row: Mapping[str, Any], where: str, findings: Findings) -> Asked:
    column = _first(row, PROMPTS) or ""
    value = row[column]
    system = text_of(row.get("system")) or None
    if isinstance(value, list | dict) and not is_chat(value):
        kind = type(value).__name__
        raise ExplorerError(f"{where}: field '{column}' is {kind}; expected text or a list of messages.")
    asked = asked_of(value, findings)
    return Asked(asked.prompt, asked.system or system)


def _expected(value: Any, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The accepted answers; of choices, which an index or a letter may name, their texts."""
    texts = texts_of(value)
    if not choices or set(texts) <= set(choices):
        return texts
    letters = {chr(ord("A") + n): choice for n, choice in enumerate(choices[:26])}
    numbers = {f"{n}": choice for n, choice in enumerate(choices)}
    return tuple(numbers.get(text, letters.get(text.strip(), text)) for text in texts)


def _said_no(value: Any) -> bool | None:
    """Whether a cell says that a sample did not pass; None for neither."""
    if isinstance(value, str):
        return {"true": False, "1": False, "yes": False, "false": True, "0": True, "no": True}.get(
            value.strip().lower()
        )
    return failed_at(number_of(value))


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if not _blank(row.get(name))), None)


def _blank(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, list) and not items_of(value))
    )
