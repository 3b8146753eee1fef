"""Compare: one failure in the eyes of several models, from before the training to a retrained one."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.trace.explain import RULES
from explorer.ui.compare.state import choices, seen, usual
from explorer.ui.compare.view import case_line, downloads, show_gaps, show_maps, show_readings
from explorer.ui.link_old import linked_many, linked_select, linked_toggle
from explorer.ui.session import current_case, model_spec, plain, stop_on
from explorer.ui.sidebar import step
from explorer.ui.study import current_study
from explorer.ui.text import RULE_HELP

case = current_case()
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    case_line(case)
    st.button("", icon=":material/chevron_left:", on_click=step, args=(-1,), help="Previous failure", key="previous")
    st.button("", icon=":material/chevron_right:", on_click=step, args=(1,), help="Next failure", key="next")
try:
    study = current_study().study
    known = choices(study, model_spec())
except ExplorerError as error:
    stop_on(error)
columns = st.columns([5, 2, 3.3], gap="small", vertical_alignment="bottom")
with columns[0]:
    names = linked_many(
        "Models", "models", {name: said for name, (said, _) in known.items()}, usual(study, known, model_spec()),
        help="The study's model before and after every stage of training, and what repairs retrained on this machine.",
    )  # fmt: skip
with columns[1]:
    rule = linked_select("Rule", "rule", RULES, "attnlrp", help=RULE_HELP)
if len(names) < 2:
    st.info("Choose two models or more.", icon=":material/compare_arrows:")
    st.stop()

found, refused = seen({name: known[name] for name in names}, case, rule)
for sentence in refused:
    st.error(plain(sentence), icon=":material/error:")
if not found:
    st.stop()
with columns[2].container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
    changes = linked_toggle(
        "Change against the first", "change", False,
        help="Each later map shows how much a token's share of the gap has changed since the first model.",
    )  # fmt: skip
    downloads(found, case.id)
left, right = st.columns([3, 7], gap="medium")
with left:
    show_gaps(found)
    show_readings(found)
with right:
    show_maps(found, changes)
