"""Ablations on the Graph page: the buttons that begin them, and the table of all tries, computed from the link."""

import pandas as pd
import streamlit as st

from explorer.errors import count
from explorer.figures.labels import visible
from explorer.graph.ablate import Ablation, How
from explorer.graph.build import TracedEdges
from explorer.graph.prune import Node
from explorer.limits import ABLATIONS
from explorer.ui import link
from explorer.ui.downloads import table_button
from explorer.ui.graph.state import GraphView, change_button, keep_view, write_tries
from explorer.ui.text import plain

_HOW = {"mean": "mean state", "zero": "zeros"}
_NUMBERS = {
    "relevance": "Σ relevance of the nodes: their share of the gap",
    "predicted": "Change of the gap that the graph predicts, first order: Σ ∂Δℓ/∂x · (replacement − x)",
    "measured": "Change of the gap when the model runs on with the states replaced",
    "difference": "Measured less predicted",
}


def how_picker() -> How:
    """Draw the choice of what ablated states are replaced by."""
    hint = "What an ablated state is replaced by: the mean state of its layer, or zeros"
    how = link.segmented("Replaced by", "how", _HOW, "mean", help=hint, then=keep_view)
    return "zero" if how == "zero" else "mean"


def ablate_button(view: GraphView, nodes: tuple[Node, ...], key: str, label: str = "Ablate") -> None:
    """Draw a button that adds an ablation of these nodes to the table."""
    how: How = "zero" if link.get("how") == "zero" else "mean"
    full = " The oldest try leaves the table." if len(view.tries) >= ABLATIONS else ""
    hint = f"Run the model with {_HOW[how]} in the place of {count(len(nodes), 'state')}.{full}"
    change_button(label, key, "content", hint, ablated=write_tries((*view.tries, (how, nodes))))


def ablations_table(edges: TracedEdges, view: GraphView, name: str) -> None:
    """Draw every try of the link as a row, and in words how the newest one's figures belong together."""
    if not view.tries:
        return
    with st.spinner("Running the model without"):
        results = [edges.ablated(nodes, how) for how, nodes in view.tries]
    st.caption(f"**Ablations.** Newest: {plain(str(results[-1]))}")
    table = ablations_frame(edges, view, results)
    number = st.column_config.NumberColumn
    columns = {key: number(f"{key} (logits)", format="%+.2f", help=text) for key, text in _NUMBERS.items()}
    st.dataframe(table[::-1], hide_index=True, column_config=columns, height="content")
    with st.container(horizontal=True):
        change_button("Clear the ablations", "clear-ablations", "content", ablated=None)
        table_button(table, f"{name}-ablations", "graph-ablations-file")


def ablations_frame(edges: TracedEdges, view: GraphView, results: list[Ablation]) -> pd.DataFrame:
    """Return one row a try, the oldest first: what was replaced by what, and its figures in logits."""
    rows = [
        {
            "what": _name(edges, view, nodes),
            "replaced by": _HOW[how],
            "relevance": result.relevance,
            "predicted": result.predicted_change,
            "measured": result.measured_change,
            "difference": result.difference,
        }
        for (how, nodes), result in zip(view.tries, results, strict=True)
    ]
    return pd.DataFrame(rows)


def _name(edges: TracedEdges, view: GraphView, nodes: tuple[Node, ...]) -> str:
    group = next((name for name, members in view.marks.groups if set(members) == set(nodes)), "")
    tokens = edges.explanation.tokens
    names = [f"{visible(tokens[token].text)}@{layer}" for layer, token in nodes[:3]]
    text = ", ".join(names) + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")
    return f"{group}: {text}" if group else text
