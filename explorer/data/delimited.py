"""Rows of CSV and of tables with tabs or semicolons, by the names in the header, every cell as text."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from explorer.data.unpack import inner_suffix, open_unpacked
from explorer.errors import ExplorerError
from explorer.limits import ROW_CHARS

DELIMITERS = ",;\t"
"""What may stand between two cells; of several in a header the one that gives the most names, or else the first."""


def delimited_rows(path: Path, skip: Callable[[ExplorerError], None]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file in UTF-8; ``skip`` is told of each that is broken.

    Raises ExplorerError for a file that is not UTF-8, or whose header is broken.
    """
    csv.field_size_limit(max(csv.field_size_limit(), ROW_CHARS))
    row, size = 0, 0  # the last row that was read, and the characters read after it

    def counted(lines: Iterable[str]) -> Iterator[str]:
        nonlocal size
        for line in lines:
            size += len(line)
            yield line

    try:
        with io.TextIOWrapper(open_unpacked(path, "CSV"), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(counted(file), delimiter=_delimiter(path), strict=True)
            names = _header(path, reader)
            while True:
                size = 0
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    row += 1
                    skip(_broken(f"{path}, row {row}", error, size))
                    continue
                if cells is None:
                    return
                row += bool(cells)
                if cells and len(cells) != len(names):
                    expected = f"expected {len(names)} as in the header"
                    skip(ExplorerError(f"{path}, row {row}: {len(cells)} fields; {expected}."))
                elif cells:
                    yield dict(zip(names, cells, strict=True))
    except UnicodeDecodeError as error:
        raise ExplorerError(f"{path}: not UTF-8; expected CSV saved as UTF-8.") from error


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raise ExplorerError for two columns under one name."""
    counts = Counter(filter(None, names))
    twice = next((name for name, times in counts.items() if times > 1), None)
    if twice is not None:
        raise ExplorerError(f"{path}: column {twice[:60]!r} stands there twice; expected every name once.")


def too_long(where: str, size: int, unit: str = "characters") -> ExplorerError:
    """The error for a row above ``ROW_CHARS``."""
    return ExplorerError(f"{where}: {size:,} {unit}; expected at most {ROW_CHARS:,} characters in a row.")


def _broken(where: str, error: csv.Error, size: int) -> ExplorerError:
    return too_long(where, size) if size > ROW_CHARS else ExplorerError(f"{where}: not CSV ({error}).")


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise ExplorerError(f"{path}, header: not CSV ({error}).") from error
    check_names(path, names)
    return names


def _delimiter(path: Path) -> str:
    """What stands between the names of the header."""
    if inner_suffix(path) == ".tsv":
        return "\t"
    with open_unpacked(path, "CSV") as file:
        header = file.readline(ROW_CHARS).decode("utf-8-sig", "replace").rstrip("\r\n")
    return max(DELIMITERS, key=lambda delimiter: _cells(header, delimiter))


def _cells(line: str, delimiter: str) -> int:
    """Number of cells in a line; 0 where it can't be read."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0
