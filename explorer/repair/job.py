"""A repair as a job: trains and measures one arm after the other; can be stopped, killed and resumed.

All of it lies in files, so that a job outlives the page that started it: ``plan.json`` (what to do), ``result.json``
(what is done), ``progress.json`` (where it is), ``log.txt``, and the lock that a living job holds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

from filelock import FileLock, Timeout

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.model.embedded import cache_folder
from explorer.progress import Progress, Stopped, silent
from explorer.repair.arms import ask, train
from explorer.repair.checks import BEHAVIOR, Check, counted, digest_of, held_out
from explorer.repair.plan import TOP, Arm, Plan, read_plan, repair_folders, save_plan
from explorer.repair.results import RESULT, Result, Row, read_result, row
from explorer.repair.setting import Setting, read_setting
from explorer.repair.status import DONE, FAILED, LOCK, QUEUED, RUNNING, STOP, STOPPED, status, write_progress
from explorer.repair.verdict import pooled, verdict

EXAMPLES = 12
"""Held-out prompts whose answers stand in ``result.json``."""


def run_repair(study: Study, plan: Plan, progress: Progress = silent) -> list[Row]:
    """Save a plan and do it: train and measure every arm. Returns one row a trained model.

    Calling it again with the same plan goes on where it was. Raises as ``execute`` does.
    """
    return execute(study, save_plan(study, plan), progress)


def execute(study: Study, folder: Path, progress: Progress = silent) -> list[Row]:
    """Carry out the plan in a repair's folder, or the rest of it; returns the rows of ``result.json``.

    One job trains at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for a
    job that runs already or can't go on. Whatever happens, what is finished stays, and another call goes on from it.
    """
    plan = read_plan(folder)
    (folder / STOP).unlink(missing_ok=True)
    lock = FileLock(folder / LOCK, timeout=2)  # somebody may be looking whether it is free
    try:
        lock.acquire()
    except Timeout:
        raise ExplorerError(f"{folder}: this repair is running already.") from None
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
        self.checks: list[Check] = held_out(study, plan.behavior)
        self.setting: Setting = read_setting(study, plan)
        self.rows: dict[Arm, Row] = {}
        prompts = [check.prompt for check in self.checks if check.kind == BEHAVIOR][:EXAMPLES]
        self.examples: list[dict[str, Any]] = [{"prompt": prompt, "answers": {}} for prompt in prompts]

    def run(self) -> list[Row]:
        """Train and measure every arm that no ``result.json`` of the study has of the same data and recipe."""
        known = measured(self.study, self.plan.behavior)
        for arm in self.plan.arms:
            if (name := self.setting.digest(arm)) in known:
                self._add(arm, *known[name])
        if self.rows:
            self._save()
        seconds: list[float] = []  # of the arms that were trained here
        for arm in self.plan.arms:
            if arm not in self.rows:
                began, trained = time(), (self.setting.folder(arm) / "adapter").exists()
                self._train_and_measure(arm, began, sum(seconds) / len(seconds) if seconds else None)
                seconds += [] if trained else [time() - began]
        total = len(self.plan.arms)
        write_progress(self.folder, DONE, done=total, of=total)
        rows = [self.rows[arm] for arm in self.plan.arms]
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
        result = Result(
            rows,
            **same,
            k=max(arm.k for arm in plan.arms),
            of=len(plan.arms),
            verdict=verdict(rows, plan.by_hand),
            examples=self.examples,
            asked=digest_of(self.checks),
            made_from=self.setting.made_from,
        )
        write_json(self.folder / RESULT, result.to_json())


def measured(study: Study, behavior: str) -> dict[str, tuple[Row, list[str]]]:
    """Return (figures, answers to the examples) by run, from all repairs of a behavior with the same checks.

    The answers are empty where they were not kept: of seeds after the first.
    """
    asked = digest_of(held_out(study, behavior))
    runs: dict[str, tuple[Row, list[str]]] = {}
    for folder in repair_folders(study):
        try:
            result = read_result(folder)
        except ExplorerError:
            continue  # it is named where it is looked at
        if not result or (result.behavior, result.asked) != (behavior, asked):
            continue
        for r in result.arms:
            answers = [example["answers"].get(f"{r.arm}-{r.k}", "") for example in result.examples]
            runs[r.run] = (r, answers if r.seed == 0 else [])
    return runs


def repair_json(folder: Path) -> dict[str, Any]:
    """Return the command's JSON: ``result.json`` with the pooled change of each arm and the state."""
    result = read_result(folder)
    lines = [line.to_json() for line in pooled(result.arms if result else [])]
    top = max((line for line in lines if line["arm"] == TOP), key=lambda line: line["k"], default=None)
    change = top and top["change"]
    return {**(result.to_json() if result else {}), "pooled": lines, "change": change, "state": status(folder).state}
