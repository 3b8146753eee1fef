"""What commands write: a file, stdout where the file is called "-", and their progress on stderr."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from explorer.files import writing
from explorer.progress import Pace, Progress

MODEL = "smollm2, a hub id (owner/name or owner/name@revision), a folder or a .gguf file"
"""Help of the options that take a model."""
EVERY = 5.0
"""Seconds between two lines about the same work; its end always has one."""


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


def progress_lines() -> Progress:
    """Return a Progress that prints a line every few seconds: what is done, how fast, and the time left."""
    pace, printed = Pace(), ("", -EVERY)

    def show(what: str, done: float = 0, total: float = 0, /) -> None:
        nonlocal printed
        rate, left, now = pace.rate(what, done), pace.left(what, done, total), time.monotonic()
        if what == printed[0] and done < total and now < printed[1] + EVERY:
            return
        printed = what, now
        line = f"{what}: {int(done)}/{int(total)}" if total else what
        if left is not None:
            minutes, seconds = divmod(round(left), 60)
            line += f", {rate:.1f} a second, {minutes}:{seconds:02d} left"
        print(line, file=sys.stderr, flush=True)

    return show
