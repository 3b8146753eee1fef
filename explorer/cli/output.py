"""What commands write: a file, or stdout where the file is called "-"."""

import json
import sys
from pathlib import Path
from typing import Any

from explorer.files import writing


def write(path: str | Path, data: str | bytes) -> None:
    """Write text (as UTF-8) or bytes; raises ExplorerError where that can't be done."""
    whole = data.encode() if isinstance(data, str) else data
    with writing(path):
        if str(path) == "-":
            sys.stdout.flush()  # what was printed comes first
            sys.stdout.buffer.write(whole)
            sys.stdout.buffer.flush()
        else:
            Path(path).write_bytes(whole)


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write one JSON value, on one line unless it is indented."""
    write(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def print_progress(what: str, done: float = 0, total: float = 0, /) -> None:
    """A Progress that prints a line to stderr for every report."""
    print(f"{what}: {done:,.0f}/{total:,.0f}" if total else what, file=sys.stderr, flush=True)
