"""Objects of a log one after the other: of JSON lines, or of a JSON file that is an array or holds one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.data.logs.json_stream import pieces
from explorer.errors import ExplorerError
from explorer.limits import LOG_SAMPLE_BYTES
from explorer.reading import decode, lines_of, open_file, parse_json

Row = dict[str, Any]


def rows_of(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield ("file, line n", object) of each line, or of each item of the arrays at the top of a JSON file.

    Raises ExplorerError that names file and line for what is no JSON, no object, or above ``LOG_SAMPLE_BYTES``.
    """
    return _lines(path) if _is_lines(path) else _items(path)


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object by itself, and not a whole file with the rows in an array."""
    lines = lines_of(path, "an evaluation log", LOG_SAMPLE_BYTES)
    number, line = next(lines, (0, b""))
    if not line:
        raise ExplorerError(f"{path}: the file is empty; expected an evaluation log.")
    if len(line) > LOG_SAMPLE_BYTES:
        return False  # a whole file on one line, or no log
    try:
        value = parse_json(line, f"{path}, line {number}", strict=False)
    except ExplorerError:
        # a broken line beside others is a broken line; an object over several lines begins with its brace alone
        return line.startswith(b"{") and len(line) > 1 and not line.endswith((b"{", b"[", b","))
    return isinstance(value, dict) and (not any(map(_is_table, value.values())) or next(lines, None) is not None)


def _is_table(value: Any) -> bool:
    """Whether a value is an array of objects that are no messages."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "role" not in v for v in value)


def _lines(path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in lines_of(path, "an evaluation log", LOG_SAMPLE_BYTES):
        where = f"{path}, line {number}"
        if len(line) > LOG_SAMPLE_BYTES:
            raise ExplorerError(f"{where}: more than {LOG_SAMPLE_BYTES:,} bytes; expected fewer in one sample.")
        yield where, _object(parse_json(decode(line, where, "JSON lines"), where, strict=False), where)


def _items(path: Path) -> Iterator[tuple[str, Row]]:
    with open_file(path, "an evaluation log") as file:
        for keys, place, value in pieces(file, path, lambda keys: len(keys) < 2):
            if not keys or isinstance(value, dict):
                yield place, _object(value, place)


def _object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise ExplorerError(f"{where}: expected an object, found {type(value).__name__}.")
    return value
