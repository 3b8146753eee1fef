"""What commands write: a file, or stdout where the file is called "-"."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from explorer.files import writing
from explorer.progress import Pace


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


class _ProgressLines:
    """A Progress that prints to stderr: what is done, how fast, and the time left; a line every few seconds."""

    EVERY = 5.0

    def __init__(self) -> None:
        self._pace, self._what, self._printed = Pace(), "", 0.0

    def __call__(self, what: str, done: float = 0, total: float = 0, /) -> None:
        rate, left, now = self._pace.rate(what, done), self._pace.left(what, done, total), time.monotonic()
        if what == self._what and done < total and now < self._printed + self.EVERY:
            return
        self._what, self._printed = what, now
        line = f"{what}: {int(done):,}/{int(total):,}" if total else what
        if left is not None:
            line += f", {rate:.1f} a second, {round(left) // 60}:{round(left) % 60:02d} left"
        print(line, file=sys.stderr, flush=True)


print_progress = _ProgressLines()
"""The Progress of every command."""
