"""Compare: one failure read by several models, from before the training to a retrained one."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.trace.compare import compare
from explorer.trace.explain import RULES
from explorer.ui import charts, link
from explorer.ui.compare.state import choices, usual
from explorer.ui.compare.view import downloads, show_gaps, show_maps, show_predictions
from explorer.ui.explained import read_with
from explorer.ui.progress_bar import progress_bar
from explorer.ui.session import current_case, model_spec
from explorer.ui.study import current_study
from explorer.ui.text import RULE_HELP, show_error, stop_on

MODELS = "The study's model before and after every stage of training, and what repairs retrained on this machine."
CHANGE = "Each later map shows how much a token's share of the gap has changed since the first model."

failure = current_case()
_, bar = charts.case_row()
with bar:
    charts.show_case_bar(failure)
try:
    study = current_study().study
    offered = choices(study, model_spec())
except ExplorerError as error:
    stop_on(error)
columns = st.columns([5, 2, 3.3], gap="small", vertical_alignment="bottom")
with columns[0]:
    defaults, hint = usual(study, offered, model_spec()), "Choose two or more"
    keys = link.multiselect("Models", "models", offered.labels, defaults, help=MODELS, placeholder=hint)
with columns[1]:
    rule = link.select("Rule", "rule", RULES, "attnlrp", help=RULE_HELP)
if len(keys) < 2:
    st.info("Choose two models or more.", icon=":material/compare_arrows:")
    st.stop()

models = {offered.labels[key]: offered.specs[key] for key in keys}
with progress_bar() as progress:
    refuse = lambda name, error: show_error(f"{name}: {error}")  # noqa: E731
    readings = compare(failure, models, rule=rule, progress=progress, refused=refuse, read=read_with)
if not readings:
    st.stop()
with columns[2].container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
    changes = link.toggle("Change against the first", "change", help=CHANGE)
    downloads(readings, failure.id)
left, right = st.columns([3, 7], gap="medium")
with left:
    show_gaps(readings)
    show_predictions(readings)
with right:
    show_maps(readings, changes)
