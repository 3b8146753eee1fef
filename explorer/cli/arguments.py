"""Types of command-line arguments: what they refuse would be a traceback, or do nothing, later."""

import math
import sys
from argparse import ArgumentTypeError
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.limits import JSON_BYTES
from explorer.reading import decode, read_text, require_path

MOST = 2**31 - 1
"""Every whole number lies within plus and minus this: seeds, layers and counts have no use for a larger one."""


def text(value: str) -> str:
    """Text as it is. Refuses what is not UTF-8, and a NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError("not UTF-8; expected text") from None
    if "\0" in value:
        raise ArgumentTypeError("a NUL in it; expected text")
    return value


def whole_number(value: str) -> int:
    """A whole number, at most ``MOST`` either way."""
    try:
        number = int(value) if len(value) < 20 else MOST + 1
    except ValueError:
        number = MOST + 1
    if abs(number) > MOST:
        raise ArgumentTypeError(f"{value[:40]!r}; expected a whole number up to {MOST:,}")
    return number


def finite_number(value: str) -> float:
    """A number that is neither NaN nor infinite."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{value[:40]!r}; expected a finite number")
    return number


def path(value: str) -> Path:
    """A path that a file can have."""
    try:
        require_path(text(value), "it", "name")
    except ExplorerError:
        raise ArgumentTypeError(f"{value[:40]!r}; expected a name or path") from None
    return Path(value)


def file_name(value: str) -> str:
    """The name of a file to write, or ``-``; an empty one would write nothing, unsaid."""
    if not value:
        raise ArgumentTypeError("empty; expected the name of a file")
    return str(path(value)) if value != "-" else value


def read_prompt(path: str) -> str:
    """Read a prompt from a file, or stdin where it is called ``-``; one line end at its end is the file's own."""
    if path == "-":
        content = decode(sys.stdin.buffer.read(JSON_BYTES), "stdin", "a prompt")
    else:
        content = read_text(Path(path), "a prompt")
    return content.removesuffix("\n").removesuffix("\r")


def token_numbers(value: str) -> list[int]:
    """Indices of tokens, with commas between."""
    return [_token_number(part, value) for part in value.split(",")]


def replacement(value: str) -> tuple[int, str]:
    """``N=WORD``: the index of a token, and what stands in its place."""
    number, equals, word = text(value).partition("=")
    if not equals or not word:
        raise ArgumentTypeError(f"{value[:40]!r}; expected N=WORD, e.g. 12=Rome")
    return _token_number(number, value), word


def _token_number(part: str, value: str) -> int:
    number = whole_number(part)
    if number < 0:
        raise ArgumentTypeError(f"{value[:40]!r}; expected indices of tokens, from 0")
    return number
