"""The one reader of text files that others wrote: JSON, JSON lines, TOML.

Whatever a file holds, reading it ends soon, takes memory in proportion to the limits in ``explorer/limits.py``, and
gives what was asked for or one sentence (ExplorerError) that names file, line and field. Only regular files are
opened, behind symbolic links too: a pipe or a device would block or never end. Text is UTF-8, with or without a byte
order mark.
"""

import json
import math
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from explorer.errors import ExplorerError, first_line
from explorer.limits import JSON_BYTES, LINE_BYTES, NESTING, NUMBER_DIGITS, TOML_BYTES, TOML_DOTS

T = TypeVar("T")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_MISSING = "Object missing required field "
"""How msgspec says it."""
_LARGEST = 10**NUMBER_DIGITS


def open_file(path: Path, expected: str) -> BinaryIO:
    """Open a regular file for reading, without waiting for whoever is at the other end of a pipe.

    Args:
        expected: what the file should be, for the error's sentence, e.g. ``JSON lines``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise ExplorerError(f"{path}: no such file; expected {expected}.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL or half a character
        raise ExplorerError(f"{path}: can't be read ({_reason(error)}); expected {expected}.") from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise ExplorerError(f"{path}: {_KINDS.get(stat.S_IFMT(mode), 'no file')}; expected {expected}.")
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, expected: str, most: int = JSON_BYTES) -> bytes:
    """Read a whole file of at most ``most`` bytes; see ``open_file``."""
    with open_file(path, expected) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise ExplorerError(f"{path}: can't be read ({_reason(error)}).") from error
    if len(data) > most:
        raise ExplorerError(f"{path}: more than {most:,} bytes; expected {expected} of at most that.")
    return data


def decode(data: bytes, where: object, expected: str) -> str:
    """Bytes of UTF-8 as text."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExplorerError(f"{where}: not UTF-8 (byte {error.start + 1}); expected {expected} in UTF-8.") from error


def read_text(path: Path, expected: str) -> str:
    """Read a text file of at most ``JSON_BYTES``."""
    return decode(read_bytes(path, expected), path, expected)


def parse_json(data: bytes | str, where: object, strict: bool = True) -> Any:
    """Parse one JSON value.

    Args:
        where: what the value stands in; begins the error's sentence.
        strict: refuse what is no JSON value though Python writes it: NaN, infinity, half a character (``\\ud800``).
    """
    text = data if isinstance(data, str) else decode(data, where, "JSON")
    try:
        value = json.loads(text, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        place = where if ", line " in str(where) else f"{where}, line {error.lineno}"
        raise ExplorerError(f"{place}: not JSON ({error.msg}, column {error.colno}).") from error
    except (ValueError, RecursionError) as error:
        raise ExplorerError(f"{where}: not readable JSON ({_reason(error)}).") from error
    check_value(value, where, strict)
    return value


def read_json(path: Path, expected: str, kind: type[T] | Any = Any, most: int = JSON_BYTES) -> T:
    """Read a JSON file as a value of a type, a dataclass for instance; see ``as_type``."""
    return as_type(parse_json(read_bytes(path, expected, most), path), kind, path, expected)


def as_type(value: Any, kind: type[T] | Any, where: object, expected: str) -> T:
    """Return a JSON value as a type, every field of a dataclass checked; fields that it does not have are ignored."""
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except (ValueError, TypeError, OverflowError) as error:  # msgspec.ValidationError is a ValueError
        what, _, place = str(error).replace("`", "").partition(" - at $")
        if missing := what.removeprefix(_MISSING) * what.startswith(_MISSING):
            what, place = "it is missing", f"{place}.{missing}"
        named = f"field '{place.removeprefix('.')[:80]}': " if place else ""
        raise ExplorerError(f"{where}: {named}{what[:1].lower()}{what[1:]}; expected {expected}.") from error


def read_toml(path: Path, expected: str) -> dict[str, Any]:
    """Read a TOML file of at most ``TOML_BYTES``."""
    return parse_toml(decode(read_bytes(path, expected, TOML_BYTES), path, "TOML"), path, expected)


def parse_toml(text: str, path: Path, expected: str) -> dict[str, Any]:
    """Parse the text of a TOML file; ``path`` begins the error's sentence."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > TOML_DOTS:  # tomllib takes time and memory by the square of a key's parts
            raise ExplorerError(f"{path}, line {number}: more than {TOML_DOTS:,} dots; expected {expected}.")
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExplorerError(f"{path}: not TOML ({_reason(error)}).") from error
    check_value(settings, path)
    return settings


def check_value(value: Any, where: object, strict: bool = True) -> None:
    """Raise ExplorerError for a value nested deeper than ``NESTING``, a number that is too long, and as ``parse_json``.

    Python's own functions on what passes neither run out of stack nor refuse to write it.
    """
    rest: list[tuple[Any, int]] = [(value, 0)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, dict | list):
            if depth == NESTING:
                raise ExplorerError(f"{where}: not readable (nested too deeply); expected at most {NESTING} levels.")
            parts = (part for pair in item.items() for part in pair) if isinstance(item, dict) else item
            rest += [(part, depth + 1) for part in parts]
        elif isinstance(item, str):
            if strict and (half := _half_character(item)):
                raise ExplorerError(f"{where}: a text holds half a character ({half}); expected whole ones.")
        elif isinstance(item, int) and abs(item) >= _LARGEST:
            raise ExplorerError(f"{where}: a number has too many digits; expected at most {NUMBER_DIGITS}.")
        elif strict and isinstance(item, float) and not math.isfinite(item):
            raise ExplorerError(f"{where}: a number is {item}; expected a finite one.")


def _half_character(text: str) -> str:
    """The first surrogate that stands alone, written as an escape; such text can't be encoded."""
    try:
        text.encode()
        return ""
    except UnicodeEncodeError as error:
        return f"\\u{ord(text[error.start]):04x}"


def _whole_number(digits: str) -> int:
    if len(digits) > NUMBER_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return getattr(error, "strerror", None) or first_line(error, 120)


# --- JSON lines ---------------------------------------------------------------------------------------------------


def lines_of(path: Path, expected: str = "JSON lines", most: int = LINE_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, bytes) of each line that is not blank, at most ``most`` + 1 of a longer one."""
    with open_file(path, expected) as file:
        try:
            # readline with a limit: a line of gigabytes is measured, never held
            for number, line in enumerate(iter(lambda: file.readline(most + 1), b""), 1):
                if len(line) > most:
                    while (rest := file.readline(most)) and not rest.endswith(b"\n"):
                        pass
                if line := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip():
                    yield number, line
        except OSError as error:
            raise ExplorerError(f"{path}: can't be read ({_reason(error)}).") from error


def read_whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON lines file, skipping lines that are cut short; an absent file has none."""
    if not os.path.isfile(path):
        return
    for number, line in lines_of(path):
        try:
            row = parse_json(line.decode("utf-8", "replace"), f"{path}, line {number}")
        except ExplorerError:
            continue
        if isinstance(row, dict):
            yield row


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file, line n", object) of each line of a JSON lines file of at most ``JSON_BYTES``."""
    size = 0
    for number, line in lines_of(path):
        where, size = f"{path}, line {number}", size + len(line)
        if len(line) > LINE_BYTES or size > JSON_BYTES:
            most = f"lines of at most {LINE_BYTES:,} bytes and {JSON_BYTES:,} in all"
            raise ExplorerError(f"{where}: the file is too long up to here; expected {most}.")
        row = parse_json(decode(line, where, "JSON lines"), where)
        if not isinstance(row, dict):
            raise ExplorerError(f"{where}: expected an object, found {type(row).__name__}.")
        yield where, row


def read_rows(path: Path, *fields: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what ``read_json_lines`` does, where every row has an id of its own, and text in ``fields``.

    An id that is a whole number becomes text.
    """
    ids: set[str] = set()
    for where, row in read_json_lines(path):
        if type(row.get("id")) is int:
            row["id"] = str(row["id"])
        require_text(row, where, "id", *fields)
        if row["id"] in ids:
            raise ExplorerError(f"{where}: id '{row['id'][:80]}' stands in the file twice.")
        ids.add(row["id"])
        yield where, row


def require_text(row: Mapping[str, Any], where: object, *fields: str) -> None:
    """Raise ExplorerError for a field without text; white space alone is none, but in an answer."""
    for field in fields:
        text = row.get(field)
        if not isinstance(text, str) or not text or (field in ("id", "prompt") and text.isspace()):
            raise ExplorerError(f"{where}: field '{field}' is missing or empty; expected text.")


def require_path(text: str, where: object, field: str) -> None:
    """Raise ExplorerError for text that can be no file's name: system calls raise several types for it."""
    if "\0" in text or len(text.encode()) > 4_000 or any(len(part.encode()) > 255 for part in text.split("/")):
        raise wrong_field({field: text}, where, field, "a name or path")


def wrong_field(row: Mapping[str, Any], where: object, field: str, expected: str) -> ExplorerError:
    """The error for a field that holds something else than what was expected."""
    value = json.dumps(row.get(field), ensure_ascii=False, default=str)
    return ExplorerError(f"{where}: field '{field}' is {value[:40]}; expected {expected}.")
