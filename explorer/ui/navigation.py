"""The pages: their names, titles and icons, and the ways from one to another."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

TRACE, GRAPH, COMPARE = "trace", "graph", "compare"
TRAINING_DATA, BEHAVIORS, REPAIR = "training_data", "behaviors", "repair"
PAGES = {
    TRACE: ("Trace", ":material/ink_highlighter:"),
    GRAPH: ("Graph", ":material/account_tree:"),
    COMPARE: ("Compare", ":material/compare_arrows:"),
    TRAINING_DATA: ("Training data", ":material/dataset:"),
    BEHAVIORS: ("Behaviors", ":material/hub:"),
    REPAIR: ("Repair", ":material/build:"),
}
"""Name of the file in ``pages/`` → title and icon."""
_FOLDER = Path(__file__).parents[2] / "pages"
_NEXT = "navigation-next"


def page(name: str) -> StreamlitPage:
    """Return a page for ``st.navigation``; its path is absolute, as the main script stands elsewhere."""
    title, icon = PAGES[name]
    return st.Page(_FOLDER / f"{name}.py", title=title, icon=icon, default=name == TRACE)


def run_page() -> StreamlitPage:
    """Draw the menu and return the page of this run, after going where a callback asked to."""
    current = st.navigation([page(name) for name in PAGES])
    if destination := st.session_state.pop(_NEXT, None):
        name, params = destination
        st.switch_page(page(name), query_params=params)
    return current


def page_link(name: str, label: str = "", params: dict[str, str] | None = None, help: str | None = None) -> None:
    """Draw a link to a page; ``params``: what stands in its link besides the study and the case."""
    title, icon = PAGES[name]
    st.page_link(page(name), label=label or title, icon=icon, help=help, query_params=params or {})


def go(name: str, params: dict[str, str] | None = None) -> None:
    """Go to a page with the next run; for callbacks, which can't change the page themselves."""
    st.session_state[_NEXT] = name, params or {}
