"""The datapoints as a table: which rows a filter keeps, columns and texts, and files that others open."""

import io
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from explorer.vectors.fingerprint import FIELDS
from explorer.vectors.items import table_items

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see
FILES = {"csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
"""What a table can be written as, with the media type."""
_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"
"""How a cell begins that a spreadsheet runs; the wide signs do in East Asian ones."""


@dataclass(frozen=True)
class Filter:
    """Which datapoints to keep; an empty field keeps all. ``text`` is sought letter for letter, in either case."""

    sources: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    text: str = ""
    least: float | None = None


def matches(table: pa.Table, scores: np.ndarray, wanted: Filter) -> np.ndarray:
    """Return (n,) bool: the rows that have a score and that the filter keeps."""
    keep = ~np.isnan(scores)
    if wanted.least is not None:
        keep &= np.nan_to_num(scores, nan=-np.inf) >= wanted.least
    for name, values in (("source", wanted.sources), ("label", wanted.labels)):
        if values and name in table.column_names:
            keep &= np.isin(column(table, name), values)
    if text := wanted.text.strip():
        fields = [_strings(table, name) for name in FIELDS if name in table.column_names]
        hits = [pc.match_substring(field, text, ignore_case=True).fill_null(False).to_numpy() for field in fields]
        keep &= np.any(hits, axis=0)
    return keep


def column(table: pa.Table, name: str) -> np.ndarray:
    """Return (n,) values of a column as text, '' where there is none."""
    if name not in table.column_names:
        return np.full(table.num_rows, "", dtype=object)
    coded = _strings(table, name).fill_null("").combine_chunks().dictionary_encode()
    return np.array([*coded.dictionary.to_pylist(), ""], dtype=object)[coded.indices.to_numpy()]


def row_number(table: pa.Table, name: str) -> int | None:
    """Return where the datapoint with this id stands, or None."""
    number = pc.index(table["id"], pa.scalar(name, table["id"].type)).as_py()
    return number if number >= 0 else None


def texts(table: pa.Table) -> list[str]:
    """Return prompt and answer (the chosen one of a pair) of every row."""
    return [item.text for item in table_items(table, raw=False)]


def write_rows(table: pa.Table, kind: str) -> bytes:
    """Return the table as ``csv``, ``jsonl`` or ``parquet``.

    In CSV whatever is no number is text, with an apostrophe before what a spreadsheet would run as a formula.
    """
    out = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, out)
    elif kind == "jsonl":
        for batch in table.to_batches(max_chunksize=4096):
            out.write("".join(_json(row) + "\n" for row in batch.to_pylist()).encode())
    else:
        names = [re.sub(_FORMULA, r"'\1", name) for name in table.column_names]
        pa_csv.write_csv(pa.table([_cells(values) for values in table.columns], names), out)
    return out.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cells(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column for CSV: numbers as they are, anything else as text that is no formula; nested values as JSON."""
    kind, types = values.type, pa.types
    if any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)):
        return values
    if types.is_dictionary(kind):
        return _cells(pa.chunked_array([chunk.dictionary_decode() for chunk in values.chunks], kind.value_type))
    if not (types.is_string(kind) or types.is_large_string(kind)):
        encoded = [None if value is None else _cell(value) for value in values.to_pylist()]
        values = pa.chunked_array([pa.array(encoded, pa.large_string())])
    return pc.replace_substring_regex(values.cast(pa.large_string()), _FORMULA, r"'\1")


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _json(value) if isinstance(value, dict | list) else str(value)


def _strings(table: pa.Table, name: str) -> pa.ChunkedArray:
    return table[name].cast(pa.large_string())
