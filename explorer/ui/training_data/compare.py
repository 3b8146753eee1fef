"""The ranking on screen against another method's, on the Training data page."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.metrics import agreement
from explorer.ranking.questions import AboutNode
from explorer.ranking.rank import Choice, Ranking
from explorer.ui import link
from explorer.ui.corpus import Corpus, ranked
from explorer.ui.text import show_error
from explorer.ui.training_data.bar import Picked
from explorer.ui.training_data.charts import show_scatter
from explorer.ui.training_data.pickers import METHOD_HELP
from explorer.vectors.methods import METHODS

OVERLAP_HELP = "Share of so many best rows of the one method that are among as many best of the other."
RANKS_HELP = "Of all rows both rank: 1 the same order, 0 unrelated, −1 reversed."


def show_comparison(corpus: Corpus, picked: Picked, ranking: Ranking) -> None:
    """Draw how far two methods agree at the same stage and layer, and a dot a datapoint."""
    name = "node" if isinstance(picked.question, AboutNode) else picked.choice.method
    others = [m for m, method in METHODS.items() if m != name and (picked.index or not method.parts)]
    with st.container(key="versus-body"):
        left, right = st.columns([1, 3], gap="medium")
    with left:
        default = "bm25" if "bm25" in others else others[0]
        other = link.select(
            "The other method", "versus", {m: METHODS[m].title for m in others}, default, help=METHOD_HELP
        )
        k = link.number("Overlap among the best", "overlap", 50, min_value=1, max_value=1000, help=OVERLAP_HELP)
        try:
            layer = picked.choice.layer if METHODS[other].parts else None
            other_ranking = ranked(corpus.study, picked.text_question, picked.index, Choice(other, layer))
        except ExplorerError as error:
            show_error(error)
            return
        agreed = agreement(ranking.scores, other_ranking.scores, k)
        st.metric(f"Overlap at {k}", f"{agreed.overlap:.0%}", help=OVERLAP_HELP)
        st.metric("Same order (Spearman)", f"{agreed.rank_correlation:.2f}", help=RANKS_HELP)
    with right:
        show_scatter(ranking.scores, other_ranking.scores, (name, other), corpus.labels)
