"""The graph on the Graph page: the canvas, whose clicks go into the link, and what it folds away."""

from collections.abc import Iterator
from typing import Any

import streamlit as st

from explorer.figures.graph_canvas import MOST_ZOOM, canvas_data
from explorer.figures.graph_caption import folded_sentence
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.scene import residual_runs
from explorer.ui import components, link
from explorer.ui.graph.controls import put_caps
from explorer.ui.graph.state import change, keep_view
from explorer.ui.graph.verdict import Told
from explorer.ui.text import plain

_KEY = "graph-canvas"
BEADS_HELP = "Draw every node of a residual run, not the run as one stroke. A run: nothing else enters or leaves"


def show_graph(graph: AttributionGraph, picked: str, path: Path | None, verdict: Told | None = None) -> None:
    """Draw the graph (see ``canvas_data``) and say what it folds away.

    Args:
        verdict: None for a drawing that is not judged. Where it is not known yet, the component ``told`` brings it.

    What is clicked goes into the link as ``at``, zoom and place as ``zoom``; what the buttons under the drawing ask for
    as caps and ``beads``.
    """
    said = verdict or Told("", "")
    data = canvas_data(graph, picked, path, said.verdict, list(_asks(graph)))
    data |= {"drawing": said.drawing, "zoom": _zoom()}
    asked = {"on_asked_change": lambda: _grant(graph), "on_zoomed_change": _keep_zoom}
    components.graph(key=_KEY, data=data, on_picked_change=_take, **asked)
    if folded := folded_sentence(graph):
        st.caption(plain(folded))


def _asks(graph: AttributionGraph) -> Iterator[dict[str, Any]]:
    """Yield the buttons under the drawing: larger and smaller caps where they change something, every node."""
    pruning = graph.pruning
    more, less = pruning.more(), pruning.less()
    if graph.drawing.capped and more != pruning:
        title = f"Draw up to {more.max_nodes:,} nodes and {more.max_edges:,} edges; nodes within runs don't count"
        yield {"name": "more", "label": "more", "title": title, "on": None}
    if less != pruning:
        title = f"Draw up to {less.max_nodes:,} nodes and {less.max_edges:,} edges"
        yield {"name": "less", "label": "less", "title": title, "on": None}
    if graph.beads or residual_runs(graph):
        yield {"name": "beads", "label": "every node", "title": BEADS_HELP, "on": graph.beads}


def _grant(graph: AttributionGraph) -> None:
    """Do what a button under the drawing asks for."""
    asked = st.session_state[_KEY]["asked"]
    if asked == "beads":
        change(beads=None if graph.beads else "1")
    elif asked in ("more", "less"):
        caps = graph.pruning.more() if asked == "more" else graph.pruning.less()
        put_caps(caps)


def _take() -> None:
    picked = st.session_state[_KEY]["picked"]
    if picked:
        link.put(at=None if picked == "none" else picked, head=None)
        keep_view()


def _zoom() -> list[float]:
    """What the link says of the drawing's zoom: how much, and how far it is moved, in shares of it; none as a whole."""
    try:
        k, x, y = map(float, link.get("zoom").split(","))
    except ValueError:  # none, or no numbers
        return []
    return [k, x, y] if 1 < k <= MOST_ZOOM and abs(x) <= k and abs(y) <= k else []


def _keep_zoom() -> None:
    if zoomed := st.session_state[_KEY]["zoomed"]:
        link.put(zoom=None if zoomed == "none" else zoomed)
