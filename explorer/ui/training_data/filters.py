"""Which rows the Training data page lists: the filter widgets, and the sources among the best rows."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.ranking.metrics import Enrichment
from explorer.ranking.null import LEVEL
from explorer.ranking.table import Filter
from explorer.ui import link
from explorer.ui.components import sources
from explorer.ui.corpus import Corpus
from explorer.ui.training_data.charts import chance


def first_page() -> None:
    """Go back to the first rows, as what is listed has changed."""
    link.put(p=None)


def pick_filter(corpus: Corpus) -> Filter:
    """Draw the filter widgets."""
    hidden: dict[str, Any] = {"label_visibility": "collapsed", "then": first_page}
    chosen = {}
    for name, values in (("source", corpus.sources), ("label", corpus.labels)):
        options = {_key(value): value for value in sorted(set(values.tolist()) - {""})}
        about = f"List only the datapoints of these {name}s"
        field: dict[str, Any] = {"placeholder": f"All {name}s", "help": about, **hidden}
        keys = link.multiselect(name.title(), name, options, [], **field) if options else []
        chosen[name] = tuple(options[key] for key in keys)
    icon = ":material/search:"
    about = "List only rows with these words"
    text = link.text("Search", "find", placeholder="Search prompts and answers", icon=icon, help=about, **hidden)
    least = link.number(
        "Least score",
        "above",
        step=0.05,
        format="%.3f",
        placeholder="Least score",
        help="List no lower score",
        **hidden,
    )
    return Filter(chosen["source"], chosen["label"], text, least)


def _key(value: str) -> str:
    """Return how a source or label stands in the link, where commas stand between several."""
    return value.replace("%", "%25").replace(",", "%2C")


P_HELP = (
    "p: the share of unrelated questions whose most striking source stands out at least as much. Corrected for the "
    "number of sources, and for rows being chosen by what a question is about; a dash where there is nothing to "
    "compare with."
)


def show_sources(rows: Sequence[Enrichment], chosen: Sequence[str]) -> None:
    """Draw the sources among the best rows; a click lists only the datapoints of one."""
    sources(
        key="sources",
        data={
            "head": ["source", "in top", "lift", "p"],
            "help": P_HELP,
            "rows": [
                {
                    "name": e.source,
                    "cells": [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)],
                    "sure": e.p <= LEVEL and e.lift > 1,
                    "chosen": e.source in chosen,
                }
                for e in rows
            ],
        },
        on_picked_change=_toggle_source,
    )


def _toggle_source() -> None:
    """List only the datapoints of a source, or no longer only them."""
    name = st.session_state["sources"].get("picked")
    if name is not None:
        key = _key(name)
        keys = [part for part in link.get("source").split(",") if part]
        keys = [part for part in keys if part != key] if key in keys else [*keys, key]
        link.put(source=",".join(keys) or None, p=None)
