"""Ways from a survey to other pages, with one of its cases or with many."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.surveys.behavior import add_behavior
from explorer.surveys.folder import Note, Survey, note
from explorer.ui import navigation
from explorer.ui.page_states import CompareState, TrainingDataState
from explorer.ui.session import set_case
from explorer.ui.study import set_walk, surveyed_case
from explorer.ui.survey.opened import opened_survey

REFUSED = "survey-refused"
"""Session key of why something could not be done; the next run says it."""


def case_key(survey: Survey, id: str) -> str:
    """Return how links and ``Failure.id`` name a case of a survey."""
    return f"{survey.name}/{id}"


def _put_on_screen(survey: Survey, id: str, listed: Sequence[str]) -> bool:
    surveyed = surveyed_case(case_key(survey, id))
    if not surveyed:
        return False
    set_case(surveyed[0])
    set_walk([case_key(survey, other) for other in listed if survey.cases[other].right])
    with suppress(ExplorerError, OSError):  # a study that can't be written to can be looked at
        kept = opened_survey(survey.folder).notes.get(id, Note(id))
        if not kept.seen:
            note(survey.folder, replace(kept, seen=True))
    return True


def open_trace(survey: Survey, id: str, listed: Sequence[str]) -> None:
    """Open Trace with a case, and mark it as seen; the pages then step through the ``listed`` ones."""
    if _put_on_screen(survey, id, listed):
        navigation.go(navigation.TRACE)


def open_compare(survey: Survey, id: str, listed: Sequence[str]) -> None:
    """Open Compare with a case under all models of its survey, and mark it as seen; else as ``open_trace``."""
    if _put_on_screen(survey, id, listed):
        models = ",".join(name for name, _ in survey.settings.models)
        navigation.go(navigation.COMPARE, CompareState(models=models))


def make_behavior(study: Study, survey: Survey, ids: list[str], name: str) -> None:
    """Make cases a behavior of the study, and go to the training data with it chosen."""
    try:
        add_behavior(study, name.strip(), [survey.cases[id] for id in ids])
    except ExplorerError as error:
        st.session_state[REFUSED] = str(error)
    else:
        navigation.go(navigation.TRAINING_DATA, TrainingDataState(behavior=name.strip()))
