"""Start a repair in a process of its own, stop it, and read what it printed."""

import os
import subprocess
import sys
from pathlib import Path

from explorer.data.study import Study
from explorer.repair.plan import read_plan
from explorer.repair.status import QUEUED, STOP, status, write_progress

LOG = "log.txt"


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
    """The end of what the job printed."""
    path = folder / LOG
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if path.is_file() else ""
