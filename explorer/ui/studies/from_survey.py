"""Failures of a survey for a new study: any survey of any study on offer."""

from pathlib import Path

import streamlit as st

from explorer.data.drafts import Draft
from explorer.errors import ExplorerError, count
from explorer.studies.failures import survey_entries
from explorer.surveys.folder import surveys_of
from explorer.ui.studies.said import attempt, say
from explorer.ui.study import opened, study_folders
from explorer.ui.survey.opened import opened_survey
from explorer.ui.text import one_line, show_error

HELP = "A survey of any study: the failures that its model really makes, with both answers."


def pick_survey(of: Draft, behavior: str) -> None:
    """Draw the choice of a survey and the button that adds its failures; nothing where there is no survey."""
    surveys = {folder: label for study in study_folders() for folder in surveys_of(study) if (label := _label(folder))}
    if not surveys:
        return
    with st.expander("Take them from a survey", icon=":material/fact_check:", key="studies-surveys"):
        settings = {"format_func": surveys.__getitem__, "key": "studies-survey", "help": HELP}
        folder = st.selectbox("Survey", list(surveys), **settings)
        try:
            entries = survey_entries(opened_survey(folder), behavior)
        except ExplorerError as error:
            show_error(error)
            return
        add = {"on_click": attempt, "args": (_add, of, folder, behavior), "help": "Add them to the list"}
        label = f"Add {count(len(entries), 'failure')}"
        st.button(label, key="studies-take", icon=":material/add:", **add)


def _label(folder: Path) -> str:
    """What people read of a survey and its study; empty where it holds no failure."""
    try:
        survey, study = opened_survey(folder), opened(folder.parents[1]).study
    except ExplorerError:
        return ""
    return f"{one_line(survey.settings.title, 50)} · {one_line(study.name, 40)}" if survey_entries(survey) else ""


def _add(of: Draft, folder: Path, behavior: str) -> None:
    known = {(entry["prompt"], entry["wrong"]) for entry in of.entries}
    entries = [e for e in survey_entries(opened_survey(folder), behavior) if (e["prompt"], e["wrong"]) not in known]
    of.entries += entries
    say(f"{count(len(entries), 'failure')} added.")
