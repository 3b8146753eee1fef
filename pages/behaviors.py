"""Behaviors: groups of prompts whose answers training has changed, each with the training examples behind them."""

import streamlit as st

from explorer.behaviors.cards import MEANING
from explorer.behaviors.report import summary
from explorer.errors import ExplorerError
from explorer.ui import link
from explorer.ui.behaviors.bar import count_slider, may_start, pickers
from explorer.ui.behaviors.cards import show_card, show_list
from explorer.ui.behaviors.files import downloads
from explorer.ui.behaviors.matrix import show_map, show_matrix, show_picked
from explorer.ui.behaviors.nearest import show_nearest
from explorer.ui.behaviors.state import clustered_study, study_clusters
from explorer.ui.corpus import built_indexes, corpus
from explorer.ui.text import plain, stop_on
from explorer.ui.training_data.build import build_box

try:
    data = corpus()
except ExplorerError as error:
    stop_on(error)
try:
    indexes, why = built_indexes(data.study), "The vectors of this study are not built yet."
except ExplorerError as error:
    indexes, why = {}, plain(str(error))
if not indexes:
    build_box(data, why)
    st.stop()
try:
    choice, slider = pickers(data, indexes)
    if not may_start(data.study, choice):
        st.stop()
    clusters = study_clusters(data.study, **vars(choice))
    with slider:
        count = count_slider(clusters)
    clustered = clustered_study(data.study, clusters, count)
except ExplorerError as error:
    stop_on(error)

selected = next((card for card in clustered.cards if card.cluster.key == link.get("cluster")), None)
left, right = st.columns([1.42, 1], gap="medium")
with right:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = link.segmented("View", "view", {"clusters": "Clusters", "hand": "By hand"}, "clusters")
        st.space("stretch")
        downloads(clustered, selected)
    if view == "clusters" and not selected:
        st.caption(MEANING)
    # another key for another card: it opens at its top
    with st.container(key=f"behaviors-right-{view}-{selected.cluster.key if selected else ''}"):
        if view == "hand":
            show_nearest(clustered)
        elif selected:
            show_card(clustered, selected)
        else:
            show_list(clustered)
with left, st.container(gap="xsmall"):
    show_matrix(clustered, selected)
    show_picked(clustered)
    show_map(clustered, selected)
st.caption(plain(summary(clusters, clustered.cut)))
