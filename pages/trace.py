"""Trace: which words of the prompt pushed the model to the wrong token."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.heatmap import export_heatmap
from explorer.figures.save import WITH_JSON
from explorer.model.load import load_model
from explorer.ui import charts, link
from explorer.ui.downloads import format_buttons
from explorer.ui.session import current_case, model_spec
from explorer.ui.text import stop_on
from explorer.ui.trace.composer import composer, composer_button
from explorer.ui.trace.maps import heatmap, next_pages, rule_picker

WHOLE = "Explain the gap of the whole answers' log-probabilities instead of the first token that differs."
CELLS = """Each cell is one node: a token's state after a block (layer 0: its embedding). Red: this state supports the
wrong token; blue: the right one. Click a cell to follow its token."""

loaded, failure = load_model(model_spec()), current_case()
row, bar = charts.case_row()
if composer_button(row):
    composer(loaded, failure)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    two = link.flag("compare")
    rule = "" if two else rule_picker()
    link.toggle("Compare two maps", "compare")
    whole = link.toggle("Whole answer", "whole", help=WHOLE)
    downloads = st.popover("Download", icon=":material/download:")
    if two:
        next_pages()

left, right = st.columns(2 if two else [7, 3], gap="medium")
try:
    if two:
        with left:
            explanation = heatmap(loaded, failure, rule_picker(), whole)
        with right:
            heatmap(loaded, failure, rule_picker("-2", "gradient"), whole, "-2")
    else:
        with right:
            next_pages()
        with left:
            explanation = heatmap(loaded, failure, rule, whole)
        with right:
            charts.show_strongest(explanation, link.session_key("strongest"))
            charts.show_segments(explanation, link.session_key("segments"))
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(failure, explanation)
with downloads:
    key = link.session_key("download")
    format_buttons(lambda kind: export_heatmap(explanation, kind), f"{failure.id}-{explanation.rule}", key, WITH_JSON)
st.subheader("Relevance by layer", help=CELLS)
charts.show_layers(explanation, link.session_key("layers"))
