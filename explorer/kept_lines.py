"""JSON lines that are only added to: what a killed process leaves is whole lines, and at most one that is cut short."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def add_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add some rows; the folder is made. A line that a kill cut short ends where the next one begins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join(["", *(json.dumps(dict(row), ensure_ascii=False) for row in rows)]))


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, in order; lines that are none are passed over. An absent file has none."""
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            yield row
