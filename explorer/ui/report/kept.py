"""The collected pages of a report: kept with the study, and in the session where the study can't be written."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import streamlit as st

from explorer.errors import ExplorerError
from explorer.reports.collection import Collection, View, change_collection, read_collection
from explorer.ui import link, navigation
from explorer.ui.link_names import shared_query
from explorer.ui.places import require_writable
from explorer.ui.repair.job import NEW_REPAIR, titles
from explorer.ui.session import LONG_CASE, current_case
from explorer.ui.study import current_study, study_folder
from explorer.ui.survey.pick import pick_survey
from explorer.ui.survey.view import NEW

CASE = "case"
"""The page of a view that stands for all that is known of a case."""
_CASE_KEYS = ("case", "q", "wrong", "right", "system", "evidence", "raw", "place", "model", "adapter")
_SESSION, _SAID = "reports", "report-said"
_PASSING = ("step", "new", "manage", "p")
"""Keys of a link that change nothing of what a report shows."""


def said() -> str:
    """What came of the last thing that was done with the report; told once."""
    return st.session_state.pop(_SAID, "")


def _say(sentence: str) -> None:
    st.session_state[_SAID] = sentence


def collected(study: Path) -> Collection:
    """Return the collection of a study; an empty one, and a word on it (``said``), where its file is damaged."""
    session = st.session_state.get(_SESSION, {})
    if str(study) in session:
        return session[str(study)]
    try:
        return read_collection(study)
    except ExplorerError as error:
        _say(str(error))
        return Collection()


def change(study: Path, how: Callable[[Collection], Collection]) -> None:
    """Change the collection; say why where that can't be done."""
    session = st.session_state.setdefault(_SESSION, {})
    try:
        if str(study) in session:
            session[str(study)] = how(session[str(study)])
            return
        now = read_collection(study)
        how(now)  # what can't be added is told as such, not as a file that can't be written
    except ExplorerError as error:
        _say(str(error))
        return
    try:
        require_writable(study)
        change_collection(study, how)
    except ExplorerError as error:
        _say(f"The report lasts as long as this session: {error}")
        session[str(study)] = how(now)


def view_on_screen(page: str) -> View:
    """Return what is on screen as a page of a report; ``page``: the page, or ``CASE``. Raises ExplorerError."""
    query = {name: value for name, value in shared_query().items() if name not in ("study", *_PASSING)}
    if page == CASE:
        query = {name: value for name, value in query.items() if name in _CASE_KEYS}
    if "q" not in query:
        if current_case().id == "own":
            raise ExplorerError(LONG_CASE)
        query["case"] = current_case().id
    return View(page, query | _pinned(page, query))


def _pinned(page: str, query: dict[str, str]) -> dict[str, str]:
    """Name the repair or survey on screen, which a page chooses by itself: the newest changes."""
    if page not in (navigation.REPAIR, navigation.SURVEY):
        return {}
    folder = study_folder()
    with read_as_link(View(page, query)):
        if page == navigation.SURVEY:
            key, name = "survey", pick_survey(folder)
        else:
            key, name = "repair", link.get("repair") or next(iter(titles(current_study().study)), NEW_REPAIR)
    if name in (NEW, NEW_REPAIR):
        raise ExplorerError(f"A {key} that is being set up shows nothing yet; there is nothing to add.")
    return {key: name}


def collect(page: str) -> None:
    """Add what is on screen to the report; for callbacks."""
    study = study_folder()
    try:
        view = view_on_screen(page)
    except ExplorerError as error:
        _say(str(error))
        return
    before = len(collected(study).views)
    change(study, lambda collection: collection.added(view))
    after = len(collected(study).views)
    if not st.session_state.get(_SAID):  # else why it could not be added, or for how long it was
        _say(f"This view is page {after} of the report." if after > before else "This view is in the report already.")


def read_as_link(view: View) -> AbstractContextManager[None]:
    """Read the link of a view of the study on screen (see ``link.reading``)."""
    study = {"study": link.get("study")} if link.has("study") else {}
    page = "trace" if view.page == CASE else view.page
    return link.reading(page, view.query | study)
