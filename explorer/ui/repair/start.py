"""What follows a set-up: how long it takes, the button that starts it, and starting what was stopped."""

from pathlib import Path

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.estimate import estimate
from explorer.repair.plan import REPAIRS, Plan, save_plan
from explorer.repair.job import DONE, NEW, start, status
from explorer.ui import link
from explorer.ui.caching import HASHES
from explorer.ui.text import duration, show_error

_REFUSED, _TIMED = "repair-refused", "repair-timed"


def start_job(study: Study, folder: Path) -> None:
    """Start or resume a job, for callbacks; why it can't be is shown by ``show_refusal`` in the next run."""
    try:
        start(study, folder)
    except (ExplorerError, OSError) as error:
        st.session_state[_REFUSED] = str(error)


def show_refusal() -> None:
    """Show why the last job could not be started."""
    if refused := st.session_state.pop(_REFUSED, None):
        show_error(refused)


def show_start(study: Study, plan: Plan) -> None:
    """Draw the button that starts a plan, or leads to the repair that is there already."""
    folder = study.folder / REPAIRS / plan.name
    now = status(folder)
    if now.active or now.state == DONE:
        st.caption("This repair is done already." if now.state == DONE else "This repair is at work already.")
        label, icon = "Show it", ":material/visibility:"
    else:
        label, icon = "Start" if now.state == NEW else "Go on", ":material/play_arrow:"
    st.button(
        label, type="primary", key="start", width="stretch", icon=icon, on_click=lambda: _start_and_show(study, plan)
    )
    show_refusal()
    if label != "Show it":
        st.caption("It trains in the background, and goes on when this page or the app is closed.")


def _start_and_show(study: Study, plan: Plan) -> None:
    try:
        folder = save_plan(study, plan)
    except ExplorerError as error:
        st.session_state[_REFUSED] = str(error)
        return
    if status(folder).state != DONE:
        start_job(study, folder)
    if _REFUSED not in st.session_state:
        link.put(repair=plan.name)


def show_time(study: Study, plan: Plan) -> None:
    """Say how long a plan takes here: measured on demand, once for each kind of training."""
    timed = st.session_state.setdefault(_TIMED, set())
    key = (str(study.folder), plan.stage, plan.share)
    if key not in timed:
        st.button(
            "Estimate the time",
            icon=":material/timer:",
            key="estimate",
            on_click=lambda: timed.add(key),
            help="Times a step of the training and a few answers on this machine: some 10 seconds.",
        )
        return
    try:
        with st.spinner("Timing a step of the training and a few answers", show_time=True):
            seconds = _seconds(study, plan)
    except (ExplorerError, OSError, RuntimeError) as error:
        timed.discard(key)
        show_error(f"The time can't be estimated: {error}")
        return
    if seconds:
        st.markdown(f"About **{duration(seconds)}** on this machine, as busy as it is now.")


@st.cache_data(ttl=60, max_entries=32, show_spinner=False, hash_funcs=HASHES)
def _seconds(study: Study, plan: Plan) -> float:
    return estimate(study, plan)
