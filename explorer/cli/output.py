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
