"""What commands write: a file, stdout where the file is called "-", and their progress on stderr."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from explorer.files import write_whole, writing
from explorer.progress import Pace, Progress
from explorer.safe_text import escape_invisible

MODEL = "smollm2, a hub id (owner/name or owner/name@revision), a folder or a .gguf file"
"""Help of the options that take a model."""
EVERY = 5.0
"""Seconds between two lines about the same work; its end always has one."""


def say(*lines: str, to_stderr: bool = False) -> None:
    """Print lines for people: each stays one line, and nothing of a model or a study commands the terminal."""
    print(*map(escape_invisible, lines), sep="\n", file=sys.stderr if to_stderr else sys.stdout, flush=True)


def write(path: str | Path, data: str | bytes) -> None:
    """Write text (as UTF-8) or bytes; raises ExplorerError where that can't be done.

    A file is written whole or not at all; stdout, a pipe or a device is written to.
    """
    whole = data.encode() if isinstance(data, str) else data
    with writing(path):
        if str(path) == "-":
            sys.stdout.flush()  # what was printed comes first
            sys.stdout.buffer.write(whole)
            sys.stdout.buffer.flush()
        elif (target := Path(path)).exists() and not target.is_file():
            target.write_bytes(whole)
        else:
            target.parent.stat()  # no such folder is told before a scratch file is tried
            write_whole(target.resolve() if target.is_symlink() else target, lambda scratch: scratch.write_bytes(whole))


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write one JSON value, on one line unless it is indented."""
    write(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def file_kind(path: str) -> str:
    """Return what a file is by its name: ``svg`` of ``x.SVG``, empty for a name without an ending."""
    return Path(path).suffix.removeprefix(".").lower()


def progress_lines() -> Progress:
    """Return a Progress that prints a line every few seconds: what is done, how fast, and the time left."""
    pace, printed = Pace(), ("", -EVERY)

    def show(what: str, done: float = 0, total: float = 0, /) -> None:
        nonlocal printed
        rate, left, now = pace.rate(what, done), pace.left(what, done, total), time.monotonic()
        if what == printed[0] and not 0 < total <= done and now < printed[1] + EVERY:
            return
        printed = what, now
        line = f"{what}: {int(done)}/{int(total)}" if total else what
        if left is not None:
            minutes, seconds = divmod(round(left), 60)
            line += f", {rate:.1f} a second, {minutes}:{seconds:02d} left"
        say(line, to_stderr=True)

    return show
