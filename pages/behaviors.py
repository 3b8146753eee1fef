"""Behaviors: what training taught, named by nobody: groups of prompts with the training examples behind them."""

import streamlit as st

from explorer.behaviors.cards import MEANING
from explorer.errors import ExplorerError
from explorer.ui.behaviors.bar import bar, count_slider, may_start
from explorer.ui.behaviors.cards import show_card, show_list
from explorer.ui.behaviors.files import downloads
from explorer.ui.behaviors.hand import show_hand
from explorer.ui.behaviors.matrix import show_map, show_matrix, show_picked
from explorer.ui.behaviors.state import found_clusters, found_key, scene
from explorer.ui.corpus import built_indexes, corpus
from explorer.ui.link_old import linked_value
from explorer.ui.session import plain, put_query, stop_on
from explorer.ui.training_data.build import build_box

VIEWS = {"clusters": "Clusters", "hand": "By hand"}


def view_chosen() -> None:
    """Keep in the link what the right side shows."""
    picked = st.session_state["behaviors-view"]
    put_query(view=None if picked == "clusters" else picked)


try:
    data = corpus()
except ExplorerError as error:
    stop_on(error)
indexes, why = {}, "The vectors of this study are not built yet."
try:
    indexes = built_indexes(data.study)
except ExplorerError as error:
    why = plain(str(error))
if not indexes:
    build_box(data, why)
    st.stop()
try:
    asked, slider = bar(data, indexes)
    if not may_start(data, asked):
        st.stop()
    found = found_clusters(found_key(data, asked), data, asked)
    with slider:
        count = count_slider(found)
    shown = scene(data, asked, found, count)
except ExplorerError as error:
    stop_on(error)

selected = shown.card(st.query_params.get("cluster"))
left, right = st.columns([1.42, 1], gap="medium")
with right:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = linked_value("view", VIEWS, "clusters")
        st.session_state["behaviors-view"] = view
        st.segmented_control(
            "View", list(VIEWS), format_func=VIEWS.__getitem__, key="behaviors-view", required=True,
            label_visibility="collapsed", on_change=view_chosen,
        )  # fmt: skip
        st.space("stretch")
        downloads(shown, selected)
    if view == "clusters" and not selected:
        st.caption(MEANING)
    # another key for another card: it opens at its top
    with st.container(key=f"behaviors-right-{view}-{selected.cluster.key if selected else ''}"):
        if view == "hand":
            show_hand(shown)
        elif selected:
            show_card(shown, selected)
        else:
            show_list(shown)
with left, st.container(gap="xsmall"):
    show_matrix(shown, selected)
    show_picked(shown)
    show_map(shown, selected)
st.caption(plain(found.note(shown.clusters)))
