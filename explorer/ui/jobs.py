"""Every long job in one place, the sidebar: repairs, surveys, builds, models that are asked, whoever started them.

They are found by their folders in every study and draft on offer.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

import streamlit as st

from explorer.data.drafts import Draft, drafts_in
from explorer.data.study import open_study
from explorer.errors import ExplorerError
from explorer.jobs import ACTIVE, FAILED, PROGRESS, QUEUED, RUNNING, STOPPED, stop, told_to_stop
from explorer.repair import job as repair_job
from explorer.repair.plan import REPAIRS, read_plan
from explorer.studies.failures import asking_of
from explorer.surveys import job as survey_job
from explorer.surveys.folder import SURVEYS, read_survey
from explorer.surveys.job import WAITING
from explorer.ui import link, navigation
from explorer.ui.builds import begun_builds, made_rows
from explorer.ui.later import stop_work, waiting
from explorer.ui.look_again import look_again
from explorer.ui.page_states import RepairState, StudiesState, SurveyState
from explorer.ui.session import set_study
from explorer.ui.study import studies_folder, study_folders
from explorer.ui.text import duration, one_line, plain, show_error
from explorer.vectors import job as build_job
from explorer.vectors.job import builds_of

EVERY = 3000
"""Milliseconds between two looks how far they are."""
ENDED = 24 * 3600.0
"""Seconds for which a job that was stopped or failed stays in the list."""
_REFUSED, _GO, _FRESH = "jobs-refused", "jobs-go", "jobs-fresh"
_WITH_VERDICTS = (navigation.TRACE, navigation.GRAPH, navigation.COMPARE)


@dataclass(frozen=True)
class Job:
    """A job as the sidebar lists it.

    Attributes:
        folder: its own; None for a verdict, which lies in memory.
        study: the folder of its study; None for a study that is not made yet, and for a verdict.
        kind: repair, survey, build, questions or verdict.
        state: as in ``explorer.jobs``.
        share: how much is done, 0 to 1.
        told: how far it is, in words; why it failed.
        page, link: where it is shown.
        halt: asks it to stop; None where it can't be asked from here.
    """

    folder: Path | None
    study: Path | None
    kind: str
    title: str
    state: str
    share: float
    told: str
    page: str
    link: navigation.PageState
    halt: Callable[[], None] | None

    @property
    def active(self) -> bool:
        """Whether something is at work on it, or it waits for its turn."""
        return self.state in ACTIVE


def find_jobs(studies: list[Path], drafts: Iterable[Draft] = ()) -> list[Job]:
    """Every job of some studies and drafts that is at work, and those that ended early within a day.

    The active ones come first.
    """
    jobs = [job for study in studies for find in (_repairs, _surveys, _builds) for job in find(study)]
    jobs += [job for draft in drafts for job in _questions(draft)]
    return sorted(jobs, key=lambda job: not job.active)


def _told(folder: Path) -> bool:
    """Whether a job's folder may have something to tell: it is locked, or was written within a day."""
    try:
        return abs(time() - (folder / PROGRESS).stat().st_mtime) < ENDED
    except OSError:
        return False


def _repairs(study: Path) -> Iterator[Job]:
    for folder in sorted(path.parent for path in (study / REPAIRS).glob(f"*/{PROGRESS}")):
        with suppress(ExplorerError):
            if _told(folder) and (now := repair_job.status(folder)).state in (*ACTIVE, STOPPED, FAILED):
                told = f"{now.done} of {now.total} trained" if now.total else "not trained yet"
                share = now.done / now.total if now.total else 0.0
                title, state = read_plan(folder).title(), RepairState(repair=folder.name)
                told = _words(folder, now.state, told, now.left, now.error)
                halt = lambda folder=folder: stop(folder)  # noqa: E731
                yield Job(folder, study, "repair", title, now.state, share, told, navigation.REPAIR, state, halt)


def _surveys(study: Path) -> Iterator[Job]:
    for folder in sorted(path.parent for path in (study / SURVEYS).glob(f"*/{PROGRESS}")):
        with suppress(ExplorerError):
            if _told(folder) and (now := survey_job.status(folder)).state in (*ACTIVE, STOPPED, FAILED):
                told = f"{now.what} {now.done:,} of {now.total:,}".strip() if now.total else "not begun"
                share = now.done / now.total if now.total else 0.0
                title, state = read_survey(folder).settings.title, SurveyState(survey=folder.name)
                told = _words(folder, now.state, told, now.left, now.error)
                halt = lambda folder=folder: stop(folder)  # noqa: E731
                yield Job(folder, study, "survey", title, now.state, share, told, navigation.SURVEY, state, halt)


def _questions(draft: Draft) -> Iterator[Job]:
    """A model that is asked for the failures of a study that is not made yet."""
    if (folder := asking_of(draft.place)) is None:
        return
    with suppress(ExplorerError):
        now, title = survey_job.status(folder), f"Asking for {draft.name.strip() or 'a new study'}"
        share = now.done / now.total if now.total else 0.0
        told = f"{now.what} {now.done:,} of {now.total:,}".strip() if now.total else "not begun"
        told = "its answers are there" if now.state == WAITING else _words(folder, now.state, told, now.left, now.error)
        state = StudiesState(new="1", step="failures", draft=draft.place.name)
        halt = lambda folder=folder: stop(folder)  # noqa: E731
        yield Job(folder, None, "questions", title, now.state, share, told, navigation.STUDIES, state, halt)


def _builds(study: Path) -> Iterator[Job]:
    """Builds of this app, and those that a terminal has begun."""
    where = StudiesState(new="1", step="vectors")
    with suppress(ExplorerError):
        opened, shown = open_study(study), set[str]()
        for folder in builds_of(study):
            now = build_job.status(folder)
            if not _told(folder) or now.state not in (*ACTIVE, STOPPED, FAILED):
                continue
            stage = opened.checkpoint(build_job.read_settings(folder).stage)[0]
            shown.add(stage)
            share = now.done / now.total if now.total else 0.0
            told = f"{int(now.done):,} of {int(now.total):,} rows are made" if now.total else now.what or "not begun"
            told, title = _words(folder, now.state, told, now.left, now.error), f"Vectors of {opened.name}, {stage}"
            halt = lambda folder=folder: stop(folder)  # noqa: E731
            yield Job(folder, study, "build", title, now.state, share, told, navigation.STUDIES, where, halt)
        for folder, manifest, running in begun_builds(study):
            if manifest.checkpoint in shown:
                continue
            share = made_rows(manifest) / max(manifest.n, 1)
            told = f"{made_rows(manifest):,} of {manifest.n:,} rows are made"
            title, state = f"Vectors of {opened.name}, {manifest.checkpoint}", RUNNING if running else STOPPED
            told = told + (" in another process" if running else " · stopped")
            yield Job(folder, study, "build", title, state, share, told, navigation.STUDIES, where, None)


@dataclass(frozen=True)
class _Where(navigation.PageState):
    """A link as it was."""

    named: tuple[tuple[str, str], ...] = ()

    def params(self) -> dict[str, str]:
        return dict(self.named)


def find_verdicts() -> list[Job]:
    """The verdicts that this session waits for: other sessions' prompts are theirs."""
    jobs = []
    for key, awaited, wish in waiting():
        state = QUEUED if wish.done is None else RUNNING
        share = (wish.done or 0) / wish.total if wish.total else 0.0
        told = wish.what or ("waiting for its turn" if wish.done is None else "reading the model")
        title, where = f"{awaited.asks} {awaited.about}", _Where(tuple(awaited.params.items()))
        halt = lambda key=key: stop_work(key)  # noqa: E731
        jobs.append(Job(None, None, "verdict", title, state, share, told, awaited.page, where, halt))
    return jobs


def _words(folder: Path, state: str, told: str, left: float | None, error: str) -> str:
    if state == FAILED:
        return f"failed: {error}" if error else "failed"
    if state not in ACTIVE:
        return f"{told} · stopped"
    if told_to_stop(folder):
        return f"{told} · stopping after this step"
    more = f"about {duration(left)} left" if left is not None else "" if state == "running" else state
    return " · ".join(filter(None, [told, more]))


@st.fragment
def _draw() -> None:
    if st.session_state.pop(_GO, False):
        st.rerun()  # a click runs this fragment alone, and another study concerns the whole page
    jobs = find_verdicts() + find_jobs(study_folders(), drafts_in(studies_folder()))
    active = sum(job.active for job in jobs)
    fresh = st.session_state.pop(_FRESH, False)  # the page, drawn after this, may be about to wait for something
    look_again("jobs-look", EVERY if active or fresh else None)
    if refused := st.session_state.pop(_REFUSED, None):
        show_error(refused)
    if not jobs:
        return
    label = f"Jobs: {active} at work" if active else f"Jobs: {len(jobs)} not at work"
    asked_for = any(job.active and job.folder for job in jobs)  # a verdict comes with every picture, and soon goes
    with st.expander(label, icon=":material/manufacturing:", expanded=asked_for, key="jobs"):
        for number, job in enumerate(jobs):
            _draw_job(job, number)


def _draw_job(job: Job, number: int) -> None:
    where = f"{job.kind} in {one_line(job.study.name, 40)}" if job.study else job.kind
    st.markdown(f"**{plain(one_line(job.title, 70))}** · {plain(where)}")
    st.progress(min(job.share, 1.0), plain(one_line(job.told, 140)))
    with st.container(horizontal=True, gap="small"):
        show = {"on_click": _show, "args": (job,), "help": f"Go to this {job.kind}, with its log"}
        st.button("Show", key=f"job-{number}-show", icon=":material/open_in_new:", **show)
        if job.active and job.halt:
            halt = {"on_click": _halt, "args": (job,), "help": "Stops after the step it is in; it can go on from there"}
            st.button("Stop", key=f"job-{number}-stop", icon=":material/stop:", **halt)


def _show(job: Job) -> None:
    if job.study:
        set_study(job.study)
    navigation.go(job.page, job.link)
    st.session_state[_GO] = True


def _halt(job: Job) -> None:
    try:
        if job.halt:
            job.halt()
    except ExplorerError as error:
        st.session_state[_REFUSED] = str(error)


def jobs_box() -> None:
    """Draw the jobs in the sidebar, nothing where there is none; it follows those at work."""
    st.session_state[_FRESH] = link.session_key("").removesuffix("-") in _WITH_VERDICTS
    with st.sidebar:
        _draw()
