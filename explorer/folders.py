"""Folders that survive a kill: made in a scratch folder beside their place, and put there in one step."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from uuid import uuid4

from filelock import FileLock, Timeout

from explorer.errors import ExplorerError
from explorer.files import write_json, writing
from explorer.reading import read_json

_LOCK, UNFINISHED = ".lock", ".unfinished"
_YOUNG = 60.0
"""Seconds in which a process has locked the scratch folder that it has made."""


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``place``, on the same disk, deleted when the block ends.

    A killed process leaves its own; the next call for the same place deletes it, told by a lock that nobody holds.
    Raises ExplorerError where the folder can't be made.
    """
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        scratch = place.parent / f".{place.name}.{uuid4().hex[:8]}.scratch"
        scratch.mkdir()
    lock, content = FileLock(scratch / _LOCK, timeout=0), scratch / "content"
    try:
        with writing(place):
            lock.acquire()
            content.mkdir()
        yield content
    finally:
        lock.release()
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Delete scratch folders of a place whose processes have died."""
    for scratch in place.parent.iterdir():
        if not (scratch.name.startswith(f".{place.name}.") and scratch.name.endswith(".scratch")):
            continue
        with suppress(OSError, Timeout):
            if not (scratch / _LOCK).exists() and time() < scratch.stat().st_mtime + _YOUNG:
                continue  # another process makes it right now
            with FileLock(scratch / _LOCK, timeout=0):
                shutil.rmtree(scratch)


@contextmanager
def whole_folder(place: Path, last: str = "") -> Iterator[Path]:
    """Make a folder in one step: yield a scratch folder, whose content is at ``place`` once the block ends well.

    Where there is a folder already, each file replaces its like in one step, and the file called ``last`` comes last:
    whoever finds it finds all the others (``unfinished`` tells what a kill in between has left). Raises ExplorerError
    where the disk is full, the folder can't be written, or another process makes it at the same time.
    """
    filled = place.exists() and any(place.iterdir())
    with scratch_folder(place) as scratch, writing(place):
        yield scratch
        _sync(scratch)
        if not filled:
            os.replace(scratch, place)  # refused where another process has filled it meanwhile
            return
        try:
            with FileLock(place / _LOCK, timeout=0):
                _move(scratch, place, last)
                (place / _LOCK).unlink()
        except Timeout as error:
            raise ExplorerError(f"{place}: another process writes into it; wait for it.") from error


def unfinished(place: Path) -> list[str]:
    """Files that a process was putting into a folder when it was killed: they may be replaced."""
    path = place / UNFINISHED
    try:
        return read_json(path, "a list of files", list[str]) if path.is_file() else []
    except ExplorerError:
        return []


def _move(scratch: Path, place: Path, last: str) -> None:
    files = [path for path in scratch.rglob("*") if path.is_file()]
    write_json(place / UNFINISHED, [str(path.relative_to(scratch)) for path in files])
    for path in sorted(files, key=lambda path: path.relative_to(scratch) == Path(last)):
        target = place / path.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    (place / UNFINISHED).unlink()


def _sync(folder: Path) -> None:
    """Have every file of a folder on the disk before it gets its place."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
