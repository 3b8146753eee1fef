"""The pages: their names, titles and icons, and the ways from one to another."""

from collections.abc import Mapping

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from explorer.files import beside_code
from explorer.ui import link
from explorer.ui.link import PageState

TRACE, GRAPH, COMPARE, SURVEY = "trace", "graph", "compare", "survey"
TRAINING_DATA, BEHAVIORS, REPAIR, STUDIES = "training_data", "behaviors", "repair", "studies"
REPORT = "report"
PAGES = {
    TRACE: ("Trace", ":material/ink_highlighter:"),
    GRAPH: ("Graph", ":material/account_tree:"),
    COMPARE: ("Compare", ":material/compare_arrows:"),
    SURVEY: ("Survey", ":material/checklist:"),
    TRAINING_DATA: ("Training data", ":material/dataset:"),
    BEHAVIORS: ("Behaviors", ":material/hub:"),
    REPAIR: ("Repair", ":material/build:"),
    REPORT: ("Report", ":material/description:"),
    STUDIES: ("Studies", ":material/folder_copy:"),
}
"""Name of the file in ``pages/`` → title and icon."""
_NEXT = "navigation-next"


def page(name: str) -> StreamlitPage:
    """Return a page for ``st.navigation``; its path is absolute, as the main script stands elsewhere."""
    title, icon = PAGES[name]
    return st.Page(beside_code("pages") / f"{name}.py", title=title, icon=icon, default=name == TRACE)


def menu() -> tuple[str, StreamlitPage]:
    """Draw the menu; returns the name and the page of this run."""
    pages = {name: page(name) for name in PAGES}
    current = st.navigation(list(pages.values()))
    return next(name for name, (title, _) in PAGES.items() if title == current.title), current


def follow() -> None:
    """Go where a callback of the last run asked to (``go``)."""
    if destination := st.session_state.pop(_NEXT, None):
        name, params = destination
        st.switch_page(page(name), query_params=params)


def page_link(name: str, label: str = "", state: PageState | None = None, help: str | None = None) -> None:
    """Draw a link to a page; ``state``: what it shall say besides the study and the case, which travel along."""
    title, icon = PAGES[name]
    params = state.params() if state else None
    st.page_link(page(name), label=label or title, icon=icon, help=help, query_params=params)


def go(name: str, state: PageState | None = None) -> None:
    """Go to a page with the next run; for callbacks, which can't change the page themselves."""
    st.session_state[_NEXT] = name, state.params() if state else None


def show(name: str, query: Mapping[str, str]) -> None:
    """Go to a page with the next run, at a link of this study; for callbacks."""
    study = {"study": link.get("study")} if link.has("study") else {}
    st.session_state[_NEXT] = name, {**query, **study}
