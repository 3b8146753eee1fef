"""The row of controls above the graph: rule, layers, pruning, a graph.json opened from a file."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.graph.build import parse_layers
from explorer.graph.graph_json import check_same, read_graph_json
from explorer.graph.prune import Drawing, Pruning
from explorer.limits import DRAWN_EDGES, DRAWN_NODES
from explorer.trace.explain import RULES, Explanation
from explorer.ui import link
from explorer.ui.graph.state import change, change_button, write_groups
from explorer.ui.text import show_error

LRP = {rule: RULES[rule] for rule in ("attnlrp", "cplrp")}
"""Rules that have edges."""
_OPENED = "graph-opened"


def rule_picker() -> str:
    """Draw the picker of the rule."""
    return link.segmented("Rule", "rule", LRP, "attnlrp")


def layers_menu(depth: int) -> None:
    """Draw the menu of the drawn layers, which are written into the link; ``depth``: L."""
    with st.popover("Layers", icon=":material/layers:"):
        change_button("All layers", "all-layers", layers=None)
        change_button("Embedding + six", "six", layers=parse_layers("six", depth))
        chosen = st.multiselect("Own choice", list(range(depth + 1)), placeholder="choose layers")
        layers = sorted({0, *chosen})
        st.button("Draw these", on_click=lambda: change(layers=layers), disabled=not chosen, width="stretch")
        st.caption("Edges over layers left out are exact too: those layers are run again, once.")


def pruning_menu() -> Pruning:
    """Draw the menu of thresholds and caps."""
    usual = Pruning()
    with st.popover("Pruning", icon=":material/filter_alt:"):
        return Pruning(
            mass=link.slider("Share of Σ|A| per layer", "mass", 0.3, 1.0, usual.mass, step=0.01),
            max_edges=link.slider("At most so many edges", "edges", 20, DRAWN_EDGES, usual.max_edges, step=10),
            max_nodes=link.slider("At most so many nodes", "nodes", 10, DRAWN_NODES, usual.max_nodes, step=10),
            edge_threshold=link.number("Least |A| (logits)", "least", 0.0, min_value=0.0, step=0.01),
            node_threshold=link.number("Least |R| (logits)", "leastnode", 0.0, min_value=0.0, step=0.01),
        )


def open_file(explanation: Explanation) -> Drawing | None:
    """Draw the field for a file; returns its drawing. Its marks go into the link when it is opened."""
    uploaded = st.file_uploader("Open a graph.json", type="json", max_upload_size=20)
    if not uploaded:
        return None
    try:
        file = read_graph_json(uploaded.getvalue(), uploaded.name)
        check_same(file, explanation)
    except ExplorerError as error:
        show_error(error)
        return None
    if st.session_state.get(_OPENED) != uploaded.file_id:
        st.session_state[_OPENED] = uploaded.file_id
        change(pins=file.marks.pinned, groups=write_groups(file.marks.groups))
        st.rerun()
    return file.drawing
