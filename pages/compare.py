"""Compare: one failure read by several models, from before the training to a retrained one."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.trace.compare import compare
from explorer.ui import charts, link
from explorer.ui.compare.field import linked_choices, models_field, show_refused
from explorer.ui.compare.state import choices
from explorer.ui.compare.view import downloads, show_gaps, show_maps, show_predictions
from explorer.ui.explained import read_with
from explorer.ui.progress_bar import progress_bar
from explorer.ui.session import current_case, model_spec
from explorer.ui.study import current_study
from explorer.ui.text import RULE_HELP, RULE_LABELS, show_error, stop_on
from explorer.ui.trace.answers import answers_row

CHANGE = """Each later map shows how much a token's share of the gap has changed since the first model; a word's where
the tokenizers differ."""

failure = current_case()
_, bar = charts.case_row(failure)
with bar:
    charts.show_case_bar(failure)
try:
    answers_row(failure)
    study, on_screen = current_study().study, model_spec()
    known = choices(study, on_screen)
except ExplorerError as error:
    stop_on(error)
offered = linked_choices(known, on_screen)
show_refused(offered)  # above the field, whose list opens below it
with st.container(key="compare-bar"):
    columns = st.columns([5, 2, 3.3], gap="small", vertical_alignment="bottom")
with columns[0]:
    models = models_field(study, known, offered, on_screen)
with columns[1]:
    rule = link.select("Rule", "rule", RULE_LABELS, "attnlrp", help=RULE_HELP)
if len(models) < 2:
    st.info("Choose two models or more.", icon=":material/compare_arrows:")
    st.stop()

with progress_bar() as progress:
    refuse = lambda name, error: show_error(f"{name}: {error}")  # noqa: E731
    readings = compare(failure, models, rule=rule, progress=progress, refused=refuse, read=read_with)
if not readings:
    st.stop()
with columns[2].container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
    changes = link.toggle("Change against the first", "change", help=CHANGE)
    downloads(failure, readings, changes)
with st.container(key="compare-body"):
    left, right = st.columns([3, 7], gap="medium")
with left:
    show_gaps(readings)
    show_predictions(readings)
with right:
    show_maps(failure, readings, changes)
