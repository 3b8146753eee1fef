"""Parquet and Arrow files that others wrote, in batches that are checked before they take the memory that they declare.

A few kilobytes can declare gigabytes: one long value that a dictionary repeats for every row. So text is read as codes
and their dictionary, and is written out only where it is not too much. Nothing is mapped into memory: a file that
somebody cuts short while it is mapped ends the process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from explorer.errors import ExplorerError, first_line
from explorer.limits import DATA_BYTES, DATA_ROWS, ROW_CHARS
from explorer.reading import open_file

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see
BATCH_ROWS = 16_384
_PLAIN = 16
"""Bytes that a value of any other type than text takes at most."""


class TableFile:
    """An open Parquet or Arrow file, stream or file format.

    Attributes:
        schema: its columns, as the file declares them.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """Open a file; ``kind`` is ``Parquet`` or anything else for Arrow, and named in errors."""
        self.path, self._kind = path, kind
        self._file = open_file(path, kind)
        with self._sentences():
            self._reader: Any = self._open_parquet() if kind == "Parquet" else self._open_arrow()

    def _open_parquet(self) -> pq.ParquetFile:
        declared = pq.ParquetFile(self._file)
        self.schema, metadata = declared.schema_arrow, declared.metadata
        _check_rows(self.path, metadata.num_rows)
        leaves = [declared.schema.column(place) for place in range(len(declared.schema))]
        if wide := [leaf.path for leaf in leaves if leaf.length > ROW_CHARS]:
            raise ExplorerError(f"{self.path}: column '{wide[0]}' is too wide; expected text.")
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        self.rows = metadata.num_rows
        return pq.ParquetFile(self._file, metadata=metadata, read_dictionary=texts)

    def _open_arrow(self) -> Any:
        try:
            reader: Any = pa.ipc.open_file(self._file)
        except pa.ArrowInvalid:
            self._file.seek(0)
            reader = pa.ipc.open_stream(self._file)
        self.schema = reader.schema
        return reader

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most ``BATCH_ROWS`` rows, every value checked, text maybe as a dictionary.

        Raises ExplorerError for a damaged file, and above ``DATA_ROWS`` and ``DATA_BYTES``.
        """
        with self._sentences():
            rows = size = 0
            for whole in self._raw_batches(columns):
                rows += whole.num_rows
                _check_rows(self.path, rows)
                batch = whole.select(columns) if columns is not None else whole
                batch.validate(full=True)  # offsets that point outside a broken file would end the process
                size += decoded_bytes(batch)
                if size > DATA_BYTES:
                    raise ExplorerError(
                        f"{self.path}: {size:,} bytes of text up to here; expected at most {DATA_BYTES:,}."
                    )
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)

    def _raw_batches(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        if isinstance(self._reader, pq.ParquetFile):
            dotted = any("." in name for name in columns or ())  # Parquet takes it as a part of a column
            yield from self._reader.iter_batches(BATCH_ROWS, columns=None if dotted else columns)
        elif isinstance(self._reader, pa.RecordBatchReader):
            yield from self._reader
        else:
            yield from map(self._reader.get_batch, range(self._reader.num_record_batches))

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Raise ExplorerError for what pyarrow says of a damaged file."""
        try:
            yield
        except ExplorerError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
            message = f"{self.path}: not readable as {self._kind} ({first_line(error, 160)})."
            raise ExplorerError(message) from error


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file whole, of at most ``DATA_BYTES`` as text. Raises ExplorerError."""
    file, batches = TableFile(path, "Parquet"), []
    for batch in file.batches():
        batches.append(
            pa.table(
                [column.cast(file.schema.field(i).type) for i, column in enumerate(batch.columns)], schema=file.schema
            )
        )
    return pa.concat_tables(batches) if batches else file.schema.empty_table()


def decoded_bytes(values: Any) -> int:
    """About how many bytes a batch or an array takes once its dictionaries are written out for every row."""
    if isinstance(values, pa.RecordBatch):
        return sum(map(decoded_bytes, values.columns))
    t, kind = pa.types, values.type
    size = _PLAIN * len(values)
    if t.is_dictionary(kind):
        lengths = _lengths(values.dictionary) if _is_text(kind.value_type) else None
        size += _sum(lengths.take(values.indices)) if lengths is not None else decoded_bytes(values.dictionary)
    elif _is_text(kind):
        size += _sum(_lengths(values))
    elif t.is_struct(kind):
        size += sum(map(decoded_bytes, values.flatten()))
    elif t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        size += decoded_bytes(pc.list_flatten(values))
    elif t.is_fixed_size_binary(kind):
        size += len(values) * kind.byte_width
    elif t.is_nested(kind) or t.is_run_end_encoded(kind) or isinstance(kind, pa.BaseExtensionType):
        raise ValueError(f"a column is {kind}; expected text")
    return size


def _lengths(texts: Any) -> Any:
    return pc.binary_length(texts).cast(pa.int64())


def _sum(numbers: Any) -> int:
    return pc.sum(numbers).as_py() or 0


def _is_text(kind: pa.DataType) -> bool:
    t = pa.types
    tests = (t.is_string, t.is_large_string, t.is_binary, t.is_large_binary, t.is_string_view, t.is_binary_view)
    return any(test(kind) for test in tests)


def _check_rows(path: Path, rows: int) -> None:
    if not 0 <= rows <= DATA_ROWS:
        raise ExplorerError(f"{path}: {rows:,} rows; expected at most {DATA_ROWS:,}.")
