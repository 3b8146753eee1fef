"""JSON that survives a kill: files that are written whole or not at all, and lines that are only added to.

Of lines a killed process leaves whole ones, and at most one that is cut short.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def write_whole(path: Path, value: Any) -> None:
    """Write a JSON file in one step: it is never seen half-written, and an old one stays where the disk is full."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


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
