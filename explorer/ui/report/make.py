"""Making a report on its page: a bar with a way out, then the files to save and what was left out."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec
from explorer.reports.blocks import FILES, Report, Section
from explorer.reports.collection import View
from explorer.reports.gather import Part, assemble
from explorer.ui.caching import study_version
from explorer.ui.progress_bar import progress_bar
from explorer.ui.report.gather import parts_of, view_model
from explorer.ui.study import current_study
from explorer.ui.text import plain, show_error

_MAKING, _MADE = "report-making", "report-made"
"""Session keys: whether one is to be made; the last one with what it was made of."""
_MAKE = "What is known already is taken as it is; the rest is computed now"
_STOP = "What was computed is kept, and is there the next time"


def start() -> None:
    """Make the report with the next run of its page; for callbacks."""
    st.session_state[_MAKING] = True


def _again() -> None:
    st.session_state.pop(_MADE, None)
    start()


def stop() -> None:
    """Make none."""
    st.session_state[_MAKING] = False


def make_box(title: str, views: Sequence[View], judge: bool) -> Report | None:
    """Draw the button that makes the report of some views, how far it is, or its files; return it once it is made.

    Args:
        judge: also compute the verdicts that are not known yet.
    """
    study = current_study().study
    wanted = (study_version(study), title, tuple((view.key, view.comment) for view in views), judge)
    made = st.session_state.get(_MADE)
    ready = made[1] if made and made[0] == wanted else None
    if views and st.session_state.get(_MAKING) and ready is None:
        st.button("Stop", key="report-stop", icon=":material/close:", on_click=stop, help=_STOP)
        if (ready := _made(title, views, judge)) is not None:
            st.session_state[_MADE] = wanted, ready
        stop()
        st.rerun()
    stop()
    if ready is None:
        icon = ":material/summarize:"
        button: dict[str, Any] = {
            "key": "report-make",
            "type": "primary",
            "on_click": start,
            "disabled": not views,
            "help": _MAKE,
        }
        st.button("Make the report", icon=icon, **button)
    else:
        _files(ready, study.folder)
    return ready


def _made(title: str, views: Sequence[View], judge: bool) -> Report | None:
    """Make the report with a bar; None, and a sentence, where not even its study can be read."""
    place = st.empty()  # what a part draws while it is made goes with the bar
    with place.container(), progress_bar("Making the report") as progress:
        try:
            parts = [part for view in views for part in _parts(view, judge)]
            models = list(dict.fromkeys(spec for view in views for spec in _model(view)))
            report = assemble(title, parts, current_study().study, models, progress)
        except ExplorerError as error:
            show_error(error)
            return None
    place.empty()
    return report


def _parts(view: View, judge: bool) -> list[Part]:
    try:
        return parts_of(view, judge)
    except ExplorerError as error:
        return [(view.page[:40], partial(_refuse, error))]


def _refuse(error: ExplorerError) -> Section:
    raise error


def _model(view: View) -> list[ModelSpec]:
    try:
        return [view_model(view)]
    except ExplorerError:
        return []


def _files(report: Report, study: Path) -> None:
    """Draw the buttons for the files, and what is left out of them."""
    name = re.sub(r"[^\w-]+", "-", f"report-{study.name}")[:60]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for kind, mime in FILES.items():
            file, key = f"{name}.{kind}", f"report-{kind}"
            settings: dict[str, Any] = {
                "key": key,
                "on_click": "ignore",
                "icon": ":material/download:",
                "type": "primary",
            }
            st.download_button(
                f"Save {kind.upper()}", partial(report.file, kind), file, mime, help=f"Save {file}", **settings
            )
        st.button("Make it again", key="report-again", icon=":material/refresh:", on_click=_again, help=_MAKE)
    if report.missing:
        lines = [f"- {plain(missing.title)}: {plain(missing.why)}" for missing in report.missing]
        st.markdown("\n".join(["**Left out**", "", *lines]))


def show_contents(report: Report) -> None:
    """Draw what a report says, a sentence a part."""
    for section in report.sections:
        st.markdown(f"**{plain(section.title)}**  \n{plain(section.lead)}")
