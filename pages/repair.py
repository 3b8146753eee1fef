"""Repair: edit the training data behind a behavior, train again, and see whether it goes, against controls."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.jobs import DONE
from explorer.repair.job import status
from explorer.repair.plan import REPAIRS, read_plan
from explorer.repair.results import read_result
from explorer.ui import link
from explorer.ui.corpus import corpus
from explorer.ui.repair.job import NEW_REPAIR, show_state, show_training, titles
from explorer.ui.repair.result import show_arms, show_examples, show_verdict
from explorer.ui.repair.setup import show_edited, show_setup
from explorer.ui.repair.take_along import show_files, show_models
from explorer.ui.text import stop_on

REPAIR = "Those of this study, the latest first: what was edited, and by which ranking."

try:
    data = corpus()
except ExplorerError as error:
    stop_on(error)
study = data.study
repairs = titles(study)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    name = NEW_REPAIR
    if not repairs and link.get("repair", NEW_REPAIR) != NEW_REPAIR:
        link.tell_absent("repair")
    if repairs:
        name = link.select("Repair", "repair", {**repairs, NEW_REPAIR: "New repair"}, next(iter(repairs)), help=REPAIR)
        open_form = lambda: link.put(repair=NEW_REPAIR)  # noqa: E731
        st.button(
            "New repair",
            icon=":material/add:",
            key="new",
            disabled=name == NEW_REPAIR,
            on_click=open_form,
            help="Edit other data",
        )
    tools = st.container(horizontal=True, width="content", gap="small")

if name == NEW_REPAIR:
    if not repairs:
        st.markdown("### Is it really these examples? Edit them, train again, measure again, against controls.")
    show_setup(data)
    st.stop()

folder = study.folder / REPAIRS / name
try:
    plan, now, result = read_plan(folder), status(folder), read_result(folder)
except ExplorerError as error:
    stop_on(error)
with tools:
    if result:
        show_models(study, result)
    show_files(study, folder, plan, result)
show_state(study, folder, now, plan.by_hand)
show_verdict(result)
if result:
    show_arms(result)
    answers = link.expander("Answers side by side", "side-by-side", icon=":material/forum:")
    if answers.open:
        with answers:
            show_examples(study, result)
edited = link.expander("Set-up: what was edited", "what", icon=":material/tune:")
if edited.open:
    with edited:
        show_edited(data, plan, result)
if now.state != DONE or result:
    show_training(study, folder, plan, result, now)
