"""Making a study in four steps, each with a preview and a way back."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ui import link
from explorer.ui.studies.data_step import data_step
from explorer.ui.studies.draft import draft, forget_draft, keep_draft, leave_draft
from explorer.ui.studies.failures_step import failures_step
from explorer.ui.studies.model_step import model_step
from explorer.ui.studies.said import attempt
from explorer.ui.studies.vectors_step import vectors_step
from explorer.ui.text import show_error

STEPS = {"model": "1 · Model", "data": "2 · Data", "failures": "3 · Behaviors and failures", "vectors": "4 · Vectors"}
_HELP = "The steps of a new study; what was typed is kept, also when the browser is closed."


def show_wizard() -> None:
    """Draw the step that the link names."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("### New study", width="content")
        st.button(
            "All studies",
            key="studies-leave",
            icon=":material/arrow_back:",
            on_click=_leave,
            help="The draft is kept, and listed there",
        )
    step = link.segmented("Step", "step", STEPS, "model", help=_HELP)
    try:
        draft()
    except ExplorerError as error:
        show_error(error)
        st.button("Begin a new one", key="studies-begin", on_click=leave_draft, help="An empty draft")
        return
    try:
        ready = {"model": model_step, "data": data_step, "failures": failures_step, "vectors": vectors_step}[step]()
    except ExplorerError as error:
        show_error(error)
        ready = False
    finally:  # whatever ends the run, such as a click on the way
        _keep()
    _ways(step, ready)


def _keep() -> None:
    try:
        keep_draft()
    except ExplorerError as error:
        show_error(f"What was typed can't be kept: {error}")


def _ways(step: str, ready: bool) -> None:
    """The way back, and the way on where this step is complete."""
    names = list(STEPS)
    at = names.index(step)
    with st.container(horizontal=True, gap="small"):
        if 0 < at < 3:
            back = {"on_click": lambda: link.put(step=names[at - 1]), "help": "Nothing that was typed is lost"}
            st.button("Back", key="studies-back", icon=":material/arrow_back:", **back)
        if at < 2:
            on = {"on_click": lambda: link.put(step=names[at + 1]), "disabled": not ready, "type": "primary"}
            help = "The next step" if ready else "This step is not complete"
            st.button(f"Next: {STEPS[names[at + 1]][4:]}", key="studies-next", help=help, **on)
        if at < 3 and not draft().is_empty:
            with st.popover("Throw this draft away", type="tertiary", help="Forget all that was typed"):
                st.markdown("Throw away what was typed and uploaded here?")
                away = {"on_click": attempt, "args": (_anew,), "type": "primary", "help": "There is no way back"}
                st.button("Throw it away", key="studies-anew", **away)


def _leave() -> None:
    leave_draft()
    link.put(new=None, step=None)


def _anew() -> None:
    forget_draft()
    link.put(step=None)
