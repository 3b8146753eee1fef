"""The button on every page that shows a case: its report, or this view as a page of one."""

from typing import Any

import streamlit as st

from explorer.errors import count
from explorer.ui import navigation
from explorer.ui.page_states import ReportState
from explorer.ui.report.kept import collect, collected, said
from explorer.ui.report.make import start
from explorer.ui.study import study_folder
from explorer.ui.text import plain

_ABOUT = "Report: gather this case, or collect this view"
_CASE = (
    "A report of the case has its map, graph, guiltiest training data, cluster and repair, as one page or PDF. "
    "A view that is added is drawn again when the report is made."
)


def report_button(page: str) -> None:
    """Draw the button at the top of a page; ``page``: its name. On the Report page itself there is none."""
    if page == navigation.REPORT:
        return
    with st.container(key="report-button", width="content"):
        box = st.popover(_ABOUT, icon=":material/description:", help=_ABOUT, key="report-popover")
    with box, st.container(gap="xsmall"):
        wide: dict[str, Any] = {"width": "stretch"}
        icon, title = ":material/summarize:", navigation.PAGES[page][0]
        st.button(
            "Report of this case", key="report-case", icon=icon, on_click=_go, help="Gather it", type="primary", **wide
        )
        label, icon = f"Add this view ({title}) to the report", ":material/post_add:"
        st.button(
            label, key="report-add", icon=icon, on_click=collect, args=(page,), help="Keep what is on screen", **wide
        )
        label = f"Open the report ({count(len(collected(study_folder()).views), 'page')} collected)"
        st.button(
            label, key="report-open", icon=":material/menu_book:", on_click=_open, help="Order, comment, save", **wide
        )
        st.caption(plain(said()) or _CASE)


def _go() -> None:
    start()
    navigation.go(navigation.REPORT, ReportState())


def _open() -> None:
    navigation.go(navigation.REPORT, ReportState(of="collected"))
