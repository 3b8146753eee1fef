"""Training data: which training examples taught the model its wrong answer."""

import numpy as np
import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.table import kept, row_number
from explorer.ui.session import plain, stop_on
from explorer.ui.training_data.bar import pick
from explorer.ui.training_data.build import build_box
from explorer.ui.training_data.charts import show_distribution, show_sources
from explorer.ui.training_data.detail import show_detail, show_probe
from explorer.ui.training_data.list import SHEET, filters, first_page, list_head, sheet_of, show_list
from explorer.ui.training_data.state import (
    colour_key,
    colours,
    corpus,
    make_colours,
    ranked,
    sources_at_top,
    stages,
    strongest,
)
from explorer.ui.training_data.versus import can_evaluate, compare, evaluation
from explorer.vectors.index import Index


def toggle_source() -> None:
    """A click on a source: list only its datapoints, or no longer only them."""
    name = st.session_state["sources"].get("picked")
    if name is not None:
        had = st.session_state.get("source", [])
        st.session_state["source"] = [s for s in had if s != name] if name in had else [*had, name]
        first_page()


try:
    data = corpus()
except ExplorerError as error:
    stop_on(error)
indexes: dict[str, Index] = {}
try:
    indexes = stages(data)
    broken = ""
except ExplorerError as error:
    broken = plain(str(error))

picked = pick(data, indexes)
if not indexes:
    none = "The vectors of this study are not built yet; until then only words can be compared (BM25)."
    build_box(data, broken or none)
if picked.index is None and picked.asked.node:
    st.stop()

left, middle, right = st.columns([1.3, 2.9, 1.75], gap="medium")
try:
    with middle, st.spinner("Ranking the training data", show_time=True):
        found = ranked(data, picked.index, picked.asked, picked.choice)
except ExplorerError as error:
    stop_on(error)

with left, st.container(gap="xsmall"):
    chart = st.container()
    wanted = filters(data)
    keep = kept(data.table, found.scores, wanted)
    rows = found.order[keep[found.order]]
    sheet, _ = sheet_of(rows)
    shown = rows[sheet * SHEET : (sheet + 1) * SHEET]
    with chart:
        show_distribution(found.scores, keep, shown)
    if data.source_names:
        most = max(len(found.order), 1)
        k = int(st.number_input("Sources among the top", 1, most, min(50, most), key="k", bind="query-params"))
        best = sources_at_top(data, picked.index, picked.asked, found, k)
        show_sources(best, wanted.sources, toggle_source)

opened = row_number(data.table, st.query_params["row"]) if "row" in st.query_params else None
if opened is None:
    opened = int(rows[0]) if len(rows) else None
wished: list[int] = shown.tolist()
if opened is not None and opened not in wished:
    wished.append(opened)
layer, key, coloured = 0, (), {}
if picked.index:
    layer = found.ranking.choice.layer or picked.index.manifest.default_layer
    key = colour_key(data, picked.index, picked.asked, layer)
    coloured = colours().get(key, wished)
scale = strongest(coloured)

with middle:
    list_head(data, found, rows)
    show_list(data, found, rows, opened, coloured, scale)
    st.caption("Red words pull the model towards the behavior, blue ones away from it." if picked.index else "")
with right:
    if opened is not None:
        show_detail(data, found, opened, coloured, scale)
    probe = st.container()

if st.toggle("Compare with another method", key="against", bind="query-params"):
    compare(data, picked, found)
if can_evaluate(data) and st.toggle(
    "How well do the methods find the labelled rows?", key="evaluate", bind="query-params"
):
    evaluation(data, picked.index)
if indexes and st.toggle("Build other vectors", key="build-more", bind="query-params"):
    build_box(data, "Vectors in another model or at other layers stand beside those that are there.")

if picked.asked.failure and picked.index:
    with probe:
        show_probe(picked.asked, layer)
missing = [row for row in wished if row not in coloured and not np.isnan(found.scores[row])]
if missing and picked.index:
    make_colours(data, picked.index, picked.asked, layer, missing)
    st.rerun()
