"""A repair as a job: trains and measures one arm after the other; can be stopped, killed and resumed.

All of it lies in files, so that a job outlives the page that started it: ``plan.json`` (what to do), ``result.json``
(what is done), ``progress.json`` (where it is), ``log.txt``, and the lock that says that the job is alive.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time
from typing import Any, Literal

from filelock import FileLock, Timeout

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import no_link, write_json, writing
from explorer.limits import LOG_BYTES
from explorer.model.embedded import cache_folder
from explorer.progress import Progress, Stopped, silent
from explorer.reading import open_file, read_json
from explorer.repair.arms import TRAINING, ask, read_setting, train
from explorer.repair.checks import BEHAVIOR, counted, digest_of, held_out
from explorer.repair.plan import TOP, Arm, Plan, read_plan, save_plan
from explorer.repair.results import RESULT, Example, Result, Row, measured, pooled, read_result, row, verdict

PROGRESS, LOCK, STOP, LOG = "progress.json", ".lock", "stop", "log.txt"
NEW, STARTING, QUEUED, RUNNING = "new", "starting", "queued", "running"
STOPPED, FAILED, DONE = "stopped", "failed", "done"
STARTS_WITHIN = 90.0
"""Seconds that a new process may take to hold its lock: it imports torch first."""
EXAMPLES = 12
"""Held-out prompts whose answers stand in ``result.json``."""


@dataclass(frozen=True)
class Status:
    """How far a job is: ``done`` arms of ``total`` are measured; of ``arm``, ``step`` of ``steps`` of ``what``.

    Attributes:
        state: new, starting (its process holds no lock yet), queued (another repair is training), running, stopped,
            failed or done.
        run: name of the arm's training.
        left: seconds left, judged by what was done so far; None where nothing was.
    """

    state: str
    done: int = 0
    total: int = 0
    what: str = ""
    arm: Arm | None = None
    run: str = ""
    step: float = 0
    steps: float = 0
    left: float | None = None
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether a process is at work on it, or waits for its turn."""
        return self.state in (STARTING, QUEUED, RUNNING)


def status(folder: Path) -> Status:
    """Read how far the job of a repair is. Raises ExplorerError for a broken result."""
    progress = _read_progress(folder)
    state = progress.state
    if state in (QUEUED, RUNNING) and not is_running(folder):
        state = STARTING if state == QUEUED and _fresh(folder) else STOPPED  # killed
    result = read_result(folder)  # after the lock: a job that ends right now is done, not stopped
    done, total = (len(result.arms), result.of) if result else (0, 0)
    if result and done == total:
        return Status(DONE, done, total)
    details = {name: getattr(progress, name) for name in ("what", "run", "step", "steps", "error", "arm")}
    left = _seconds_left(progress) if state == RUNNING else None
    return Status(state, done, progress.of or total, left=left, **details)


@dataclass(frozen=True)
class _Progress:
    """``progress.json``; ``began``: when the arm was begun, ``pace``: seconds that an arm takes."""

    state: Literal["new", "starting", "queued", "running", "stopped", "failed", "done"] = NEW
    done: int = 0
    of: int = 0
    what: str = ""
    arm: Arm | None = None
    run: str = ""
    step: int | float = 0
    steps: int | float = 0
    began: float | None = None
    pace: float | None = None
    error: str = ""


def _read_progress(folder: Path) -> _Progress:
    """Read where a job is; a file that is absent or damaged says nothing."""
    try:
        return read_json(folder / PROGRESS, "the progress of a repair", _Progress)
    except ExplorerError:
        return _Progress()


def _fresh(folder: Path) -> bool:
    """Whether a job was started a moment ago, by a clock that may have been set back since."""
    try:
        return abs(time() - (folder / PROGRESS).stat().st_mtime) < STARTS_WITHIN
    except OSError:
        return False


def _seconds_left(progress: _Progress) -> float | None:
    """Estimate the time left from the arms done so far; during the first arm, from its own steps."""
    gone = max(0.0, time() - (progress.began or time()))
    arms = max(0, progress.of - progress.done)
    if progress.pace:
        return max(0.0, arms * progress.pace - gone)
    share = progress.step / max(progress.steps, 1) if progress.what == TRAINING else 1
    return max(0.0, arms * gone / share - gone) if share > 0.02 else None


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


def write_progress(folder: Path, state: str, **details: Any) -> None:
    """Write ``progress.json``. Raises ExplorerError where a running job can't write."""
    try:
        write_json(folder / PROGRESS, {"state": state, **details})
    except ExplorerError:  # a full disk must not hide what went wrong
        if state == RUNNING:
            raise


def start(study: Study, folder: Path) -> None:
    """Run a job in a process that outlives this one; a job that is at work already is left alone."""
    read_plan(folder)
    if status(folder).active:
        return
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    write_progress(folder, QUEUED)
    with writing(folder / LOG), open(folder / LOG, "ab", opener=no_link) as log:
        subprocess.Popen(
            [sys.executable, "-m", "explorer", "repair", str(study.folder), "--go-on", folder.name],
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


def log_tail(folder: Path, lines: int = 40) -> str:
    """Return the end of what the job printed."""
    try:
        with open_file(folder / LOG, "a log") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            return "\n".join(file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()[-lines:])
    except (ExplorerError, OSError):
        return ""


def run_repair(study: Study, plan: Plan, progress: Progress = silent) -> list[Row]:
    """Save a plan and ``execute`` it. Calling it again with the same plan goes on where it was."""
    return execute(study, save_plan(study, plan), progress)


def execute(study: Study, folder: Path, progress: Progress = silent) -> list[Row]:
    """Train and measure every arm of the plan in a repair's folder, or the rest; returns one row a trained model.

    One job trains at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for a
    job that runs already or can't go on. Whatever happens, what is finished stays, and another call goes on from it.
    """
    plan = read_plan(folder)
    lock = FileLock(folder / LOCK, timeout=2)  # somebody may be looking whether it is free
    try:
        with writing(folder):
            (folder / STOP).unlink(missing_ok=True)
            try:
                lock.acquire()
            except Timeout:
                raise ExplorerError(f"{folder}: this repair is running already.") from None
    except NotImplementedError as error:  # what filelock makes of a file system without locks
        raise ExplorerError(f"{folder}: can't be locked ({error}).") from error
    try:
        with _turn(folder, len(plan.arms)):
            return _Job(study, folder, plan, progress).run()
    except BaseException as error:
        stopped = isinstance(error, Stopped | KeyboardInterrupt)
        sentence = "" if stopped else " ".join(str(error).split())[:500]
        write_progress(folder, STOPPED if stopped else FAILED, error=sentence)
        if isinstance(error, OSError):
            raise ExplorerError(f"{folder}: the repair can't go on ({error.strerror}).") from error
        raise
    finally:
        lock.release()


@contextmanager
def _turn(folder: Path, arms: int) -> Iterator[None]:
    """Wait until no other repair trains on this machine."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    turn = FileLock(cache_folder() / "repair.lock")
    while not turn.is_locked:
        try:
            turn.acquire(timeout=1)
        except Timeout:
            write_progress(folder, QUEUED, of=arms)
            if (folder / STOP).exists():
                raise Stopped("Stopped while it was queued.") from None
    try:
        yield
    finally:
        turn.release()


class _Job:
    """The arms of one plan: ``rows`` of those that are measured, and ``examples`` of their answers."""

    def __init__(self, study: Study, folder: Path, plan: Plan, progress: Progress) -> None:
        self.study, self.folder, self.plan, self.progress = study, folder, plan, progress
        self.checks, self.setting = held_out(study, plan.behavior), read_setting(study, plan)
        self.rows: dict[Arm, Row] = {}
        prompts = [check.prompt for check in self.checks if check.kind == BEHAVIOR][:EXAMPLES]
        self.examples: list[Example] = [{"prompt": prompt, "answers": {}} for prompt in prompts]

    def run(self) -> list[Row]:
        """Train and measure every arm that no ``result.json`` of the study has of the same data and recipe."""
        known, arms = measured(self.study, self.plan.behavior), self.plan.arms
        for arm in arms:
            if (name := self.setting.digest(arm)) in known:
                self._add(arm, *known[name])
        if self.rows:
            self._save()
        seconds: list[float] = []  # of the arms that were trained here
        for arm in arms:
            if arm not in self.rows:
                began, trained = time(), (self.setting.folder(arm) / "adapter").exists()
                self._train_and_measure(arm, began, sum(seconds) / len(seconds) if seconds else None)
                seconds += [] if trained else [time() - began]
        write_progress(self.folder, DONE, done=len(arms), of=len(arms))
        rows = [self.rows[arm] for arm in arms]
        self.progress(verdict(rows, self.plan.by_hand))
        return rows

    def _train_and_measure(self, arm: Arm, began: float, pace: float | None) -> None:
        name, done, total = self.setting.digest(arm), len(self.rows), len(self.plan.arms)
        position = {"arm": arm.arm, "k": arm.k, "seed": arm.seed}
        details = {"done": done, "of": total, "run": name, "began": began, "arm": position, "pace": pace}

        def report(what: str, step: float = 0, steps: float = 0, /) -> None:
            write_progress(self.folder, RUNNING, **details, what=what, step=step, steps=steps)
            if (self.folder / STOP).exists():
                raise Stopped(f"Stopped in training {done + 1} of {total}.")
            self.progress(what, step, steps)

        report(f"{done + 1}/{total}: {arm.arm}, k = {arm.k}, seed {arm.seed} ({name})")
        answers = ask(self.setting, arm, train(self.setting, arm, report), self.checks, report)
        self._add(arm, row(arm.arm, arm.k, arm.seed, counted(self.checks, answers), name), answers)
        self._save()

    def _add(self, arm: Arm, figures: Row, answers: Sequence[str]) -> None:
        self.rows[arm] = replace(figures, arm=arm.arm, k=arm.k, seed=arm.seed)
        for example, answer in zip(self.examples, answers if arm.seed == 0 else (), strict=False):
            example["answers"][f"{arm.arm}-{arm.k}"] = answer

    def _save(self) -> None:
        plan = self.plan
        rows = [self.rows[arm] for arm in plan.arms if arm in self.rows]
        same = {name: getattr(plan, name) for name in ("behavior", "edit", "stage", "ranking", "share", "rows")}
        same |= {"k": max(arm.k for arm in plan.arms), "of": len(plan.arms), "verdict": verdict(rows, plan.by_hand)}
        asked, made_from = digest_of(self.checks, self.study), self.setting.made_from
        result = Result(rows, **same, examples=self.examples, asked=asked, made_from=made_from)
        write_json(self.folder / RESULT, result.to_json())


def repair_json(folder: Path) -> dict[str, Any]:
    """Return the command's JSON: ``result.json`` with the pooled change of each arm and the state."""
    result = read_result(folder)
    lines = [asdict(line) for line in pooled(result.arms if result else [])]
    top = max((line for line in lines if line["arm"] == TOP), key=lambda line: line["k"], default=None)
    values = result.to_json() if result else {}
    return values | {"pooled": lines, "change": top and top["change"], "state": status(folder).state}
