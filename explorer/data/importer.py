"""Training examples from every accepted format, read into one table of datapoints.

```
column of the file                                                          becomes
prompt | prompts | instruction (+ input) | question, text or messages       prompt (and system)
response | output | completion | answer, text or messages                   response
chosen, rejected, text or messages (their shared beginning is the prompt)   chosen, rejected (and prompt, system)
messages: [{role, content}]                                                 prompt, system, response, history
id, system, label, source                                                   the same
any other text, number or true/false                                        an extra column, unchanged
```

The prompt is the last message of the user before the answer; all turns before it, and a tool's after it, are the
``history`` (``explorer/data/turns.py``).
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from explorer.data.columns import ANSWERS, EXTRA, FIELDS, MESSAGES, PAIR, PLAIN, PROMPTS, ColumnRoles, read_row
from explorer.data.formats import Row, open_data, quoted, too_long
from explorer.errors import ExplorerError, count
from explorer.limits import DATA_BYTES, DATA_ROWS, ROW_CHARS

LONG_CHARS = 8_192
"""Rows with more characters of prompt and answers are counted: a model may have to cut them."""
CHUNK = 4_096
"""Rows that are gathered as Python objects before they become Arrow columns."""


@dataclass(frozen=True)
class ImportedData:
    """The training examples of a file, and how the file was read.

    Attributes:
        table: id, history?, prompt, response and/or chosen + rejected, system?, label?, source?, extras; one row a
            datapoint.
        format: the file's format in words.
        columns: source column → fields that it became, joined with `` + ``; ``extra`` if it comes along unchanged.
        dropped: columns left out because they are nested, have no name, or have the name of a field.
        rows: number of rows of the file.
        duplicates: rows left out because prompt, answers and label are those of an earlier row.
        empty: rows of the table without an answer, or with half a pair; they are never ranked.
        over_long: rows of the table with more than ``LONG_CHARS`` characters.
        problems: one sentence each about what should be looked at.
    """

    table: pa.Table
    format: str
    columns: dict[str, str]
    dropped: tuple[str, ...]
    rows: int
    duplicates: int
    empty: int
    over_long: int
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """A summary in a handful of short lines, safe to print whatever the columns are called."""
        prompt, answer = self._columns_of("prompt"), self._columns_of("response", *PAIR)
        prompt = prompt.replace("'instruction', 'input'", "'instruction' + 'input'")
        plain, extra = self._columns_of("id", *PLAIN), self._columns_of(EXTRA)
        lines = [
            f"{self.format}, {count(self.rows, 'row')}; prompt from {prompt}, answer from {answer}",
            f"taken as they are: {plain}" if plain != "none" else "",
            f"also kept: {extra}" if extra != "none" else "",
            f"left out: {quoted(self.dropped)}" if self.dropped else "",
            f"{count(self.duplicates, 'exact duplicate')} left out" if self.duplicates else "",
            f"{count(self.empty, 'row')} without an answer kept but never ranked" if self.empty else "",
            f"{count(self.over_long, 'row')} longer than {LONG_CHARS:,} characters" if self.over_long else "",
            *self.problems,
        ]
        return [line for line in lines if line]

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows themselves; ``table`` is the names of their columns, ``kept`` their number."""
        values = {**vars(self), "table": self.table.column_names}
        return values | {"kept": self.table.num_rows, "long_chars": LONG_CHARS}

    def _columns_of(self, *fields: str) -> str:
        return quoted(name for name, roles in self.columns.items() if set(fields) & set(roles.split(" + ")))


def import_data(path: str | Path, turns: str = "all") -> ImportedData:
    """Read a JSONL, JSON, CSV, Parquet or Arrow file, or a folder that ``save_to_disk`` of Hugging Face wrote.

    A conversation of several answers becomes one datapoint for a study whose ``turns`` are ``all``: the loss is on all
    answers. With ``turns="each"`` every answer becomes a datapoint (``<id>.1``, ``<id>.2``, …), what was said before it
    its history, for a study whose ``turns`` are ``last``.

    Of rows with the same prompt and answers the first is kept, of those with different labels the first of each label.
    A row without an answer is kept with an empty one. A row without an id gets one (``row-000123``).

    Raises:
        ExplorerError: one sentence that names the file, the row (from 1) or line, and the field: for a file that can't
            be read or has no rows, a prompt that is missing or no text, an answer that is no text, an id that stands
            there twice, a row above ``ROW_CHARS``, and a file without any column for prompts or answers.
    """
    path = Path(path)
    file = open_data(path, nested=(*PROMPTS, *ANSWERS, *PAIR, MESSAGES))
    roles, datapoints = ColumnRoles(turns == "each", dropped=dict.fromkeys(file.skipped)), _Datapoints()
    number = 0
    for number, row in enumerate(file.rows, 1):
        where = f"{path}, row {number}"
        made, default_id = read_row(row, where, roles), f"row-{number:06}"
        for place, datapoint in enumerate(made, 1):
            part = {"id": f"{datapoint.get('id', default_id)}.{place}"} if len(made) > 1 else {}
            datapoints.add(where, default_id, datapoint | part)
    if not number:
        raise ExplorerError(f"{path}: no rows; expected at least one training example.")
    roles.check(path)
    table, counts = datapoints.table(), (datapoints.duplicates, datapoints.empty, datapoints.over_long)
    problems = (*datapoints.problems(), *roles.problems())
    return ImportedData(table, file.format, roles.summary(), tuple(roles.dropped), number, *counts, problems)


@dataclass
class _Datapoints:
    """The datapoints so far, in Arrow chunks, so that a large file never lies in memory as Python objects."""

    duplicates: int = 0
    empty: int = 0
    over_long: int = 0
    relabelled: int = 0
    mixed: set[str] = field(default_factory=set)
    _size: int = 0
    _rows: list[Row] = field(default_factory=list)
    _chunks: list[pa.Table] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _labels: dict[bytes, set[str | None]] = field(default_factory=dict)

    def add(self, where: str, default_id: str, row: Row) -> None:
        """Add a datapoint unless it is a duplicate. Raises ExplorerError for its size, a broken text or its id."""
        _check_text(where, {name: value for name, value in row.items() if isinstance(value, str)})
        row = {"id": default_id} | row
        texts = [row.get(name) for name in ("history", "prompt", "system", "response", *PAIR)]
        labels = self._labels.setdefault(blake2b(repr(texts).encode(), digest_size=16).digest(), set())
        if row.get("label") in labels:
            self.duplicates += 1
            return
        self.relabelled += bool(labels)
        labels.add(row.get("label"))
        if row["id"] in self._ids:
            raise ExplorerError(f"{where}: id {row['id'][:60]!r} stands in the file twice; expected every id once.")
        self._ids.add(row["id"])
        self.empty += not (row.get("response") or (row.get("chosen") and row.get("rejected")))
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
        return relabelled + mixed

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


def _check_text(where: str, texts: dict[str, str]) -> None:
    size = sum(map(len, texts.values()))
    if size > ROW_CHARS:
        raise too_long(where, size)
    for name, text in texts.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"half a character (\\u{ord(text[error.start]):04x})"
            raise ExplorerError(f"{where}: field {name!r} holds {half}; expected whole ones.") from error
