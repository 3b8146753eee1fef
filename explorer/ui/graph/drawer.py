"""The drawer beside the graph: the node, group, half, gap or table of layers that is selected, and the next step."""

from math import fsum
from typing import Any

import pandas as pd
import streamlit as st

from explorer.errors import count
from explorer.figures.labels import visible
from explorer.graph.build import TracedEdges
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.prune import Node
from explorer.graph.scene import Scene, Shown
from explorer.trace.explain import Explanation
from explorer.ui import charts, navigation
from explorer.ui.graph.ablations import ablate_button, how_picker
from explorer.ui.graph.state import GraphView, change, change_button, write_groups
from explorer.ui.page_states import TrainingDataState
from explorer.ui.text import plain

HINT = "Hover over a token for its figure."
_FOLDED = "Edges over the folded layers are computed exactly, by running them again."
_LISTED = 6
_FEW_LAYERS = 10
"""Layers whose table is not scrolled."""


def node_drawer(edges: TracedEdges, view: GraphView, node: Node, paths: list[Path]) -> None:
    """Draw a node: its relevance, its paths, the heatmap as seen from it; pin, ablate, hide."""
    explanation = edges.explanation
    layer, token = node
    text = explanation.tokens[token]
    st.markdown(f"**{plain(visible(text.text))}** · {'embedding' if layer == 0 else f'layer {layer}'}")
    st.caption(f"relevance {explanation.trace.relevance[layer, token]:+.3g} logits · position {token} · {text.segment}")
    others = tuple(other for other in view.marks.pinned if other != node)
    label, pins = ("Unpin", others) if node in view.marks.pinned else ("Pin", (*others, node))
    with st.container(horizontal=True, gap="small"):
        change_button(label, label.lower(), "content", "Pinned nodes stay drawn, and can be grouped", pins=pins)
        ablate_button(view, (node,), "ablate")
        hide = {"hide": sorted(view.hidden | {token})}
        change_button("Hide token", "hide-token", "content", "Leave this token out of the drawing", **hide)
    how_picker()
    if layer:
        _training_data_links(node)
    with st.spinner("Looking down from this node"):
        values = edges.seen_from(node)
    caption = "As seen from this node"
    charts.show_token_map(explanation, "graph-seen", values, linked=False, unit="logits", caption=caption, hint=HINT)
    _paths(explanation, paths)


def _training_data_links(node: Node) -> None:
    with st.container(horizontal=True, gap="small"):
        for half, label in (("state", "Training data: state"), ("gradient", "gradient")):
            state = TrainingDataState(node=f"{node[0]}:{node[1]}", half=half)
            hint = f"Training data that shaped this {half}"
            navigation.page_link(navigation.TRAINING_DATA, label=label, help=hint, state=state)


def _paths(explanation: Explanation, paths: list[Path]) -> None:
    """List the strongest drawn paths; the first is the one that is drawn bold."""
    if not paths:
        st.caption("No drawn path leads from here to the contrast.")
        return
    st.caption("Strongest drawn paths through it, by their thinnest edge; the first is drawn bold")
    for path in paths:
        st.caption(f"{path.thinnest:+.3g} logits · {plain(' → '.join(_short_path(explanation, path)))}")


def _short_path(explanation: Explanation, path: Path) -> list[str]:
    """Return the tokens of a path, each once a run, with the layer at which the path arrives there."""
    before = (None, *(token for _, token in path.nodes))
    steps = zip(path.nodes, before, strict=False)
    return [f"{visible(explanation.tokens[token].text)}@{layer}" for (layer, token), last in steps if token != last]


def group_drawer(edges: TracedEdges, view: GraphView, scene: Scene, shown: Shown, paths: list[Path]) -> None:
    """Draw a group: its members, Σ of their relevance, Σ of the edges into it and out of it."""
    explanation, trace = edges.explanation, edges.explanation.trace
    st.markdown(f"**{plain(shown.name)}** · group of {count(len(shown.members), 'node')}")
    layers = {layer for layer, _ in shown.members}
    twice = "; what passes through several of its layers is counted in each" if len(layers) > 1 else ""
    st.caption(f"relevance {shown.relevance:+.3g} logits, the sum of its members{twice}")
    with st.container(horizontal=True, gap="small"):
        ablate_button(view, shown.members, "ablate-group")
        _dissolve_button(view, int(shown.id.partition("-")[2]), "Dissolve", "dissolve-this")
    how_picker()
    at = scene.nodes.index(shown)
    arriving, leaving = (
        fsum(stroke.weight for stroke in scene.strokes if end(stroke) == at)
        for end in (lambda stroke: stroke.target, lambda stroke: stroke.source)
    )
    rows = [charts.bar_row(_node_name(explanation, node), trace.relevance[node]) for node in reversed(shown.members)]
    sums = [("into it", arriving), ("out of it", leaving), ("inside", shown.inside)]
    totals = [charts.bar_row(name, value) for name, value in sums]
    scale = max(abs(value) for row in [*rows, *totals] for value in row[1:3])
    groups = [{"title": "Members", "rows": rows}, {"title": "Sums of its drawn edges", "rows": totals}]
    charts.show_bars("graph-members", groups, scale, linked=False, selected=None)
    _paths(explanation, paths)


def _node_name(explanation: Explanation, node: Node) -> str:
    return f"{visible(explanation.tokens[node[1]].text)}@{node[0]}"


def half_drawer(edges: TracedEdges, shown: Shown) -> None:
    """Draw a half of a block at one token: what it brings there, and from which tokens."""
    explanation, (layer, token) = edges.explanation, shown.members[0]
    name = plain(visible(explanation.tokens[token].text))
    st.markdown(f"**{shown.part}** of block {layer} · **{name}**")
    values = edges.through_half(layer, token, shown.part)
    own, others = float(values[token]), float(values.sum() - values[token])
    st.caption(
        f"{shown.relevance:+.3g} logits reach this token through {shown.part}: {own:+.3g} from the token itself"
        + (f", {others:+.3g} from other tokens" if shown.part == "attention" else "")
        + f"; relevance of the whole node {explanation.trace.relevance[layer, token]:+.3g}"
    )
    order = sorted(range(len(values)), key=lambda source: -abs(values[source]))
    rows = [
        charts.bar_row(f"{visible(explanation.tokens[source].text)}@{layer - 1}", values[source], source)
        for source in order[:_LISTED]
        if values[source]
    ]
    title = f"Strongest edges through {shown.part}"
    scale = float(abs(values).max())
    charts.show_bars("graph-half", [{"title": title, "rows": rows}], scale, linked=False, selected=None)
    change_button("Select the whole node", "whole-node", help="Not this half alone", at=f"node:{layer}_{token}")


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
        change_button(
            "Expand into every layer",
            "expand",
            help="Draw the layers between",
            layers=sorted({*layers, *range(low, high + 1)}),
        )
    elif low in halves:
        change_button(
            "Close the halves", "close-halves", help="Draw the block as one step again", halves=sorted(halves - {low})
        )
    else:
        change_button(
            "Open into attention and MLP", "halves", help="Draw both halves of the block", halves=sorted(halves | {low})
        )
    folded = [layer for layer in (low, high) if layer not in (layers[0], layers[-1])]
    rest = [layer for layer in layers if layer not in folded]
    if folded and len(rest) >= 2:
        label = f"Fold layer{'s' if len(folded) > 1 else ''} {', '.join(map(str, folded))} away"
        change_button(label, "fold", help=_FOLDED, layers=rest)


def marks_drawer(view: GraphView) -> None:
    """Draw pinned nodes, groups and hidden tokens, with a way back for each."""
    marks = view.marks
    if marks.pinned:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{len(marks.pinned)} pinned")
            ablate_button(view, marks.pinned, "ablate-pinned", "Ablate all pinned")
        hint = "A group is drawn as one node with the sums of its members' edges"
        name = st.text_input("Group the pinned nodes as", key="graph-group", placeholder="a name", help=hint)[:40]
        if name and st.button("Make the group", help=hint):
            others = tuple(group for group in marks.groups if group[0] != name)
            change(groups=write_groups((*others, (name, marks.pinned))), pins=(), at=f"node:group-{len(others)}")
            st.rerun()
    for number, (name, members) in enumerate(marks.groups):
        _dissolve_button(view, number, f"Dissolve {plain(name)} ({len(members)})", f"dissolve-{number}")
    if view.hidden:
        change_button(f"Show the {len(view.hidden)} hidden tokens", "unhide", "content", "Draw them again", hide=None)


def _dissolve_button(view: GraphView, number: int, label: str, key: str) -> None:
    """Draw a button that makes a group's members nodes of their own again; groups are counted anew then."""
    rest = write_groups(tuple(group for at, group in enumerate(view.marks.groups) if at != number))
    change_button(label, key, "content", "Draw its members as nodes of their own again", groups=rest, at=None)


def layers_drawer(statistics: pd.DataFrame) -> None:
    """Draw a table of every drawn layer."""
    st.caption("Click a node, an edge, the space between two layer numbers, or a folded column.")
    number = st.column_config.NumberColumn
    columns = {
        "layer": number("layer", help="0 is the embedding"),
        "drawn_nodes": number("nodes", help="drawn nodes on it"),
        "drawn_edges": number("edges", help="drawn edges into it"),
        "verticality": number("stays", format="percent", help="Verticality: share of Σ|A| that stays on its token"),
        "look_back": number(
            "from afar", format="%.1f", help="Look-back: mean distance in tokens that relevance comes from, by |A|"
        ),
        "gini": number(
            "focus", format="%.2f", help="How concentrated |relevance| is (Gini): 0 even, 1 all on one token"
        ),
        "tokens_90": number("90 % in", help="tokens that hold 90 % of |relevance|"),
    }
    height = "content" if len(statistics) <= _FEW_LAYERS else 420
    st.dataframe(statistics[::-1], height=height, hide_index=True, column_config=columns, placeholder="–")
