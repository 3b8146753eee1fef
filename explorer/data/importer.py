"""Training examples from every accepted format, read into one table of datapoints.

```
column of the file (capitals aside)                                         becomes
prompt | prompts | question | query | problem | input, text or messages     prompt (and system)
instruction (+ input, context), question (+ context)                        prompt
response | output | completion | answer | solution, text or messages        response
chosen, rejected | preferred_output, non_preferred_output, text, a dialogue
  in one text, or messages (their shared beginning is the prompt)           chosen, rejected (and prompt, system)
completion with label false (KTO)                                           rejected, chosen empty
messages | conversations: [{role, content}] or [{from, value}]              prompt, system, response, history
text                                                                        what is missing, or prompt and response
id, system | system_prompt, label, source                                   the same
any other text, number or true/false                                        an extra column, unchanged
```

The prompt is the last message of the user before the answer; all turns before it, and a tool's after it, are the
``history`` (``explorer/data/turns.py``). ``names.py`` has the names, ``shapes.py`` the shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from explorer.data.columns import read_row
from explorer.data.datapoints import LONG_CHARS, Datapoints, check_text
from explorer.data.formats import DataFile, Row, open_data, quoted
from explorer.data.names import EXTRA, NESTED, PAIR, PLAIN, check_columns, heads_of
from explorer.data.roles import ColumnRoles
from explorer.data.sources import find_sources
from explorer.errors import ExplorerError, count
from explorer.limits import BROKEN_ROWS

SHOWN_ROWS = 5
"""Broken rows in the summary for people; ``to_json`` has more."""


@dataclass(frozen=True)
class ImportedData:
    """The training examples of a file, and how the file was read.

    Attributes:
        table: id, history?, prompt, response and/or chosen + rejected, system?, label?, source?, extras; one row a
            datapoint.
        format: the file's format in words.
        columns: source column → fields that it became, joined with `` + ``; ``extra`` if it comes along unchanged.
        dropped: columns left out because they are nested, have no name, or have the name of a field.
        rows: number of rows of all files, broken ones too.
        broken: rows left out because they are broken or too long.
        broken_rows: what is wrong with the first of them, one sentence each that names file and row or line.
        notes: sentences on which files were read, where that was chosen.
        duplicates: rows left out because prompt, answers and label are those of an earlier row.
        empty: rows of the table without an answer, or with a chosen one alone; they are never ranked.
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
    broken: int = 0
    broken_rows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ImportedData({self.format}, {self.table.num_rows:,} training examples of {self.rows:,} rows)"

    def lines(self) -> list[str]:
        """A summary in a handful of short lines, safe to print whatever the columns are called."""
        prompt, answer = self._columns_of("prompt"), self._columns_of("response", *PAIR)
        prompt = prompt.replace("'instruction', 'input'", "'instruction' + 'input'")
        plain, extra = self._columns_of("id", *PLAIN), self._columns_of(EXTRA)
        broken = f"{count(self.broken, 'row')} broken or too long, left out ('--strict' refuses the data then):"
        shown = [*self.broken_rows[:SHOWN_ROWS]]
        more = [f"… and {self.broken - len(shown):,} more"] if self.broken > len(shown) else []
        lines = [
            *self.notes,
            f"{self.format}, {count(self.rows, 'row')}; prompt from {prompt}, answer from {answer}",
            f"taken as they are: {plain}" if plain != "none" else "",
            f"also kept: {extra}" if extra != "none" else "",
            f"left out: {quoted(self.dropped)}" if self.dropped else "",
            f"{count(self.duplicates, 'exact duplicate')} left out" if self.duplicates else "",
            f"{count(self.empty, 'row')} without an answer kept but never ranked" if self.empty else "",
            f"{count(self.over_long, 'row')} longer than {LONG_CHARS:,} characters" if self.over_long else "",
            *self.problems,
            *([broken, *shown, *more] if self.broken else []),
        ]
        return [line for line in lines if line]

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows themselves; ``table`` is the names of their columns, ``kept`` their number."""
        values = {**vars(self), "table": self.table.column_names}
        return values | {"kept": self.table.num_rows, "long_chars": LONG_CHARS}

    def _columns_of(self, *fields: str) -> str:
        return quoted(name for name, roles in self.columns.items() if set(fields) & set(roles.split(" + ")))


def import_data(
    path: str | Path | Sequence[str | Path],
    turns: str = "all",
    columns: Mapping[str, str] | None = None,
    *,
    strict: bool = False,
    raw: bool = False,
) -> ImportedData:
    """Read JSONL, JSON, CSV, TSV, Parquet and Arrow files, and folders of ``save_to_disk`` or of the hub.

    A conversation of several answers becomes one datapoint for a study whose ``turns`` are ``all``: the loss is on all
    answers. With ``turns="each"`` every answer becomes a datapoint (``<id>.1``, ``<id>.2``, …), what was said before it
    its history, for a study whose ``turns`` are ``last``.

    Of rows with the same prompt and answers the first is kept, of those with different labels the first of each label.
    A row without an answer is kept with an empty one. A row without an id gets one (``row-000123``). A row that is
    broken, or above ``ROW_CHARS``, is left out, counted and listed.

    Args:
        path: one or several files, folders or patterns, see ``find_sources``; read one after the other.
        columns: field → column where the usual names don't tell, e.g. ``{"prompt": "Frage"}``; see ``names.MAPPED``.
        strict: raise for the first row that is broken.
        raw: a dialogue that is one text stays one, for a study whose template is ``raw``.

    Raises:
        ExplorerError: one sentence that names the file, the row (from 1) or line, and the field: for a file that can't
            be read or has no rows, and one without any column for prompts or answers. If no row is usable, or strictly:
            for a prompt that is missing or no text, an answer that is no text, an id that stands there twice, a row
            above ``ROW_CHARS``.
    """
    check_columns(columns or {})
    files, notes = find_sources(path)
    roles = ColumnRoles(turns == "each", dict(columns or {}), raw)
    reading = _Reading(roles, strict, Datapoints(strict))
    formats: dict[str, None] = {}
    for file in files:
        opened = open_data(file, NESTED | heads_of((columns or {}).values()), reading.skip)
        formats[opened.format] = None
        reading.read(opened, file)
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and {count(len(files) - 1, 'more file')}"
    several = f" in {len(files):,} files" if len(files) > 1 else ""
    return reading.result(where, f"{', '.join(formats)}{several}", tuple(notes))


@dataclass
class _Reading:
    """What was read so far, of all files."""

    roles: ColumnRoles
    strict: bool
    datapoints: Datapoints
    rows: int = 0
    broken: list[ExplorerError] = field(default_factory=list)
    n_broken: int = 0

    def skip(self, error: ExplorerError) -> None:
        """Count a broken row; raise its error where nothing is to be left out."""
        if self.strict:
            raise error
        self.rows += 1
        self.n_broken += 1
        if len(self.broken) < BROKEN_ROWS:
            self.broken.append(error)

    def read(self, file: DataFile, path: Path) -> None:
        """Read the rows of a file."""
        before = self.rows
        self.roles.dropped.update(dict.fromkeys(file.skipped))
        for row in file.rows:
            where = f"{path}, row {self.rows - before + 1}"
            self.roles.see(row, where)
            try:
                made = self._datapoints(row, where)
            except ExplorerError as error:
                self.skip(error)
                continue
            self.rows += 1
            for datapoint in made:
                self.datapoints.add(where, f"row-{self.rows:06}", datapoint)

    def _datapoints(self, row: Row, where: str) -> list[Row]:
        made, default_id = read_row(row, where, self.roles), f"row-{self.rows + 1:06}"
        if len(made) > 1:
            made = [part | {"id": f"{part.get('id', default_id)}.{n}"} for n, part in enumerate(made, 1)]
        for part in made:
            check_text(where, part)
        return made

    def result(self, where: str, format: str, notes: tuple[str, ...]) -> ImportedData:
        """The datapoints, and how they were read. Raises ExplorerError where there is none."""
        if not self.rows:
            raise ExplorerError(f"{where}: no rows; expected at least one training example.")
        if self.roles.columns:
            self.roles.check_chosen(where)
        if self.n_broken == self.rows:
            raise self.broken[0]
        self.roles.check(where)
        table, data = self.datapoints.table(), self.datapoints
        return ImportedData(
            table,
            format,
            self.roles.summary(),
            tuple(self.roles.dropped),
            self.rows,
            data.duplicates,
            data.empty,
            data.over_long,
            (*data.problems(), *self.roles.problems()),
            self.n_broken,
            tuple(map(str, self.broken)),
            notes,
        )
