"""Long work in a process of its own, that outlives the page that started it: repairs, surveys.

All of a job lies in its folder: ``progress.json`` (where it is), ``log.txt`` (what it printed), a file ``stop`` where
somebody asked it to stop, and the lock that says that it is alive. What a job has done is for its own files to say.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from explorer.errors import ExplorerError, first_line
from explorer.files import no_link, write_json, writing
from explorer.limits import LOG_BYTES
from explorer.progress import Progress, Stopped, silent
from explorer.reading import open_file, read_json

T = TypeVar("T")
PROGRESS, LOCK, STOP, LOG = "progress.json", ".lock", "stop", "log.txt"
NEW, STARTING, QUEUED, RUNNING = "new", "starting", "queued", "running"
STOPPED, FAILED, DONE = "stopped", "failed", "done"
ACTIVE = (STARTING, QUEUED, RUNNING)
"""States in which a process is at work, or waits for its turn."""
STARTS_WITHIN = 90.0
"""Seconds that a new process may take to hold its lock: it imports torch first."""


def true_state(folder: Path, written: str) -> str:
    """Return the state of a job whose ``progress.json`` says ``written``: a killed process could not say so."""
    if written in (QUEUED, RUNNING) and not is_running(folder):
        return STARTING if written == QUEUED and _fresh(folder) else STOPPED
    return written


def is_running(folder: Path) -> bool:
    """Return whether a living process holds the job's lock."""
    if not os.path.isfile(folder / LOCK):
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # may not be opened for writing: a job of somebody else writes its progress all the time
        return _fresh(folder)


def _fresh(folder: Path) -> bool:
    """Whether a job was started a moment ago, by a clock that may have been set back since."""
    try:
        return abs(time() - (folder / PROGRESS).stat().st_mtime) < STARTS_WITHIN
    except OSError:
        return False


def write_progress(folder: Path, state: str, **details: Any) -> None:
    """Write ``progress.json``. Raises ExplorerError where a running job can't write."""
    try:
        write_json(folder / PROGRESS, {"state": state, **details})
    except ExplorerError:  # a full disk must not hide what went wrong
        if state == RUNNING:
            raise


def start_process(folder: Path, command: Sequence[str]) -> None:
    """Run a command of ``python -m explorer`` in a process that outlives this one, as the job of a folder."""
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    _forget_stop(folder)
    write_progress(folder, QUEUED)
    with writing(folder / LOG), open(folder / LOG, "ab", opener=no_link) as log:
        subprocess.Popen(
            [sys.executable, "-m", "explorer", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths},
        )


def stop(folder: Path) -> None:
    """Ask a job to stop after the step that it is in; it can be resumed there. Raises ExplorerError."""
    with writing(folder), open(folder / STOP, "ab", opener=no_link):
        pass


def told_to_stop(folder: Path) -> bool:
    """Return whether somebody asked the job to stop."""
    return (folder / STOP).exists()


def log_tail(folder: Path, lines: int = 40) -> str:
    """Return the end of what the job printed."""
    try:
        with open_file(folder / LOG, "a log") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            return "\n".join(file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()[-lines:])
    except (ExplorerError, OSError):
        return ""


def _forget_stop(folder: Path) -> None:
    (folder / STOP).unlink(missing_ok=True)


def read_progress(folder: Path, kind: Callable[[], T]) -> T:
    """Read ``progress.json`` as a type whose defaults are those of a job that was never begun.

    A file that is absent or damaged says nothing: the defaults.
    """
    try:
        return read_json(folder / PROGRESS, "the progress of a job", kind)
    except ExplorerError:
        return kind()


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[None]:
    """Hold the job's lock; a job that ends by an error or is stopped says so in ``progress.json``.

    One that was told to stop while its process was starting ends at once; what an earlier run was told is forgotten.

    Args:
        name: of the job, for sentences, e.g. ``repair``.

    Raises ExplorerError for a job that runs already, or whose folder can't be written.
    """
    lock = FileLock(folder / LOCK, timeout=2)  # somebody may be looking whether it is free
    try:
        with writing(folder):
            try:
                lock.acquire()
            except Timeout:
                raise ExplorerError(f"{folder}: this {name} is running already.") from None
            if read_progress(folder, dict[str, Any]).get("state") != QUEUED:
                _forget_stop(folder)
    except NotImplementedError as error:  # what filelock makes of a file system without locks
        raise ExplorerError(f"{folder}: can't be locked ({error}).") from error
    try:
        if told_to_stop(folder):
            raise Stopped("Stopped before it began.")
        yield
    except BaseException as error:
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        sentence = "" if stopped else " ".join(str(error).split())[:500]
        write_progress(folder, STOPPED if stopped else FAILED, error=sentence)
        if isinstance(error, OSError):
            raise ExplorerError(
                f"{folder}: the {name} can't go on ({error.strerror or first_line(error, 200)})."
            ) from error
        raise
    finally:
        lock.release()


@contextmanager
def turn(folder: Path, shared_lock: Path, progress: Progress = silent, **details: Any) -> Iterator[None]:
    """Wait until no other job on this machine holds ``shared_lock``; ``details`` go into ``progress.json``."""
    shared_lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(shared_lock)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            write_progress(folder, QUEUED, **details)
            progress("Waiting for another job of this kind to end")
            if told_to_stop(folder):
                raise Stopped("Stopped while it was queued.") from None
    try:
        yield
    finally:
        lock.release()
