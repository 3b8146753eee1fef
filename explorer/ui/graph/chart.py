"""The graph on the Graph page: the canvas, whose clicks go into the link, and how much of the whole it shows."""

import streamlit as st

from explorer.figures.graph_canvas import canvas_data
from explorer.graph.block_parts import VerticalParts
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.ui import components, link

_KEY = "graph-canvas"
_SKIPPED = " Where layers are left out, only edges into the tokens that hold 95 % of |relevance| are counted."


def show_graph(graph: AttributionGraph, picked: str, path: Path | None, halves: dict[int, VerticalParts]) -> None:
    """Draw the graph (see ``canvas_data``) with its caption; what is clicked goes into the link as ``at``."""
    components.graph(key=_KEY, data=canvas_data(graph, picked, path, halves), on_picked_change=_take)
    drawing = graph.drawing
    skipped = any(pair.high > pair.low + 1 for pair in graph.pairs)
    st.caption(
        f"Drawn: {len(drawing.nodes):,} of {drawing.total_nodes:,} nodes with {drawing.node_share:.0%} of |relevance|, "
        f"{len(drawing.edges):,} of {drawing.total_edges:,} edges with {drawing.edge_share:.0%} of Σ|A|. "
        "Red carries relevance towards the wrong answer, blue towards the right one; width is |A|."
        + (_SKIPPED if skipped else "")
    )


def _take() -> None:
    picked = st.session_state[_KEY]["picked"]
    if picked:
        link.put(at=None if picked == "none" else picked)
