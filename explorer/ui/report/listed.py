"""The collected pages on the Report page: their order, comments, and the ways to them."""

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.limits import REPORT_COMMENT, REPORT_TITLE
from explorer.reports.collection import Collection, View
from explorer.trace.alignment import differing_words
from explorer.ui import navigation
from explorer.ui.icons import icon_alone
from explorer.ui.report.gather import view_case
from explorer.ui.report.kept import CASE, change
from explorer.ui.text import one_line, plain

TITLE_HELP = "Stands above the report; empty: the study's name."
COMMENT_HELP = "What you want to say about it; stands above the page in the report, as plain text."
_NO_CASE = (navigation.SURVEY, navigation.REPAIR, navigation.BEHAVIORS)
"""Pages that show the study, whatever the case."""
_NAMED = ("survey", "repair", "cluster", "behavior", "row")
"""Keys of a link that name what a page shows."""


def show_title(study: Path, collection: Collection) -> None:
    """Draw the field of the report's title."""
    key = "report-title"
    keep = lambda: change(study, lambda now: now.titled(st.session_state[key]))  # noqa: E731
    st.text_input("Title", collection.title, key=key, max_chars=REPORT_TITLE, on_change=keep, help=TITLE_HELP)


def show_views(study: Path, collection: Collection) -> None:
    """Draw the pages, each with what can be done with it."""
    last = len(collection.views) - 1
    for number, view in enumerate(collection.views):
        with st.container(border=True, key=f"report-view-{view.key}", gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{number + 1}. {plain(view_title(view))}**", width="stretch")
                _button(study, view, "up", -1, number == 0)
                _button(study, view, "down", 1, number == last)
                _open_and_remove(study, view)
            st.caption(plain(view_label(view)))
            _comment(study, view)


def view_title(view: View) -> str:
    """Return which page a view is of."""
    return "This case, whole" if view.page == CASE else navigation.PAGES.get(view.page, (view.page[:40], ""))[0]


def view_label(view: View) -> str:
    """Return in a line what a view shows: the case, and what else its link names."""
    named = [f"{key} {view.query[key]}" for key in _NAMED if view.query.get(key)]
    try:
        case = view_case(view)
    except ExplorerError as error:
        return str(error)
    if view.page in _NO_CASE:
        named = named or ["all clusters"]
    else:
        wrong, right = (one_line(side, 30) for side in differing_words(case.wrong, case.right))
        named.insert(0, f"{wrong} instead of {right}: {one_line(case.prompt, 80)}")
    return " · ".join(one_line(text, 140) for text in named)


def _button(study: Path, view: View, name: str, by: int, disabled: bool) -> None:
    icon = {"up": ":material/arrow_upward:", "down": ":material/arrow_downward:"}[name]
    label, key = f"Move page {view_title(view)} {name}", f"report-{name}-{view.key}"
    move = partial(change, study, lambda now: now.moved(view.key, by))
    icon_alone(key).button(label, icon=icon, key=key, help=f"Move {name}", disabled=disabled, on_click=move)


def _open_and_remove(study: Path, view: View) -> None:
    key = f"report-show-{view.key}"
    page = navigation.TRACE if view.page == CASE else view.page
    if page in navigation.PAGES:
        go = partial(navigation.show, page, view.query)
        icon_alone(key).button("Open this view", icon=":material/open_in_new:", key=key, help="Open it", on_click=go)
    key = f"report-remove-{view.key}"
    remove = partial(change, study, lambda now: now.without(view.key))
    icon_alone(key).button("Remove from the report", icon=":material/delete:", key=key, help="Remove", on_click=remove)


def _comment(study: Path, view: View) -> None:
    key = f"report-comment-{view.key}"
    keep = lambda: change(study, lambda now: now.commented(view.key, st.session_state[key]))  # noqa: E731
    about: dict[str, Any] = {
        "help": COMMENT_HELP,
        "placeholder": "A comment",
        "height": 68,
        "max_chars": REPORT_COMMENT,
    }
    # its value is not set anew at every run: what is being typed stays
    st.text_area("Comment", view.comment, key=key, on_change=keep, label_visibility="collapsed", **about)
