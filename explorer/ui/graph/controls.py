"""The row of controls above the graph: rule, layers, pruning."""

import streamlit as st

from explorer.graph.build import parse_layers
from explorer.graph.prune import Pruning
from explorer.trace.explain import RULES
from explorer.ui import link
from explorer.ui.graph.state import change

LRP = {rule: RULES[rule] for rule in ("attnlrp", "cplrp")}
"""Rules that have edges."""


def rule_picker() -> str:
    """Draw the picker of the rule."""
    return link.segmented("Rule", "rule", LRP, "attnlrp")


def layers_menu(depth: int) -> None:
    """Draw the menu of the drawn layers, which are written into the link; ``depth``: L."""
    with st.popover("Layers", icon=":material/layers:"):
        six = parse_layers("six", depth)
        st.button("All layers", on_click=lambda: change(layers=None), width="stretch")
        st.button("Embedding + six", on_click=lambda: change(layers=six), width="stretch", key="graph-six")
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
            max_edges=link.slider("At most so many edges", "edges", 20, 1500, usual.max_edges, step=10),
            max_nodes=link.slider("At most so many nodes", "nodes", 10, 600, usual.max_nodes, step=10),
            edge_threshold=link.number("Least |A| (logits)", "least", 0.0, min_value=0.0, step=0.01),
            node_threshold=link.number("Least |R| (logits)", "leastnode", 0.0, min_value=0.0, step=0.01),
        )
