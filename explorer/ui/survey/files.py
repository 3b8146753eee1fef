"""What can be taken from a survey: a behavior of the study, and files."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import count
from explorer.figures.survey import export_survey
from explorer.figures.survey_page import survey_html
from explorer.surveys.report import case_table
from explorer.ui.downloads import format_buttons
from explorer.ui.icons import icon_alone
from explorer.ui.link_names import shared_address
from explorer.ui.survey.open_case import make_behavior
from explorer.ui.survey.view import OnScreen, bars_by


def behavior_menu(study: Study, screen: OnScreen) -> None:
    """Draw the menu that makes the selected failures, or the listed ones, a behavior of the study."""
    ids = [id for id in screen.chosen if screen.survey.cases[id].right]
    what = "selected" if screen.ticked else "listed"
    about = "Make failures a behavior of the study: then training data is ranked, clustered and repaired for it"
    with st.popover("Make it a behavior", icon=":material/hub:", help=about, key="survey-behavior"):
        st.caption(f"The {count(len(ids), what + ' failure')}: bad is the wrong answer, good the right one.")
        name = st.text_input(
            "Name", screen.survey.settings.title, key="survey-behavior-name", max_chars=80, help="Of the behavior"
        )
        settings: dict[str, Any] = {"type": "primary", "icon": ":material/dataset:", "width": "stretch"}
        settings |= {"disabled": not (ids and name.strip()), "help": "Adds it to behaviors.jsonl, and ranks the data"}
        act = partial(make_behavior, study, screen.survey, ids, name)
        st.button("Find the training data", key="survey-behavior-make", on_click=act, **settings)


def downloads(screen: OnScreen) -> None:
    """Draw the menu of files: cases, report, pictures, as they are on screen."""
    address, survey = shared_address(), screen.survey
    about, key = "Download what is on screen", "survey-files"
    with icon_alone(key).popover(about, icon=":material/download:", help=about, key=key):
        st.caption(f"The {count(len(screen.ids), 'listed failure')} of {len(survey.cases):,}")
        table = partial(case_table, survey, screen.ids, screen.labels)
        report = lambda: survey_html(survey, screen.ids, screen.profiles, address)  # noqa: E731
        with st.container(horizontal=True, gap="small"):
            for label, make, file, mime in (
                ("Failures (CSV)", table, f"{survey.name}.csv", "text/csv"),
                ("Report (HTML)", report, f"{survey.name}.html", "text/html"),
            ):
                st.download_button(label, make, file, mime, on_click="ignore", key=file, help=f"Save {file}")
        st.caption("The pictures")
        export = lambda kind: export_survey(survey, screen.ids, screen.profiles, bars_by(survey), kind, address)  # noqa: E731
        format_buttons(export, survey.name, "survey")
