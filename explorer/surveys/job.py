"""A survey as a job: contrasts are found, then every case is measured; can be stopped, killed and resumed.

What is done lies in the survey's own files, a line a case; the files of every job lie beside them (``explorer.jobs``).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Literal

from explorer.errors import ExplorerError, count
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
from explorer.model.load import load_model
from explorer.progress import Pace, Progress, Stopped, silent
from explorer.surveys.contrasts import answered, each_contrasted
from explorer.surveys.folder import Case, Row, Survey, add_row, read_survey, write_cases, write_settings
from explorer.surveys.measure import measure

WAITING = "waiting"
"""State of a survey whose contrasts are found and not confirmed yet."""
FINDING, MEASURING = "Finding what to contrast", "Measuring"
_LOOK = 1.0
"""Seconds between two looks whether to stop."""
_KEPT = 10
"""Contrasts that a kill may cost."""


@dataclass(frozen=True)
class JobStatus:
    """How far a survey is: ``done`` of ``total`` cases of ``what``.

    Attributes:
        state: new, starting, queued, running, waiting (for its contrasts to be confirmed), stopped, failed or done.
        left: seconds left, judged by what was done so far; None where nothing was.
    """

    state: str
    what: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether a process is at work on it, or waits for its turn."""
        return self.state in ACTIVE


@dataclass(frozen=True)
class _Progress:
    """``progress.json``."""

    state: Literal["new", "starting", "queued", "running", "stopped", "failed", "done", "waiting"] = NEW
    what: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None
    error: str = ""


def status(folder: Path) -> JobStatus:
    """Read how far a survey is. Raises ExplorerError for a broken one."""
    written = read_progress(folder, _Progress)
    state = true_state(folder, written.state)
    if state not in ACTIVE:
        survey = read_survey(folder)  # after the lock: a job that ends right now is done
        if survey.settings.confirmed:
            state = DONE if not missing(survey) else NEW if state == WAITING else state
            return JobStatus(state, written.what, len(survey.rows), len(survey.cases), error=written.error)
        if not unfound(survey):
            return JobStatus(WAITING, total=len(survey.cases))
    return JobStatus(state, written.what, written.done, written.total, written.left, written.error)


def unfound(survey: Survey) -> list[Case]:
    """Cases whose contrast has not been looked for yet."""
    return [case for case in survey.cases.values() if not case.right and case.id not in survey.rows]


def missing(survey: Survey) -> list[Case]:
    """Cases that are not measured yet."""
    return [case for case in survey.cases.values() if case.id not in survey.rows]


def confirm(folder: Path) -> None:
    """Say that the contrasts are as they should be, so that they can be measured."""
    write_settings(folder, replace(read_survey(folder).settings, confirmed=True))


def start(folder: Path) -> None:
    """Run a survey in a process that outlives this one; one that is at work already is left alone."""
    if not status(folder).active:
        start_process(folder, ["survey", "--go-on", str(folder.resolve())])


def execute(folder: Path, progress: Progress = silent) -> Survey:
    """Find the contrasts that are missing; if they are confirmed, measure every case that is not measured yet.

    One survey runs at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for one
    that runs already. Whatever happens, what is finished stays, and another call goes on from it.
    """
    with at_work(folder, "survey"), turn(folder, cache_folder() / "survey.lock", progress):
        report = _Report(folder, progress)
        _find(folder, report)
        survey = read_survey(folder)
        if survey.settings.confirmed:
            _measure(survey, report)
        write_progress(folder, DONE if survey.settings.confirmed else WAITING, total=len(survey.cases))
    return read_survey(folder)


class _Report:
    """Progress of a job, to its file and to who watches; ends the work where somebody asked it to stop."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._now, self._pace, self._looked = ("", 0, 0), Pace(), -_LOOK

    def at(self, what: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` cases are done."""
        self._now, left = (what, done, total), self._pace.left(what, done, total)
        left = left and round(left, 1)
        write_progress(self._folder, RUNNING, what=what, done=done, total=total, left=left)
        self._progress(what, done, total)
        self.look()

    def look(self, what: str = "", done: float = 0, total: float = 0, /) -> None:
        """Progress of one case: only a look whether to stop."""
        now = monotonic()
        if now - self._looked >= _LOOK:
            self._looked = now
            if told_to_stop(self._folder):
                raise Stopped(f"Stopped at case {self._now[1] + 1} of {self._now[2]}.")
            if what:
                self._progress(what, done, total)


def _find(folder: Path, report: _Report) -> None:
    """Ask the model what no log says, and find what to contrast; where that fails, the row of the case says why."""
    survey = read_survey(folder)
    if not unfound(survey):
        return
    report.at(FINDING, 0, len(survey.cases))
    loaded = load_model(survey.settings.spec, report.look)
    cases = answered([*survey.cases.values()], loaded, report.look)
    if passed := len(survey.cases) - len(cases):
        if not cases:
            raise ExplorerError("The model answers every prompt rightly; there is no failure to survey.")
        about = survey.settings.log
        said = f"The model answers {count(passed, 'prompt')} rightly; left out."
        write_settings(folder, replace(survey.settings, log=replace(about, problems=(*about.problems, said))))
    write_cases(folder, cases)
    looked = [number for number, case in enumerate(cases) if not case.right and case.id not in survey.rows]
    found = each_contrasted([cases[number] for number in looked], loaded)
    for number, contrast in zip(looked, found, strict=True):
        if isinstance(contrast, Case):
            cases[number] = contrast
        else:
            add_row(folder, Row(cases[number].id, error=str(contrast)))
        report.at(FINDING, number + 1, len(cases))
        if number % _KEPT == 0:
            write_cases(folder, cases)
    write_cases(folder, cases)


def _measure(survey: Survey, report: _Report) -> None:
    settings, todo = survey.settings, missing(survey)
    done = len(survey.cases) - len(todo)
    models = {name: load_model(spec, report.look) for name, spec in settings.models} if todo else {}
    for number, case in enumerate(todo):
        report.at(MEASURING, done + number, len(survey.cases))
        row = measure(case, models, rule=settings.rule, judge_maps=settings.judged, progress=report.look)
        add_row(survey.folder, row)
