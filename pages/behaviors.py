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
from explorer.ui.behaviors.view import on_screen, show_selection
from explorer.ui.corpus import built_indexes, corpus
from explorer.ui.text import plain, stop_on
from explorer.ui.training_data.build import build_box

VIEW = "**Clusters**: groups of prompts and their training examples. **By hand**: what is most like one thing."

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
    with st.container(key="behaviors-pickers"):
        choice, slider = pickers(data, indexes)
    if not may_start(data.study, choice):
        st.stop()
    clusters = study_clusters(data.study, **vars(choice))
    with slider:
        count = count_slider(clusters)
    clustered = clustered_study(data.study, clusters, count)
except ExplorerError as error:
    stop_on(error)

screen = on_screen(clustered)
with st.container(key="behaviors-body"):
    left, right = st.columns([1.36, 1], gap="medium")
with right:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = link.segmented("View", "view", {"clusters": "Clusters", "hand": "By hand"}, "clusters", help=VIEW)
        st.space("stretch")
        downloads(screen)
    show_selection(screen)
    if view == "clusters" and not screen.opened:
        st.caption(MEANING)
    # another key for another card: it opens at its top
    with st.container(key=f"behaviors-right-{view}-{screen.opened.cluster.key if screen.opened else ''}"):
        if view == "hand":
            show_nearest(screen)
        elif screen.opened:
            show_card(screen, screen.opened)
        else:
            show_list(screen)
with left, st.container(gap="xsmall", key="behaviors-pictures"):
    with st.container(gap="xsmall", key="behaviors-matrix"):
        show_matrix(screen)
        show_picked(screen)
    with st.container(gap="xsmall", key="behaviors-map"):
        show_map(screen)
st.caption(plain(summary(clusters, clustered.cut, screen.selection)))
