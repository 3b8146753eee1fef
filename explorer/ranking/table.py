"""The datapoints of a ranking as rows: which of them a filter keeps, and as a file that others open."""

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

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see
FILES = {"csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
"""What a ranking can be written as, with the media type."""
_FORMULA = r"^([=+\-@\t\r])"


@dataclass(frozen=True)
class Filter:
    """Which datapoints to keep; an empty field keeps all. ``text`` is sought letter for letter, in either case."""

    sources: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    text: str = ""
    least: float | None = None


def matches(table: pa.Table, scores: np.ndarray, wanted: Filter) -> np.ndarray:
    """(n,) bool: the rows that have a score and that the filter keeps."""
    keep = ~np.isnan(scores)
    if wanted.least is not None:
        keep &= np.nan_to_num(scores, nan=-np.inf) >= wanted.least
    for name, values in (("source", wanted.sources), ("label", wanted.labels)):
        if values and name in table.column_names:
            keep &= np.isin(column(table, name), values)
    if wanted.text.strip():
        found = np.zeros(len(keep), bool)
        for name in FIELDS:
            if name in table.column_names:
                hit = pc.match_substring(_strings(table, name), wanted.text.strip(), ignore_case=True)
                found |= hit.fill_null(False).to_numpy()
        keep &= found
    return keep


def column(table: pa.Table, name: str) -> np.ndarray:
    """(n,) values of a column as text, '' where there is none."""
    if name not in table.column_names:
        return np.full(table.num_rows, "", dtype=object)
    coded = _strings(table, name).fill_null("").combine_chunks().dictionary_encode()
    return np.array([*coded.dictionary.to_pylist(), ""], dtype=object)[coded.indices.to_numpy()]


def row_number(table: pa.Table, name: str) -> int | None:
    """Where the datapoint with this id stands, or None."""
    found = pc.index(table["id"], pa.scalar(name, table["id"].type)).as_py()
    return found if found >= 0 else None


def texts(table: pa.Table) -> list[str]:
    """Prompt and answer (the chosen one of a pair) of every row, for baselines and searches."""
    columns = {name: table[name].to_pylist() for name in ("prompt", "response", "chosen") if name in table.column_names}
    none = [None] * table.num_rows
    rows = zip(columns["prompt"], columns.get("response", none), columns.get("chosen", none), strict=True)
    return [f"{prompt} {response or chosen or ''}" for prompt, response, chosen in rows]


def write_rows(table: pa.Table, kind: str) -> bytes:
    """The table as ``csv``, ``jsonl`` or ``parquet``.

    In CSV a text that a spreadsheet would run as a formula gets an apostrophe before it, and nested values are JSON.
    """
    out = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, out)
    elif kind == "jsonl":
        for batch in table.to_batches(max_chunksize=4096):
            lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in batch.to_pylist())
            out.write("".join(lines).encode())
    else:
        pa_csv.write_csv(
            pa.table([_cells(c) for c in table.columns], [_named(name) for name in table.column_names]), out
        )
    return out.getvalue()


def _named(name: str) -> str:
    return f"'{name}" if re.match(_FORMULA, name) else name


def _cells(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_nested(kind):
        texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in values.to_pylist()]
        values = pa.chunked_array([pa.array(texts, pa.large_string())])
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return values
    return pc.replace_substring_regex(values.cast(pa.large_string()), _FORMULA, r"'\1")


def _strings(table: pa.Table, name: str) -> pa.ChunkedArray:
    return table[name].cast(pa.large_string())
