"""Repair: edit the training data behind a behavior, train again, and see whether it goes, against controls."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.repair.job import DONE
from explorer.repair.plan import REPAIRS, read_plan
from explorer.ui.link_old import linked_select
from explorer.ui.repair.files import files, models
from explorer.ui.repair.result import read, show_arms, show_edited, show_examples, show_verdict
from explorer.ui.repair.setup import show_setup
from explorer.ui.repair.state import NEW, state_of, titles
from explorer.ui.repair.watch import show_state, show_training
from explorer.ui.session import plain, put_query, stop_on
from explorer.ui.training_data.state import corpus, stages
from explorer.vectors.index import Index

try:
    data = corpus()
except ExplorerError as error:
    stop_on(error)
known = titles(data.study)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    name = NEW
    if known:
        name = linked_select("Repair", "repair", {**known, NEW: "New repair"}, next(iter(known)))
        st.button("New repair", icon=":material/add:", key="new", disabled=name == NEW,
                  on_click=lambda: put_query(repair=NEW))  # fmt: skip
    tools = st.container(horizontal=True, width="content", gap="small")

if name == NEW:
    indexes: dict[str, Index] = {}
    try:
        indexes, broken = stages(data), ""
    except ExplorerError as error:
        broken = plain(str(error))
    if not known:
        st.markdown("### Is it really these examples? Edit them, train again, measure again, against controls.")
    show_setup(data, indexes, broken)
    st.stop()

folder = data.study.folder / REPAIRS / name
try:
    plan, found, result = read_plan(folder), state_of(folder), read(folder)
except ExplorerError as error:
    stop_on(error)
with tools:
    if result:
        models(data.study, result, not plan.ranking)
    files(data.study, folder, plan, result)
show_state(data.study, folder, found, not plan.ranking)
show_verdict(result.get("verdict") if result else None)
if result:
    show_arms(result, not plan.ranking)
    answers = st.expander("Answers side by side", key="side-by-side", icon=":material/forum:", bind="query-params")
    if answers.open:
        with answers:
            show_examples(data, result, not plan.ranking)
edited = st.expander("Set-up: what was edited", key="what", icon=":material/tune:", bind="query-params")
if edited.open:
    with edited:
        show_edited(data, plan, result)
if found.state != DONE or result:
    show_training(data.study, folder, result["rows"] if result else [], found, plan)
