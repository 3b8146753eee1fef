"""A repair as a job: trains and measures one arm after the other; can be stopped, killed and resumed.

Its folder holds ``plan.json`` (what to do), ``result.json`` (what is done), and the files of every job (see
``explorer.jobs``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time
from typing import Any, Literal

from explorer.data.study import Study
from explorer.files import write_json
from explorer.jobs import (
    ACTIVE,
    DONE,
    NEW,
    RUNNING,
    at_work,
    read_progress,
    start_process,
    told_to_stop,
    true_state,
    turn,
    write_progress,
)
from explorer.model.embedded import cache_folder
from explorer.progress import Progress, Stopped, silent
from explorer.repair.arms import TRAINING, ask, read_setting, train
from explorer.repair.checks import BEHAVIOR, counted, digest_of, held_out
from explorer.repair.plan import NONE, TOP, Arm, Plan, read_plan, save_plan
from explorer.repair.results import RESULT, Example, Result, Row, measured, pooled, read_result, row, too_rare, verdict

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
        return self.state in ACTIVE


def status(folder: Path) -> Status:
    """Read how far the job of a repair is. Raises ExplorerError for a broken result."""
    progress = read_progress(folder, _Progress)
    state = true_state(folder, progress.state)
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


def _seconds_left(progress: _Progress) -> float | None:
    """Estimate the time left from the arms done so far; during the first arm, from its own steps."""
    gone = max(0.0, time() - (progress.began or time()))
    arms = max(0, progress.of - progress.done)
    if progress.pace:
        return max(0.0, arms * progress.pace - gone)
    share = progress.step / max(progress.steps, 1) if progress.what == TRAINING else 1
    return max(0.0, arms * gone / share - gone) if share > 0.02 else None


def start(study: Study, folder: Path) -> None:
    """Run a job in a process that outlives this one; a job that is at work already is left alone."""
    read_plan(folder)
    if not status(folder).active:
        start_process(folder, ["repair", str(study.folder), "--go-on", folder.name])


def run_repair(study: Study, plan: Plan, progress: Progress = silent) -> list[Row]:
    """Save a plan and ``execute`` it. Calling it again with the same plan goes on where it was."""
    return execute(study, save_plan(study, plan), progress)


def execute(study: Study, folder: Path, progress: Progress = silent) -> list[Row]:
    """Train and measure every arm of the plan in a repair's folder, or the rest; returns one row a trained model.

    One job trains at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for a
    job that runs already or can't go on. Whatever happens, what is finished stays, and another call goes on from it.
    """
    plan = read_plan(folder)
    with at_work(folder, "repair"), turn(folder, cache_folder() / "repair.lock", progress, of=len(plan.arms)):
        return _Job(study, folder, plan, progress).run()


class _Job:
    """The arms of one plan: ``rows`` of those that are measured, and ``examples`` of their answers."""

    def __init__(self, study: Study, folder: Path, plan: Plan, progress: Progress) -> None:
        self.study, self.folder, self.plan, self.progress = study, folder, plan, progress
        self.checks, self.setting = held_out(study, plan.behavior), read_setting(study, plan)
        self.rows: dict[Arm, Row] = {}
        prompts = [check.prompt for check in self.checks if check.kind == BEHAVIOR][:EXAMPLES]
        self.examples: list[Example] = [{"prompt": prompt, "answers": {}} for prompt in prompts]

    def run(self) -> list[Row]:
        """Train and measure every arm that no ``result.json`` of the study has of the same data and recipe.

        Ends early where the unedited model hardly shows the behavior, as no edit could be told from it.
        """
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
            if too_rare([row for arm, row in self.rows.items() if arm.arm == NONE]):
                break
        rows = [self.rows[arm] for arm in arms if arm in self.rows]
        if len(rows) < len(arms):
            self._save(of=len(rows))
        write_progress(self.folder, DONE, done=len(rows), of=len(rows))
        self.progress(verdict(rows, self.plan.by_hand))
        return rows

    def _train_and_measure(self, arm: Arm, began: float, pace: float | None) -> None:
        name, done, total = self.setting.digest(arm), len(self.rows), len(self.plan.arms)
        position = {"arm": arm.arm, "k": arm.k, "seed": arm.seed}
        details = {"done": done, "of": total, "run": name, "began": began, "arm": position, "pace": pace}

        def report(what: str, step: float = 0, steps: float = 0, /) -> None:
            write_progress(self.folder, RUNNING, **details, what=what, step=step, steps=steps)
            if told_to_stop(self.folder):
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

    def _save(self, of: int | None = None) -> None:
        """Write ``result.json``; ``of``: how many arms there will be, by default those of the plan."""
        plan = self.plan
        rows = [self.rows[arm] for arm in plan.arms if arm in self.rows]
        same = {name: getattr(plan, name) for name in ("behavior", "edit", "stage", "ranking", "share", "rows")}
        same |= {
            "k": max(arm.k for arm in plan.arms),
            "of": of or len(plan.arms),
            "verdict": verdict(rows, plan.by_hand),
        }
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
