"""Training data: which training examples taught the model its wrong answer."""

import numpy as np
import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.null import no_null, significance, source_significance
from explorer.ranking.table import matches
from explorer.ranking.token_scores import known_token_scores, token_scores
from explorer.ui import link
from explorer.ui.corpus import built_indexes, corpus, ranked
from explorer.ui.session import model_spec
from explorer.ui.text import plain, stop_on
from explorer.ui.training_data.bar import pick
from explorer.ui.training_data.build import build_box
from explorer.ui.training_data.charts import show_distribution
from explorer.ui.training_data.compare import show_comparison
from explorer.ui.training_data.detail import pick_evidence, show_detail, show_probe
from explorer.ui.training_data.evaluation import measured_behaviors, show_evaluation
from explorer.ui.training_data.filters import pick_filter, show_sources
from explorer.ui.training_data.list import linked_row, page_rows, show_head, show_list
from explorer.ui.training_data.verdict import BAND_HELP, null_of, ready_null, show_verdict

FIND = "How well do the methods find the labelled rows?"
TOP_HELP = (
    "So many best rows of the ranking, counted by where they come from. Lift: how much more often than in the corpus."
)
NOT_BUILT = "The vectors of this study are not built yet; until then only words can be compared (BM25)."

with st.container(key="data-loading"):  # what loads draws bars in a place of its own, so that nothing below it moves
    try:
        data = corpus()
    except ExplorerError as error:
        stop_on(error)
    try:
        indexes, why = built_indexes(data.study), NOT_BUILT
    except ExplorerError as error:
        indexes, why = {}, plain(str(error))

picked = pick(data, indexes)
if not indexes:
    build_box(data, why)
if picked.index is None and not picked.choice.method:
    st.stop()

banner = st.container(key="data-banner")
drawer = st.container(key="data-drawer")
with drawer:
    shown = (
        "open" if link.toggle("Scores and filters", "filters", help="Show the distribution and filters") else "closed"
    )
with st.container(key=f"data-body-{shown}"):
    left, middle, right = st.columns([1.3, 2.9, 1.75], gap="medium")
try:
    with middle, st.spinner("Ranking the training data", show_time=True):
        ranking = ranked(data.study, picked.question, picked.index, picked.choice)
        null = ready_null(data.study, ranking)
except ExplorerError as error:
    stop_on(error)
waiting = null is None and not no_null(ranking)
with banner:
    asking = st.empty()
    if waiting:
        asking.caption("Asking unrelated questions, to compare with.")
    else:
        show_verdict(significance(data.study, ranking, null, model_spec() if picked.failure else None))

with left, st.container(gap="xsmall"):
    chart = st.container()
    chosen = pick_filter(data)
    keep = matches(data.table, ranking.scores, chosen)
    rows = ranking.order[keep[ranking.order]]
    on_page = page_rows(rows)
    with chart:
        show_distribution(ranking.scores, keep, on_page, null)
        if null is not None:
            st.caption("Violet: unrelated questions, whose best rows stay left of the dashed line.", help=BAND_HELP)
    if data.sources.any():
        most = max(len(ranking.order), 1)
        k = link.number("Sources among the top", "k", min(50, most), min_value=1, max_value=most, help=TOP_HELP)
        show_sources(source_significance(ranking, null, data.sources, k), chosen.sources)

opened = linked_row(data)
if opened is None and len(rows):
    opened = int(rows[0])
on_screen = [*on_page, *([] if opened is None or opened in on_page else [opened])]
with middle:
    show_head(data, ranking, rows)
    listed = st.container(gap=None)
    kind = pick_evidence(ranking) if picked.index else None
evidence = known_token_scores(ranking, on_screen, kind=kind)
with listed:
    show_list(data, ranking, on_page, opened, evidence, null)
with right:
    if opened is not None:
        show_detail(data, ranking, opened, evidence, null)
    probe = st.container()

if link.toggle("Compare with another method", "against", help="How far the two agree, and on which rows"):
    show_comparison(data, picked, ranking)
if measured_behaviors(data) and link.toggle(
    FIND, "evaluate", help="Every method's average precision on rows labelled as bad"
):
    show_evaluation(data, picked.index)
if indexes and link.toggle("Build other vectors", "build-more", help="In another model, or at other layers"):
    build_box(data, "Vectors in another model or at other layers stand beside those that are there.")

if picked.failure and picked.index:
    with probe:
        show_probe(picked.failure, ranking.choice.layer or picked.index.manifest.default_layer)
uncoloured = [row for row in on_screen if row not in evidence and not np.isnan(ranking.scores[row])]
if uncoloured and picked.index:
    token_scores(data.study, ranking, uncoloured, kind=kind)
    st.rerun()
if waiting:
    try:
        with asking.container():
            null_of(data.study, ranking)
    except ExplorerError as error:
        stop_on(error)
    st.rerun()
