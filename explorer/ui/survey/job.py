"""The run of a survey as the page follows it: how far it is, stopping it, going on."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.labels import printable
from explorer.jobs import DONE, FAILED, NEW, QUEUED, STARTING, log_tail, stop, told_to_stop
from explorer.surveys.folder import Survey
from explorer.surveys.job import WAITING, JobStatus, start, status
from explorer.ui import link
from explorer.ui.look_again import look_again
from explorer.ui.places import Place, allow, is_allowed, places_of
from explorer.ui.survey.open_case import REFUSED
from explorer.ui.text import duration, plain, show_error

EVERY = 1500
"""Milliseconds between two looks how far it is."""


def show_refusal() -> None:
    """Say why what was asked for in the last run could not be done."""
    if refused := st.session_state.pop(REFUSED, None):
        show_error(refused)


def begin(survey: Survey) -> None:
    """Start or resume a survey; the next run says why it can't be."""
    try:
        allow(not_allowed(survey))  # it was pressed beside their names
        start(survey.folder)
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)


def not_allowed(survey: Survey) -> list[Place]:
    """Return what of a survey's models has not been allowed in this session."""
    places = dict.fromkeys(place for _, spec in survey.settings.models for place in places_of(spec))
    return [place for place in places if not is_allowed(place)]


def _stop(folder: Path) -> None:
    try:
        stop(folder)
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)


def show_state(survey: Survey, now: JobStatus) -> None:
    """Draw nothing for a survey that is done or waits for people; else where it is, with a way to stop or go on."""
    if now.active:
        _watch(survey.folder, (now.state, now.done))
    elif now.state not in (DONE, WAITING):
        _show_rest(survey, now)


def _show_rest(survey: Survey, now: JobStatus) -> None:
    asked = not_allowed(survey)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if now.state == FAILED:
            show_error(f"It failed: {now.error or 'see the log below.'}")
        else:
            word = "Not started" if now.state == NEW else now.state.capitalize()
            figures = f"{len(survey.rows):,} of {len(survey.cases):,} failures are measured"
            st.markdown(f"**{word}.** {figures}; it goes on where it was.", width="stretch")
        label = "Start" if now.state == NEW else "Resume"
        about = "What is measured already is kept"
        settings: dict[str, Any] = {
            "type": "primary",
            "key": "survey-resume",
            "icon": ":material/play_arrow:",
            "help": about,
        }
        st.button(label, on_click=begin, args=(survey,), **settings)
    if asked:
        st.caption("It reads models that have not been allowed in this session; start it only if you expected them:")
        st.code("\n".join(printable(place.name) for place in asked), language=None, wrap_lines=True)
    if text := log_tail(survey.folder):
        log = link.expander("Log", "log", icon=":material/article:")
        if log.open:
            log.code(text, language=None, height=260)


@st.fragment
def _watch(folder: Path, seen: tuple[str, int]) -> None:
    """Draw the bar; the whole page is drawn anew when more is measured or the run is over."""
    try:
        now = status(folder)
    except ExplorerError:  # it is being looked at while it breaks; the page says so
        st.rerun()
    if (now.state, now.done) != seen:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(min(now.done / now.total, 1.0) if now.total else 0.0, _sentence(now))
        about = "Stops after this failure. What is measured is kept, and Resume goes on from there."
        off = told_to_stop(folder)
        st.button(
            "Stop", icon=":material/stop:", key="survey-stop", disabled=off, on_click=_stop, args=(folder,), help=about
        )
    look_again("survey-look", EVERY)


def _sentence(now: JobStatus) -> str:
    if now.state == STARTING:
        return "Starting: reading the model"
    if now.state == QUEUED:
        return "Queued: another job is running; this one begins when that is done"
    sentence = f"{plain(now.what) or 'Measuring'}: {now.done:,} of {now.total:,}"
    return sentence if now.left is None else f"{sentence} · about {duration(now.left)} left"
