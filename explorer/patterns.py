"""Regular expressions that others wrote: a pattern that takes exponential time ends in a sentence, not in a hang.

The syntax and meaning are those of Python's ``re``; the search is done by the package ``regex``, which can stop.
"""

import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import regex

from explorer.errors import ExplorerError, first_line
from explorer.limits import PATTERN_CHARS, PATTERN_SECONDS

_LITERAL_BRACE = re.compile(r"\\N\{[^}]*\}|\\.|\{\d*,\d*\}|\{\d+\}|(\{)", re.DOTALL)
_REPEATS = re.compile(r"[*+{]|\?.*?\?.*?\?.*?\?", re.DOTALL)
_SLOW = (
    f"takes more than {PATTERN_SECONDS} s on one answer; expected a pattern without repeats inside repeats, "
    "such as (a+)+."
)
_PROBE_CHARS = 300
"""About as long as an answer; an exponential pattern fails at 30 characters, one of the third power passes."""


def shows(pattern: str, text: str, where: object) -> bool:
    """Whether a pattern matches somewhere in a text.

    Raises ExplorerError that begins with ``where`` if the search takes longer than ``PATTERN_SECONDS``, or the pattern
    is none.
    """
    if fault := _syntax_fault(pattern):
        raise ExplorerError(f"{where}: {pattern[:60]!r} {fault}")
    try:
        return bool(_compiled(pattern).search(text, timeout=PATTERN_SECONDS, concurrent=True))
    except (TimeoutError, MemoryError) as error:
        raise ExplorerError(f"{where}: the pattern {pattern[:60]!r} {_SLOW}") from error


def require_pattern(row: Mapping[str, Any], where: object, field: str) -> None:
    """Raise ExplorerError for a field that is no regular expression, or one that may take too long on an answer."""
    if fault := _fault(row[field]):
        name = row.get("name")
        of = f" of '{name[:60]}'" if isinstance(name, str) else ""
        raise ExplorerError(f"{where}: field '{field}'{of} {fault}")


@lru_cache(65_536)
def _fault(pattern: str) -> str:
    """What is wrong with a pattern, "" for nothing. Tries texts that make it backtrack: its own letters, many times."""
    if fault := _syntax_fault(pattern):
        return fault
    if not _REPEATS.search(pattern):
        return ""
    letters = re.sub(r"\\.|[^\w ]", "", pattern)[:6]
    for part in dict.fromkeys([letters, *letters, "a", "0", " "]):
        try:
            shows(pattern, part * (_PROBE_CHARS // max(len(part), 1)) + "\0!", "")
        except ExplorerError:
            return _SLOW
    return ""


def _syntax_fault(pattern: str) -> str:
    if len(pattern) > PATTERN_CHARS:
        return f"is a pattern of {len(pattern):,} characters; expected at most {PATTERN_CHARS:,}."
    try:
        _compiled(pattern)
        return ""
    except (re.error, regex.error, OverflowError, RecursionError, MemoryError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else first_line(error, 120)
        return f"is not a regular expression ({reason})."


@lru_cache(1_024)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    """The pattern for ``regex``, where a brace that repeats nothing would mean a fuzzy match."""
    with warnings.catch_warnings(action="ignore"):
        re.compile(pattern)  # what Python's own module refuses is refused
        return regex.compile(_LITERAL_BRACE.sub(lambda match: r"\{" if match[1] else match[0], pattern), regex.V0)
