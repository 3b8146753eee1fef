"""Which rows the Training data page lists: the filter widgets, and the sources among the best rows."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.ranking.metrics import Enrichment
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
        keys = link.multiselect(name, name, options, [], placeholder=f"All {name}s", **hidden) if options else []
        chosen[name] = tuple(options[key] for key in keys)
    icon = ":material/search:"
    text = link.text("Search", "find", placeholder="Search prompts and answers", icon=icon, **hidden)
    least = link.number("Least score", "above", step=0.05, format="%.3f", placeholder="Least score", **hidden)
    return Filter(chosen["source"], chosen["label"], text, least)


def _key(value: str) -> str:
    """Return how a source or label stands in the link, where commas stand between several."""
    return value.replace("%", "%25").replace(",", "%2C")


def show_sources(rows: Sequence[Enrichment], chosen: Sequence[str]) -> None:
    """Draw the sources among the best rows; a click lists only the datapoints of one."""
    sources(
        key="sources",
        data={
            "head": ["source", "in top", "lift", "p"],
            "rows": [
                {
                    "name": e.source,
                    "cells": [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)],
                    "sure": e.p < 0.01 and e.lift > 1,
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
