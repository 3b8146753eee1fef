"""The drawer beside the graph: what is selected, in figures, and the next step."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer.figures.labels import visible
from explorer.graph.ablate import ablate
from explorer.graph.build import TracedEdges
from explorer.graph.edges import split_edge
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.prune import Node
from explorer.trace.explain import Explanation
from explorer.ui import charts, navigation
from explorer.ui.graph.state import GraphView, change, change_button, write_groups
from explorer.ui.page_states import TrainingDataState
from explorer.ui.text import plain

_HEADS = "graph-heads"
_FOLDED = "Edges over the folded layers are computed exactly, by running them again."
_HINT = "Hover over a token for its figure."


def node_drawer(edges: TracedEdges, view: GraphView, node: Node, paths: list[Path]) -> None:
    """Draw a node: its relevance, its paths, the heatmap as seen from it; pin, hide, ablate."""
    explanation = edges.explanation
    layer, token = node
    text = explanation.tokens[token]
    st.markdown(f"**{plain(visible(text.text))}** · {'embedding' if layer == 0 else f'layer {layer}'}")
    st.caption(f"relevance {explanation.trace.relevance[layer, token]:+.3g} logits · position {token} · {text.segment}")
    others = tuple(other for other in view.marks.pinned if other != node)
    label, pins = ("Unpin", others) if node in view.marks.pinned else ("Pin", (*others, node))
    with st.container(horizontal=True, gap="small"):
        change_button(label, label.lower(), "content", pins=pins)
        change_button("Hide token", "hide-token", "content", hide=sorted(view.hidden | {token}))
    if layer:
        _training_data_links(node)
    with st.spinner("Looking down from this node"):
        values = edges.seen_from(node)
    caption = "As seen from this node"
    charts.show_token_map(explanation, "graph-seen", values, linked=False, unit="logits", caption=caption, hint=_HINT)
    if paths:
        st.caption("Strongest paths through it (product of edge shares); the first is drawn bold")
    for path in paths:
        st.caption(f"{path.share:.2%} · {plain(' → '.join(_short_path(explanation, path)))}")
    _ablation(edges, view, node)


def _training_data_links(node: Node) -> None:
    with st.container(horizontal=True, gap="small"):
        for half, label in (("state", "Training data: state"), ("gradient", "gradient")):
            state = TrainingDataState(node=f"{node[0]}:{node[1]}", half=half)
            hint = f"Training data that shaped this {half}"
            navigation.page_link(navigation.TRAINING_DATA, label=label, help=hint, state=state)


def _short_path(explanation: Explanation, path: Path) -> list[str]:
    """Return the tokens of a path, each once a run, with the layer at which the path arrives there."""
    before = (None, *(token for _, token in path.nodes))
    steps = zip(path.nodes, before, strict=False)
    return [f"{visible(explanation.tokens[token].text)}@{layer}" for (layer, token), last in steps if token != last]


def _ablation(edges: TracedEdges, view: GraphView, node: Node) -> None:
    """Take the node, or all pinned ones, out of the model and compare with the graph's prediction."""
    with st.expander("Ablate", icon=":material/content_cut:"):
        how = "zero" if st.toggle("Put zeros in its place, not the layer's mean state") else "mean"
        which = st.segmented_control("Nodes", ["this one", "all pinned"], default="this one", required=True)
        nodes = [node] if which == "this one" else list(view.marks.pinned)
        if st.button("Run the model without", width="stretch", disabled=not nodes):
            trace, contrast = edges.explanation.trace, edges.explanation.contrast
            result = ablate(edges.view, trace, (contrast.target, contrast.foil), nodes, how)
            st.metric("Δℓ without", f"{result.after:+.2f}", f"{result.after - result.before:+.2f}", delta_color="off")
            st.caption(
                f"before {result.before:+.2f}; the graph predicts {result.predicted:+.2f} "
                "(first order; nodes that feed each other are counted twice)"
            )


def edge_drawer(edges: TracedEdges, source: Node, target: Node) -> None:
    """Draw an edge: its heads, value and key path, and the chosen head's attention."""
    explanation = edges.explanation
    a, b = (plain(visible(explanation.tokens[token].text)) for _, token in (source, target))
    st.markdown(f"**{a}** (layer {source[0]}) → **{b}** (layer {target[0]})")
    if target[0] != source[0] + 1:
        st.caption("This edge spans several layers: open the gap to see its heads.")
        return
    view = edges.view
    split = split_edge(view, explanation.trace, source[0], target[1], source[1])
    st.caption(f"{split.total:+.3g} logits in all; exact, from the same trace")
    heads = [
        charts.bar_row(f"head {head}", value + key, head, f"value {value:+.2g}, key {key:+.2g}")
        for head, (value, key) in enumerate(zip(split.value, split.key, strict=True))
    ]
    by_path = {"value path": split.value.sum(), "key path": split.key.sum()}
    by_path |= {"past attention": split.rest} if source[1] == target[1] else {}
    paths = [charts.bar_row(name, value) for name, value in by_path.items()]
    scale = max(abs(value) for row in [*heads, *paths] for value in row[1:3])
    picked = st.session_state.get(_HEADS, {}).get("selected")
    groups = [{"title": "By head", "rows": heads}, {"title": "By path", "rows": paths}]
    charts.show_bars(_HEADS, groups, scale, linked=False, selected=picked)
    strongest = int(np.abs(split.value + split.key).argmax())
    head = picked if picked is not None and picked < len(heads) else strongest
    attention = split.attention[head]
    words = {"unit": "attention", "measure": "attends", "caption": f"Where head {head} looks from there", "hint": _HINT}
    colours = {"signed": False, "scale": float(attention.max())}
    charts.show_token_map(explanation, "graph-attention", attention, linked=False, **words, **colours)


def gap_drawer(view: GraphView, graph: AttributionGraph, low: int, high: int, statistics: pd.DataFrame) -> None:
    """Draw a gap between two drawn layers: expand it, or fold layers away."""
    st.markdown(f"**Layers {low} → {high}**")
    rows: Any = statistics.itertuples()
    row = next(row for row in rows if row.layer == high)
    st.caption(
        f"{row.drawn_edges} edges drawn; {row.verticality:.0%} of |A| stays on its token; the rest looks back "
        f"{row.look_back / max(1 - row.verticality, 1e-9):.1f} tokens on average"
    )
    layers, halves = graph.drawing.layers, view.halves
    if high > low + 1:
        change_button("Expand into every layer", "expand", layers=sorted({*layers, *range(low, high + 1)}))
    elif low in halves:
        change_button("Close the halves", "close-halves", halves=sorted(halves - {low}))
    else:
        change_button("Open into attention and MLP", "halves", halves=sorted(halves | {low}))
    folded = [layer for layer in layers if low <= layer <= high and layer not in (layers[0], layers[-1])]
    rest = [layer for layer in layers if layer not in folded]
    if folded and len(rest) >= 2:
        label = f"Fold layer{'s' if len(folded) > 1 else ''} {', '.join(map(str, folded))} away"
        change_button(label, "fold", help=_FOLDED, layers=rest)


def marks_drawer(view: GraphView) -> None:
    """Draw pinned nodes, groups and hidden tokens, with a way back for each."""
    marks = view.marks
    if marks.pinned:
        st.caption(f"{len(marks.pinned)} pinned")
        name = st.text_input("Group the pinned nodes as", key="graph-group", placeholder="a name")[:40]
        if name and st.button("Make the group"):
            others = tuple(group for group in marks.groups if group[0] != name)
            change(groups=write_groups((*others, (name, marks.pinned))), pins=())
            st.rerun()
    for name, members in marks.groups:
        rest = write_groups(tuple(group for group in marks.groups if group[0] != name))
        change_button(f"Dissolve {plain(name)} ({len(members)})", f"dissolve-{name}", "content", groups=rest)
    if view.hidden:
        change_button(f"Show the {len(view.hidden)} hidden tokens", "unhide", "content", hide=None)


def layers_drawer(statistics: pd.DataFrame) -> None:
    """Draw a table of every drawn layer."""
    st.caption("Click a node, an edge, the space between two layer numbers, or a folded column.")
    st.caption("By layer: edges into it, share that stays on its token, mean look-back, concentration of |relevance|")
    number = st.column_config.NumberColumn
    columns = {
        "drawn_nodes": "nodes",
        "drawn_edges": "edges",
        "verticality": number("vertical", format="percent"),
        "look_back": number("look-back", format="%.1f", help="tokens"),
        "gini": number("Gini", format="%.2f"),
        "tokens_90": number("90 % in", help="tokens that hold 90 % of |relevance|"),
    }
    st.dataframe(statistics[::-1], height=420, hide_index=True, column_config=columns)
