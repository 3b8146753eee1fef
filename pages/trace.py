"""Trace: which words of the prompt pushed the model to the wrong token."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ui import charts, link
from explorer.ui.explained import explained, is_explained
from explorer.ui.icons import icon_alone
from explorer.ui.session import current_case, model_spec
from explorer.ui.text import stop_on
from explorer.ui.trace.answers import answers_row
from explorer.ui.trace.composer import composer, composer_button
from explorer.ui.trace.edits import edit_and_rerun
from explorer.ui.trace.maps import SECOND, chosen_rules, heatmap, map_downloads, next_pages, rule_picker
from explorer.ui.trace.minimal import minimal_edit_row
from explorer.ui.waiting import skeleton

WHOLE = "Explain the gap of the whole answers' log-probabilities instead of one token."
TWO = "Two rules side by side: what one alone says of a token's sign is in doubt."
CELLS = """Each cell is one node: a token's state after a block (layer 0: its embedding). Red: this state supports the
wrong token; blue: the right one. Click a cell to follow its token."""

loaded, failure = load_model(model_spec()), current_case()
two, whole = link.flag("compare"), link.flag("whole")
rules = chosen_rules(two)
ready = all(is_explained(loaded.spec, failure, rule, whole) for rule in rules)
row, bar = charts.case_row(failure, ready)
if composer_button(row):
    composer(loaded, failure)
answers, story = st.empty(), st.empty()
with st.container(horizontal=True, vertical_alignment="center", gap="small", key="trace-pickers"):
    if not two:
        rule_picker()
    link.toggle("Compare two maps", "compare", help=TWO)
    link.toggle("Whole answer", "whole", help=WHOLE)
    place, about = icon_alone("trace-download"), "Download the maps on screen, as a picture or as figures"
    downloads = place.popover(about, icon=":material/download:", help=about, key="trace-download")
    if two:
        next_pages()

try:
    with skeleton(ready):
        if not ready:
            answers.empty()
            story.empty()
        for rule in rules:
            explained(loaded.spec, failure, rule, whole=whole)
    with st.container(key="trace-body"):
        left, right = st.columns(2 if two else [7, 3], gap="medium")
    with left:
        if two:
            rule_picker()
        explanations = [heatmap(loaded, failure, rules[0], whole)]
        explanation = explanations[0]
    with right:
        if two:
            rule_picker("-2", SECOND)
            explanations.append(heatmap(loaded, failure, rules[1], whole, "-2"))
        else:
            next_pages()
            charts.show_strongest(explanation, link.session_key("strongest"))
            charts.show_segments(explanation, link.session_key("segments"))
    with left:
        edit_and_rerun(loaded, failure, explanation)
        minimal = st.container()
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(failure, explanation)
with answers:
    answers_row(failure, explanation)
with story:
    charts.show_story(explanation, link.session_key("story"))
with downloads:
    map_downloads(loaded, failure, explanations)
with st.container(key="trace-after"):
    st.subheader("Relevance by layer", help=CELLS)
    charts.show_layers(explanation, link.session_key("layers"))
with minimal:  # last: it may take long
    minimal_edit_row(loaded, failure, explanation)
