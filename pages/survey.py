"""Survey: many failures at once, from an evaluation log to what they have in common."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.jobs import DONE
from explorer.surveys.job import WAITING, status
from explorer.surveys.report import headline, source
from explorer.ui import link
from explorer.ui.study import current_study
from explorer.ui.survey.charts import show_bars, show_checkpoints, show_profiles, show_scatter, show_segments
from explorer.ui.survey.confirm import show_contrasts
from explorer.ui.survey.files import behavior_menu, downloads
from explorer.ui.survey.filters import pick_filter, show_count
from explorer.ui.survey.job import show_refusal, show_state
from explorer.ui.survey.opened import opened_survey, survey_folder
from explorer.ui.survey.pick import pick_bars, pick_clusters, pick_survey, pick_view
from explorer.ui.survey.setup import show_setup
from explorer.ui.survey.table import show_table
from explorer.ui.survey.view import NEW, on_screen
from explorer.ui.text import plain, stop_on

try:
    study = current_study().study
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="survey-bar"):
        name = pick_survey(study.folder)
        tools = st.container(horizontal=True, width="content", vertical_alignment="center", gap="small")
    show_refusal()
    folder = survey_folder(study.folder, name)
    if name == NEW or folder is None:
        show_setup(study)
        st.stop()
    now = status(folder)
    survey = opened_survey(folder)  # after its state: where that says that it is over, every row is there
except ExplorerError as error:
    stop_on(error)

show_state(survey, now)
if now.state == WAITING:
    show_contrasts(survey, confirming=True)
    st.stop()
if not survey.rows and now.state != DONE:
    st.stop()
screen = on_screen(survey)
with tools:
    view = pick_view(survey)
    behavior_menu(study, screen)
    downloads(screen)
st.markdown(plain(headline(screen.totals.all)))
with st.container(key=f"survey-{view}-body"):
    places = st.columns([1, 1], gap="large")
if view == "models":
    with places[0]:
        show_scatter(screen)
    with places[1]:
        (show_checkpoints if len(survey.settings.models) > 2 else show_segments)(screen)
else:
    with places[0]:
        show_bars(screen, pick_bars(survey))
    with places[1]:
        if screen.profiles:
            pick_clusters()
        show_profiles(screen.profiles)
pick_filter(screen)
show_count(screen)
show_table(screen)
if view == "models" and len(survey.settings.models) > 2:
    show_segments(screen)
st.caption(plain(source(survey.settings.log)))
contrasts = link.expander("Contrasts: wrong against right", "contrasts", icon=":material/compare:")
if contrasts.open:
    with contrasts:
        show_contrasts(survey, confirming=False)
