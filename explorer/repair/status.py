"""A repair seen from outside: how far it is, starting it in a process of its own, and stopping it.

``progress.json`` says where the job is; a lock that the living job holds says that it is not dead.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from filelock import FileLock, Timeout

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.repair.arms import TRAINING
from explorer.repair.plan import Arm, read_plan
from explorer.repair.results import read_result

PROGRESS, LOCK, STOP, LOG = "progress.json", ".lock", "stop", "log.txt"
NEW, STARTING, QUEUED, RUNNING = "new", "starting", "queued", "running"
STOPPED, FAILED, DONE = "stopped", "failed", "done"
STARTS_WITHIN = 90.0
"""Seconds that a new process may take to hold its lock: it imports torch first."""


@dataclass(frozen=True)
class Status:
    """How far a job is.

    Attributes:
        state: new, starting (its process holds no lock yet), queued (another repair is training), running, stopped,
            failed or done.
        done: arms that are measured, of ``total``.
        what: what is done for the arm ``arm`` (``training``, ``answering``, …), ``step`` of ``steps``.
        run: name of the arm's training.
        left: seconds left, judged by what was done so far; None where nothing was.
        error: what went wrong, in a sentence.
    """

    state: str
    done: int = 0
    total: int = 0
    what: str = ""
    arm: Arm | None = None
    run: str = ""
    step: int = 0
    steps: int = 0
    left: float | None = None
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether a process is at work on it, or waits for its turn."""
        return self.state in (STARTING, QUEUED, RUNNING)


def status(folder: Path) -> Status:
    """Read how far the job of a repair is. Raises ExplorerError for a broken result."""
    progress = _read_progress(folder)
    state = progress.get("state", NEW)
    if state in (QUEUED, RUNNING) and not is_running(folder):
        age = time() - (folder / PROGRESS).stat().st_mtime
        state = STARTING if state == QUEUED and age < STARTS_WITHIN else STOPPED  # killed
    result = read_result(folder)  # after the lock: a job that ends right now is done, not stopped
    if result and len(result.arms) == result.of:
        return Status(DONE, result.of, result.of)
    details = {name: progress[name] for name in ("what", "run", "step", "steps", "error") if progress.get(name)}
    if arm := progress.get("arm"):
        details["arm"] = Arm(arm["arm"], arm["k"], arm["seed"])
    total = progress.get("of") or (result.of if result else 0)
    left = _seconds_left(progress) if state == RUNNING else None
    return Status(state, len(result.arms) if result else 0, total, left=left, **details)


def _read_progress(folder: Path) -> dict[str, Any]:
    try:
        progress = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return progress if isinstance(progress, dict) else {}


def _seconds_left(progress: dict[str, Any]) -> float | None:
    """Estimate the time left from the arms done so far; during the first arm, from its own steps."""
    gone = time() - progress.get("began", time())
    arms = progress.get("of", 0) - progress.get("done", 0)
    if progress.get("pace"):
        return max(0.0, arms * progress["pace"] - gone)
    training = progress.get("what") == TRAINING
    share = progress.get("step", 0) / max(progress.get("steps", 0), 1) if training else 1
    return arms * gone / share - gone if share > 0.02 else None


def write_progress(folder: Path, state: str, **details: Any) -> None:
    """Write ``progress.json``. Raises ExplorerError where a running job can't write."""
    try:
        write_json(folder / PROGRESS, {"state": state, **details})
    except ExplorerError:  # a full disk must not hide what went wrong
        if state == RUNNING:
            raise


def is_running(folder: Path) -> bool:
    """Return whether a living process holds the job's lock."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def start(study: Study, folder: Path) -> None:
    """Run a job in a process that outlives this one; a job that is at work already is left alone."""
    read_plan(folder)
    if status(folder).active:
        return
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    write_progress(folder, QUEUED)
    with (folder / LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "explorer", "repair", str(study.folder), "--go-on", folder.name],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths},
        )


def stop(folder: Path) -> None:
    """Ask a job to stop after the step that it is in; it can be resumed there."""
    (folder / STOP).touch()


def log_tail(folder: Path, lines: int = 40) -> str:
    """Return the end of what the job printed."""
    path = folder / LOG
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if path.is_file() else ""
