"""Lists that people bring to a new study: behaviors and failures, and the prompts that clustering and repairs need.

Any format of a table will do: JSON lines, JSON, CSV, Parquet. Rows are checked as the study reads them, and written as
JSON lines:

```
behaviors.jsonl   {id, name, prompt, system?, raw?, bad, good?, exhibits?, half?, asks?, forbids?}
failures.jsonl    {id, prompt, system?, wrong, right, evidence?, raw?, place?, kind?, title?, behavior?}
discovery.jsonl   {id, prompt}                            unlabelled prompts, to be clustered
controls.jsonl    {id, name, prompt, system?, exhibits}   like a behavior's prompts, without what sets it off
guard.jsonl       {id, prompt, system?, right}            ordinary tasks; right: a pattern that a right answer matches
```
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer.data.formats import open_data
from explorer.data.logs.plain import EXPECTED, PROMPTS
from explorer.data.names import fields_of
from explorer.data.values import as_text, blank
from explorer.errors import ExplorerError
from explorer.limits import DATA_ROWS, PLACES
from explorer.patterns import require_pattern
from explorer.reading import check_value, require_text, wrong_field

LISTS: dict[str, tuple[str, ...]] = {
    "behaviors": ("name", "prompt", "bad"),
    "failures": ("prompt", "wrong", "right"),
    "discovery": ("prompt",),
    "controls": ("name", "prompt", "exhibits"),
    "guard": ("prompt", "right"),
}
"""List → fields that must be text."""
_TEXTS = {"id", "name", "prompt", "system", "bad", "good", "wrong", "right", "evidence", "kind", "title", "behavior"}
_CELLS: dict[str, dict[str, Any]] = {
    "raw": {"true": True, "false": False},
    "place": {f"{number}": number for number in range(PLACES)},
}
"""What a cell of text stands for in a column that holds no text."""
_PATTERNS = {"controls": "exhibits", "guard": "right"}


def read_list(path: Path, what: str) -> list[dict[str, Any]]:
    """Read a list of ``LISTS`` from a file of any format, every row checked.

    Names of columns may have capitals. Blank cells are left out, numbers in the place of text become text, and a row
    without an id gets one. Raises ExplorerError that names file, row and field.
    """
    rows: list[dict[str, Any]] = []
    ids: set[str] = set()
    for number, row in enumerate(open_data(path, ()).rows, 1):
        if number > DATA_ROWS:
            raise ExplorerError(f"{path}: more than {DATA_ROWS:,} rows; expected fewer.")
        where = f"{path}, row {number}"
        values = {"id": f"{what}-{number}"} | _values(row)
        check_value(values, where)
        require_text(values, where, "id", *LISTS[what])
        if values["id"] in ids:
            raise ExplorerError(f"{where}: id '{values['id'][:80]}' stands in the file twice.")
        ids.add(values["id"])
        _check(values, where, what)
        rows.append(values)
    return rows


def has_questions(path: Path) -> bool:
    """Whether a file of failures has expected answers but no wrong ones: the model has to be asked first."""
    row = next(open_data(path, ()).rows, {})
    names = {name.strip().lower() for name in row}
    return "wrong" not in names and bool(names & {*PROMPTS}) and bool(names & {*EXPECTED})


def hold_out(behaviors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return prompts of behaviors with every other one held out, to measure repairs with (``half``).

    Of a behavior with a split already, or one prompt, or no pattern ``exhibits``, nothing is changed.
    """
    from explorer.data.behaviors import HALVES

    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in behaviors:
        by_name.setdefault(row["name"], []).append(row)
    split = {
        name
        for name, rows in by_name.items()
        if len(rows) > 1 and not any(row.get("half") for row in rows) and any(row.get("exhibits") for row in rows)
    }
    places = {row["id"]: place for rows in by_name.values() for place, row in enumerate(rows)}
    halves = [HALVES[places[row["id"]] % 2] for row in behaviors]
    return [row | ({"half": half} if row["name"] in split else {}) for row, half in zip(behaviors, halves, strict=True)]


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that hold something, numbers as text, under names in small letters."""
    values: dict[str, Any] = {}
    for column, value in row.items():
        name = fields_of((column,))[column]
        name = column.strip().lower() if name == column else name
        if not blank(value):
            text = as_text(value)
            known = _CELLS.get(name, {}).get(text.strip().lower(), value) if text else value
            values[name] = text if name in _TEXTS and text else known
    return values


def _check(values: Mapping[str, Any], where: str, what: str) -> None:
    from explorer.data.behaviors import behavior_of  # torch, which prompts need, takes seconds to import
    from explorer.data.failures import failure_of

    if checked := {"behaviors": behavior_of, "failures": failure_of}.get(what):
        checked(values, where)
    if what in _PATTERNS:
        require_pattern(values, where, _PATTERNS[what])
        if not isinstance(values.get("system", ""), str):
            raise wrong_field(values, where, "system", "text")
