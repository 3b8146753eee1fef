"""Rows of every accepted file format, one at a time, so that a large file never lies in memory as Python objects.

Nothing here unpickles or runs code that a file brings along.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from explorer.data.delimited import check_names, delimited_rows, too_long
from explorer.data.tables import TableFile, decoded_bytes
from explorer.data.unpack import PACKED, inner_suffix, open_unpacked
from explorer.errors import ExplorerError
from explorer.limits import DATA_JSON_BYTES, LINE_BYTES, ROW_CHARS
from explorer.reading import parse_json, read_json

BATCH = 256
"""Rows of a table that become Python objects at a time."""
FORMATS = {
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
}
_TABULAR = ("Parquet", "Arrow")
EXPECTED = (
    "expected .jsonl, .json, .csv, .tsv (.gz and .zst too), .parquet or .arrow, "
    "or a folder that save_to_disk of Hugging Face wrote"
)

Row = dict[str, Any]
Skip = Callable[[ExplorerError], None]
"""Is told of a broken row, in place of which nothing comes; it may raise the error, and so end the reading."""


def refuse(error: ExplorerError) -> None:
    """Raise the error of a broken row."""
    raise error


@dataclass(frozen=True)
class DataFile:
    """An open data file.

    Attributes:
        format: its format in words.
        rows: its rows in order; reading them raises ExplorerError for a broken line or row.
        skipped: columns that are not read because they hold neither text, numbers nor true/false.
    """

    format: str
    rows: Iterator[Row]
    skipped: tuple[str, ...] = ()


def open_data(path: Path, nested: Iterable[str], skip: Skip = refuse) -> DataFile:
    """Open a data file or a ``save_to_disk`` folder; of a DatasetDict folder the split ``train`` is read.

    Args:
        nested: columns that may hold lists of messages, their names in small letters; other nested columns are skipped,
            where the format tells the type of a column beforehand.
        skip: see ``Skip``.

    Raises:
        ExplorerError: for a path that does not exist, is empty, or has no accepted format.
    """
    if os.path.isdir(path):
        return _folder(path, frozenset(nested), skip)
    if not os.path.exists(path):
        raise ExplorerError(f"{path}: no such file; {EXPECTED}.")
    kind = format_of(path)
    if kind is None:
        raise ExplorerError(f"{path}: unknown format '{path.suffix}'; {EXPECTED}.")
    with open_unpacked(path, kind) as file:
        if not file.read(1):
            raise ExplorerError(f"{path}: the file is empty; expected at least one row.")
    if kind == "CSV":
        return DataFile(kind, delimited_rows(path, skip))
    if kind == "JSON lines":
        return DataFile(kind, _json_lines(path, skip))
    if kind == "JSON":
        return _json(path, skip)
    return _tabular(path, kind, [path], frozenset(nested), skip)


def format_of(path: Path) -> str | None:
    """The format that a file's name tells; None where it is none of ``FORMATS``. Tables are not packed."""
    kind = FORMATS.get(inner_suffix(path))
    return None if kind in _TABULAR and path.suffix.lower() in PACKED else kind


def quoted(names: Iterable[str], most: int = 20) -> str:
    """Column names for people, in quotes, control characters escaped, at most ``most`` of them; "none" if empty."""
    names = [repr(name[:60]) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"


# --- JSON ---------------------------------------------------------------------------------------------------------


def _json_lines(path: Path, skip: Skip) -> Iterator[Row]:
    row = 0
    with open_unpacked(path, "JSON lines") as file:
        # readline with a limit: a line of gigabytes is measured, never held
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES + 1), b""), 1):
            if not line.strip():
                continue
            row, where = row + 1, f"{path}, line {number}"
            try:
                if len(line) > LINE_BYTES:
                    raise too_long(f"{path}, row {row}", len(line) + _bytes_to_line_end(file), "bytes")
                value = _object(where, parse_json(line, where, strict=False))
            except ExplorerError as error:
                skip(error)
            else:
                yield value


def _bytes_to_line_end(file: BinaryIO) -> int:
    size = 0
    while (part := file.readline(LINE_BYTES)) and not part.endswith(b"\n"):
        size += len(part)
    return size + len(part)


def _json(path: Path, skip: Skip) -> DataFile:
    """An array of objects, an object that holds one such array, or JSON lines under the name ``.json``."""
    with open_unpacked(path, "JSON") as file:
        first, more = file.readline(LINE_BYTES), file.read(BATCH).strip()
    try:
        if more and isinstance(parse_json(first, path, strict=False), dict):
            return DataFile("JSON lines", _json_lines(path, skip))
    except ExplorerError:
        pass  # the usual case: the first line is not JSON by itself
    with open_unpacked(path, "JSON") as file:
        data = file.read(DATA_JSON_BYTES + 1)
    if len(data) > DATA_JSON_BYTES:
        expected = "expected JSON of at most that, or JSON lines"
        raise ExplorerError(f"{path}: more than {DATA_JSON_BYTES:,} bytes; {expected}.")
    rows = parse_json(data, path, strict=False)
    if isinstance(rows, dict):
        arrays = [v for v in rows.values() if isinstance(v, list) and all(isinstance(row, dict) for row in v)]
        rows = arrays[0] if len(arrays) == 1 else None
    if not isinstance(rows, list):
        raise ExplorerError(f"{path}: expected an array of objects, or an object that holds one array of objects.")
    return DataFile("JSON", _objects(path, rows, skip))


def _objects(path: Path, rows: list[Any], skip: Skip) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        try:
            value = _object(f"{path}, row {number}", row)
        except ExplorerError as error:
            skip(error)
        else:
            yield value


def _object(where: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise ExplorerError(f"{where}: expected an object, found {type(row).__name__}.")
    return row


# --- Parquet and Arrow --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shard:
    filename: str


@dataclass(frozen=True)
class _State:
    """``state.json`` of a ``save_to_disk`` folder."""

    _data_files: list[_Shard]


def _folder(folder: Path, nested: frozenset[str], skip: Skip) -> DataFile:
    splits = sorted(state.parent.name for state in folder.glob("*/state.json"))
    if splits and not list(folder.glob("*.arrow")):
        if "train" not in splits:
            raise ExplorerError(f"{folder}: no split 'train'; found {quoted(splits)}; give one of these folders.")
        train = _folder(folder / "train", nested, skip)
        return DataFile(f"{train.format}, split 'train' of {quoted(splits)}", train.rows, train.skipped)
    paths = sorted(path for path in folder.glob("*.arrow") if not path.name.startswith("cache-"))
    state = folder / "state.json"
    if os.path.lexists(state):  # names the shards in order; what else lies there are caches of map and filter
        listed = read_json(state, "a list '_data_files' of .arrow files", _State)._data_files
        paths = [folder / Path(file.filename).name for file in listed]
    if not paths:
        raise ExplorerError(f"{folder}: a folder without .arrow files; {EXPECTED}.")
    return _tabular(folder, "Hugging Face folder", paths, nested, skip)


def _tabular(path: Path, kind: str, paths: list[Path], nested: frozenset[str], skip: Skip) -> DataFile:
    schema = TableFile(paths[0], kind).schema
    check_names(path, schema.names)
    columns = [field.name for field in schema if field.name.strip().lower() in nested or _simple(field.type)]
    rows = _tabular_rows(paths, kind, schema, columns, skip)
    return DataFile(kind, rows, tuple(name for name in schema.names if name not in columns))


def _tabular_rows(paths: list[Path], kind: str, schema: pa.Schema, columns: list[str], skip: Skip) -> Iterator[Row]:
    class_names = {name: names for name, names in _class_names(schema).items() if name in columns}
    for path in paths:
        row = 0
        for batch in TableFile(path, kind).batches(columns):
            for start in range(0, batch.num_rows, BATCH):
                for part in _short_enough(batch.slice(start, BATCH), path, row, skip):
                    for values in part.to_pylist():
                        yield values | {column: names.get(values[column]) for column, names in class_names.items()}
                row += min(BATCH, batch.num_rows - start)


def _short_enough(batch: pa.RecordBatch, path: Path, before: int, skip: Skip) -> Iterator[pa.RecordBatch]:
    """Yield a batch without rows that must be above ``ROW_CHARS``; ``before``: rows of the file before the batch."""
    most = 4 * ROW_CHARS  # a character is at most 4 bytes
    if decoded_bytes(batch) <= batch.num_rows * most:
        yield batch
        return
    for row in range(batch.num_rows):
        if (size := decoded_bytes(batch.slice(row, 1))) > most:
            skip(too_long(f"{path}, row {before + row + 1}", size, "bytes"))
        else:
            yield batch.slice(row, 1)


def _class_names(schema: pa.Schema) -> dict[str, dict[int, str]]:
    """Column → {number: name} of ClassLabel columns, which Hugging Face keeps in the schema's metadata."""
    try:
        features = parse_json((schema.metadata or {})[b"huggingface"], "schema")["info"]["features"]
        names = {column: kind.get("names") for column, kind in features.items() if isinstance(kind, dict)}
        return {column: dict(enumerate(words)) for column, words in names.items() if words}
    except (KeyError, TypeError, ValueError, AttributeError):  # ExplorerError too: it is a ValueError
        return {}


def _simple(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are text, numbers, true/false or null."""
    t = pa.types
    if t.is_dictionary(kind):
        kind = kind.value_type
    tests = (t.is_string, t.is_large_string, t.is_string_view, t.is_integer, t.is_floating, t.is_boolean, t.is_null)
    return any(test(kind) for test in tests)
