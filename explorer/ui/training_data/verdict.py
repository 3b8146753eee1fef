"""Whether the ranking on screen says anything: its null, and the banner above the list."""

import streamlit as st

from explorer.data.study import Study
from explorer.ranking.null import NO_STRONGER, UNTRAINED, Null, Verdict, null_at_hand, null_scores
from explorer.ranking.rank import Ranking
from explorer.ui.caching import KEYS, cached
from explorer.ui.progress_bar import progress_bar
from explorer.ui.text import plain

BAND_HELP = (
    "The same scores for small questions about nothing in particular, which no training data taught: the band holds "
    "90 % of them in each bin. Beyond the dashed line a ranking's best rows are stronger than those of 95 % of them."
)


@cached("Asking unrelated questions, to compare with", keys={**KEYS, Ranking: lambda ranking: ranking.key})
def null_of(study: Study, ranking: Ranking) -> Null:
    """The null of a ranking; made once, with a bar. Raises ExplorerError where there is none."""
    with progress_bar() as progress:
        return null_scores(study, ranking, progress)


def ready_null(study: Study, ranking: Ranking) -> Null | None:
    """The null of a ranking where no model must run for it, so that it never holds up the list."""
    return null_of(study, ranking) if null_at_hand(study, ranking) else None


def show_verdict(verdict: Verdict) -> None:
    """Draw the banner: loud where the ranking says nothing, a quiet line where it does."""
    text = f"**{plain(verdict.sentence)}**: {plain(verdict.details)}"
    if verdict.kind in (NO_STRONGER, UNTRAINED):
        st.warning(text, icon=":material/do_not_disturb_on:" if verdict.kind == NO_STRONGER else ":material/school:")
    else:
        st.caption(text)
