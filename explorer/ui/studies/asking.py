"""Asking the model of a draft for its failures: a job behind the page, whose wrong answers join the draft's list."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data.drafts import Draft
from explorer.errors import ExplorerError
from explorer.jobs import FAILED, STARTING, log_tail, stop, told_to_stop
from explorer.studies.failures import asked_failures, asking_of, forget_asking, prepare_asking
from explorer.surveys.folder import read_survey
from explorer.surveys.job import WAITING, start, status
from explorer.ui.look_again import look_again
from explorer.ui.studies.draft import model_after, require_fetchable, uploaded_file
from explorer.ui.studies.said import attempt, say
from explorer.ui.text import duration, plain, show_error

EVERY = 1500
"""Milliseconds between two looks how far it is."""
STOP_HELP = "Stops after the prompt it is at; answers that are given are asked for again"
_BUSY = "The model is being asked already; stop that first, or wait for it."


def ask_model(of: Draft, file: tuple[str, bytes], behavior: str) -> None:
    """Begin to ask the last of the draft's models.

    Args:
        file: (name, content) of a table or an evaluation's log.
        behavior: name of the behavior of rows without a category.

    Raises ExplorerError for a file that has nothing to ask, and while the model is being asked.
    """
    require_not_asking(of)
    forget(of)
    require_fetchable(of)
    with uploaded_file(file) as path:
        folder = prepare_asking(path, model_after(of), of.place, of.template == "raw")
    of.asked_as = behavior
    of.save()  # the job lies in its folder
    start(folder)


def require_not_asking(of: Draft) -> None:
    """Raise ExplorerError while the model is being asked."""
    if (folder := asking_of(of.place)) and status(folder).active:
        raise ExplorerError(_BUSY)


def forget(of: Draft) -> None:
    """Delete the job, if there is one. Raises ExplorerError while it is at work."""
    if folder := asking_of(of.place):
        forget_asking(folder)


def show_asking(of: Draft) -> None:
    """Draw how far the model is asked, with a way to stop it; once it is, its wrong answers are in the list."""
    if folder := asking_of(of.place):
        _watch(of, folder)


@st.fragment
def _watch(of: Draft, folder: Path) -> None:
    try:
        now = status(folder)
    except ExplorerError as error:
        show_error(error)
        _over(of, folder, FAILED)
        return
    look_again("studies-asking-look", EVERY if now.active else None)
    if now.state == WAITING:
        attempt(_take, of, folder)
        st.rerun()
    if not now.active:
        if now.state == FAILED:
            show_error(now.error or "Asking the model failed; see the log.")
        _over(of, folder, now.state)
        return
    what = "Reading the model" if now.state == STARTING else now.what or "Waiting for its turn"
    text = f"{what}: {now.done:,} of {now.total:,}" if now.total else what
    text += f" · about {duration(now.left)} left" if now.left else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(min(now.done / now.total, 1.0) if now.total else 0.0, plain(text))
        halt: dict[str, Any] = {"icon": ":material/stop:", "disabled": told_to_stop(folder), "help": STOP_HELP}
        st.button("Stop", key="studies-ask-stop", on_click=attempt, args=(stop, folder), **halt)


def _over(of: Draft, folder: Path, state: str) -> None:
    """A job that was stopped or failed: go on, or leave it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Asking the model: {state}.", width="content")
        again = {"on_click": attempt, "args": (start, folder), "help": "Ask again"}
        st.button("Go on", key="studies-ask-on", icon=":material/play_arrow:", **again)
        leave = {"on_click": attempt, "args": (forget, of), "help": "Leave it", "type": "tertiary"}
        st.button("Leave it", key="studies-ask-leave", icon=":material/close:", **leave)
    if state == FAILED and (text := log_tail(folder)):
        with st.expander("Log", icon=":material/article:"):
            st.code(text, language=None, height=160)


def _take(of: Draft, folder: Path) -> None:
    """Add what the model got wrong to the list, and put the job away."""
    found = asked_failures(read_survey(folder), of.asked_as)
    of.entries += found.entries
    of.save()
    forget_asking(folder)
    say(f"Added: {' · '.join(found.lines())}")
