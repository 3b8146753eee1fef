"""The row of controls above the graph: view, rule, layers, pruning."""

import streamlit as st

from explorer.graph.prune import Pruning
from explorer.limits import DRAWN_EDGES, DRAWN_NODES
from explorer.ui import link
from explorer.ui.graph.state import change, change_button, is_full, keep_view
from explorer.ui.text import LRP_HELP, LRP_LABELS

VIEWS = {"story": "Story", "full": "Full"}
VIEW_HELP = (
    "Story: embedding and six layers, without the chat format's tokens. Full: every layer and token. "
    "In both a token's states that nothing else enters or leaves, a residual run, are one stroke"
)

_FREE = "A residual run counts as one edge, the nodes within it not at all"


def view_picker() -> None:
    """Draw the switch between story and full view; each begins with its own layers, tokens and nodes."""

    def settle() -> None:
        link.put(layers=None, template=None, beads=None)
        keep_view()

    link.segmented("View", "graph", VIEWS, "story", then=settle, help=VIEW_HELP)


def rule_picker() -> str:
    """Draw the picker of the rule."""
    return link.segmented("Rule", "rule", LRP_LABELS, "attnlrp", help=LRP_HELP)


def layers_menu(depth: int) -> None:
    """Draw the menu of what is drawn at all, which is written into the link; ``depth``: L."""
    with st.popover("Layers", icon=":material/layers:", help="Which layers and tokens are drawn"):
        change_button("All layers", "all-layers", help="Every block of the model", layers="all")
        change_button("Embedding + six", "six", help="Six layers, evenly spaced, the last among them", layers="six")
        hint = "Embedding and last layer are drawn in any case"
        chosen = st.multiselect("Own choice", list(range(depth + 1)), placeholder="choose layers", help=hint)
        layers = sorted({0, *chosen})
        draw = {"on_click": lambda: change(layers=layers), "disabled": not chosen, "help": "Draw the chosen layers"}
        st.button("Draw these", width="stretch", **draw)
        st.caption("Edges over layers left out are exact too: those layers are run again, once.")
        hint = "Leave the chat format's tokens out"
        link.toggle("Hide template", "template", not is_full(), help=hint, then=keep_view)


def pruning_menu() -> Pruning:
    """Draw the menu of thresholds and caps."""
    with st.popover("Pruning", icon=":material/filter_alt:", help="How much of the graph is drawn"):
        return linked_pruning()


def linked_pruning() -> Pruning:
    """Draw the fields of the thresholds and caps; return what the link says of them."""
    usual, more = Pruning(), {"then": keep_view}
    mass = "Keep, of each pair of layers, the strongest edges that together carry this share of the weight, Σ|A|"
    least = {"min_value": 0.0, "step": 0.01, **more}
    return Pruning(
        mass=link.slider("Keep edges that carry", "mass", 0.3, 1.0, usual.mass, step=0.01, help=mass, **more),
        max_edges=link.slider(
            *("At most so many edges", "edges", 20, DRAWN_EDGES, usual.max_edges),
            **{"step": 10, "help": f"The strongest win, from the contrast downwards. {_FREE}", **more},
        ),
        max_nodes=link.slider(
            *("At most so many nodes", "nodes", 10, DRAWN_NODES, usual.max_nodes),
            **{"step": 10, "help": f"Those that the strongest edges lead to win. {_FREE}", **more},
        ),
        edge_threshold=link.number(
            "Weakest edge drawn (logits)", "least", 0.0, help="Edges with less |A| are left out", **least
        ),
        node_threshold=link.number(
            "Weakest node drawn (logits)", "leastnode", 0.0, help="Nodes with less |R| are left out", **least
        ),
    )


def put_caps(pruning: Pruning) -> None:
    """Write other caps into the link."""
    caps = {"nodes": (pruning.max_nodes, Pruning.max_nodes), "edges": (pruning.max_edges, Pruning.max_edges)}
    link.put({name: None if cap == usual else str(cap) for name, (cap, usual) in caps.items()})
    keep_view()
