"""The datapoints of a file while it is read: duplicates left out, ids unique, in Arrow columns."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from explorer.data.delimited import too_long
from explorer.data.formats import Row, quoted
from explorer.data.names import FIELDS, PAIR
from explorer.errors import ExplorerError, count
from explorer.limits import DATA_BYTES, DATA_ROWS, ROW_CHARS

LONG_CHARS = 8_192
"""Rows with more characters of prompt and answers are counted: a model may have to cut them."""
CHUNK = 4_096
"""Rows that are gathered as Python objects before they become Arrow columns."""


@dataclass
class Datapoints:
    """The datapoints so far, in Arrow chunks, so that a large file never lies in memory as Python objects.

    ``strict``: whether an id that stands there twice is an error.
    """

    strict: bool = False
    duplicates: int = 0
    empty: int = 0
    over_long: int = 0
    relabelled: int = 0
    renamed: int = 0
    mixed: set[str] = field(default_factory=set)
    _size: int = 0
    _rows: list[Row] = field(default_factory=list)
    _chunks: list[pa.Table] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _times: dict[str, int] = field(default_factory=dict)
    _labels: dict[bytes, set[str | None]] = field(default_factory=dict)

    def add(self, where: str, default_id: str, row: Row) -> None:
        """Add a datapoint, whose text ``check_text`` has passed, unless it is a duplicate.

        An id that another one has gets a number, the second ``<id>#2``. Raises ExplorerError above the limits of all
        datapoints together, and strictly for such an id.
        """
        row = {"id": default_id} | row
        texts = [row.get(name) for name in ("history", "prompt", "system", "response", *PAIR)]
        labels = self._labels.setdefault(blake2b(repr(texts).encode(), digest_size=16).digest(), set())
        if row.get("label") in labels:
            self.duplicates += 1
            return
        self.relabelled += bool(labels)
        labels.add(row.get("label"))
        row["id"] = self._unique(where, row["id"])
        self.empty += not (row.get("response") or row.get("rejected"))
        size = sum(len(text) for text in texts if text)
        self.over_long += size > LONG_CHARS
        self._size += size
        if self._size > DATA_BYTES or len(self._ids) > DATA_ROWS:
            most = f"{DATA_BYTES:,} characters in {DATA_ROWS:,} rows"
            raise ExplorerError(f"{where}: more text than a study holds in memory; expected at most {most}.")
        self._rows.append(row)
        if len(self._rows) == CHUNK:
            self._flush()

    def table(self) -> pa.Table:
        """All of them; the known columns first, then extras in the order in which they came."""
        self._flush()
        names = dict.fromkeys(name for chunk in self._chunks for name in chunk.column_names)
        casts: dict[str, pa.DataType] = {}
        for name in names:
            kinds = {chunk[name].type for chunk in self._chunks if name in chunk.column_names} - {pa.null()}
            if len(kinds) > 1:
                casts[name] = pa.float64() if kinds == {pa.int64(), pa.float64()} else pa.string()
        self.mixed.update(name for name, kind in casts.items() if kind == pa.string())
        table = pa.concat_tables([_cast(chunk, casts) for chunk in self._chunks], promote_options="permissive")
        order = [*(name for name in FIELDS if name in names), *(name for name in names if name not in FIELDS)]
        return table.select([name for name in order if table[name].type != pa.null()])

    def problems(self) -> list[str]:
        """What should be looked at, one sentence each."""
        what = "with the text of an earlier row but another label, all kept"
        relabelled = [f"{count(self.relabelled, 'row')} {what}"] if self.relabelled else []
        mixed = [f"values of several kinds, kept as text: {quoted(sorted(self.mixed))}"] if self.mixed else []
        again = "under an id that an earlier one has: a number is added"
        renamed = [f"{count(self.renamed, 'row')} {again}"] if self.renamed else []
        return relabelled + mixed + renamed

    def _unique(self, where: str, id: str) -> str:
        name = id
        if id in self._ids:
            if self.strict:
                raise ExplorerError(f"{where}: id {id[:60]!r} stands in the file twice; expected every id once.")
            self.renamed += 1
            number = self._times.get(id, 1)
            while name in self._ids:
                number += 1
                name = f"{id}#{number}"
            self._times[id] = number
        self._ids.add(name)
        return name

    def _flush(self) -> None:
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {name: self._array(name, [row.get(name) for row in self._rows]) for name in names}
        self._chunks.append(pa.table(columns))
        self._rows = []

    def _array(self, name: str, values: list[Any]) -> pa.Array:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            self.mixed.add(name)
            return pa.array([None if value is None else str(value) for value in values])


def _cast(chunk: pa.Table, casts: dict[str, pa.DataType]) -> pa.Table:
    for place, name in enumerate(chunk.column_names):
        if name in casts:
            chunk = chunk.set_column(place, name, chunk[name].cast(casts[name], safe=False))
    return chunk


def check_text(where: str, row: Row) -> None:
    """Raise ExplorerError for a datapoint that is too long, or whose texts hold half a character."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    size = sum(map(len, texts.values()))
    if size > ROW_CHARS:
        raise too_long(where, size)
    for name, text in texts.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"half a character (\\u{ord(text[error.start]):04x})"
            raise ExplorerError(f"{where}: field {name!r} holds {half}; expected whole ones.") from error
