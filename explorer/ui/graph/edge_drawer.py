"""The drawer of an edge: its heads and paths, a residual run's layers, or the edges that a sum stands for."""

import numpy as np
import streamlit as st

from explorer.errors import count
from explorer.figures.labels import visible
from explorer.graph.build import TracedEdges
from explorer.graph.edges import EdgeSplit, split_edge
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Node
from explorer.graph.scene import Scene, Shown, Stroke
from explorer.trace.explain import Explanation
from explorer.ui import charts, components, link
from explorer.ui.graph.drawer import HINT
from explorer.ui.graph.state import keep_view
from explorer.ui.text import plain

_HEADS = "graph-heads"
_LISTED = 12


def edge_drawer(edges: TracedEdges, graph: AttributionGraph, scene: Scene, stroke: Stroke) -> None:
    """Draw what is selected by a click on an edge."""
    source, target = scene.nodes[stroke.source], scene.nodes[stroke.target]
    explanation = edges.explanation
    st.markdown(f"**{_name(explanation, source)}** → **{_name(explanation, target)}**")
    if stroke.run:
        _run(graph, stroke)
    elif "group" in (source.part, target.part):
        _sum(explanation, graph, stroke)
    elif source.part:
        st.caption(f"{stroke.weight:+.3g} logits of the drawn edges leave {source.part} towards its node")
    elif source.members[0][1] == target.members[0][1] and source.members[0][0] in graph.halves:
        _part(stroke, target)
    else:
        _split(edges, *stroke.edges[0])


def _name(explanation: Explanation, shown: Shown) -> str:
    if shown.part == "group":
        return plain(shown.name)
    layer, token = shown.members[0]
    where = f"{shown.part}, block {layer}" if shown.part else f"layer {layer}"
    return f"{plain(visible(explanation.tokens[token].text))} ({where})"


def _run(graph: AttributionGraph, stroke: Stroke) -> None:
    """Draw a residual run: the relevance of each of its nodes."""
    st.caption(
        f"The residual stream carries {stroke.weight:+.3g} logits on average here; nothing else enters or leaves it. "
        "Relevance by layer:"
    )
    layers = graph.drawing.layers
    rows = [charts.bar_row(f"layer {layers[int(row)]}", value) for row, value in reversed(stroke.run)]
    scale = max(abs(value) for _, value in stroke.run)
    charts.show_bars("graph-run", [{"title": "", "rows": rows}], scale, linked=False, selected=None)


def _sum(explanation: Explanation, graph: AttributionGraph, stroke: Stroke) -> None:
    """Draw an edge of a group: the edges of its members that it is the sum of."""
    weights = {(source, target): weight for source, target, weight in graph.drawing.edges}
    st.caption(f"{stroke.weight:+.3g} logits, the sum of {count(len(stroke.edges), 'edge')}")
    order = sorted(stroke.edges, key=lambda edge: -abs(weights[edge]))[:_LISTED]
    rows = [charts.bar_row(" → ".join(_short(explanation, node) for node in edge), weights[edge]) for edge in order]
    scale = max(abs(value) for row in rows for value in row[1:3])
    groups = [{"title": f"Strongest {len(rows)}" if len(rows) > 1 else "", "rows": rows}]
    charts.show_bars("graph-sum", groups, scale, linked=False, selected=None)


def _short(explanation: Explanation, node: Node) -> str:
    return f"{visible(explanation.tokens[node[1]].text)}@{node[0]}"


def _part(stroke: Stroke, target: Shown) -> None:
    """Draw the part of a token's edge to itself that passes one half of a block, or none."""
    way = f"through {target.part}" if target.part else "by the residual connection, past both halves"
    st.caption(f"{stroke.weight:+.3g} logits stay on this token {way}")


def _split(edges: TracedEdges, source: Node, target: Node) -> None:
    """Draw an edge's heads, value and key path, and what the chosen head brings and looks at."""
    if target[0] != source[0] + 1:
        st.caption("This edge spans several layers: open the gap to see its heads.")
        return
    split = split_edge(edges.view, edges.explanation.trace, source[0], target[1], source[1])
    st.caption(f"{split.total:+.3g} logits in all; exact, from the same trace")
    heads = [
        charts.bar_row(f"head {head}", value + key, head, f"value {value:+.2g}, key {key:+.2g}")
        for head, (value, key) in enumerate(zip(split.value, split.key, strict=True))
    ]
    by_path = {"value path": split.value.sum(), "key path": split.key.sum()}
    by_path |= {"past attention": split.rest} if source[1] == target[1] else {}
    paths = [charts.bar_row(name, value) for name, value in by_path.items()]
    scale = max(abs(value) for row in [*heads, *paths] for value in row[1:3])
    groups = [{"title": "By head", "rows": heads, "empty": ""}, {"title": "By path", "rows": paths, "empty": ""}]
    picked = link.whole(link.get("head"))
    picked = picked if picked is not None and picked < len(heads) else None
    data = {"groups": groups, "scale": scale or 1.0, "linked": False, "selected": picked}
    components.bars(key=_HEADS, data=data, on_selected_change=_take_head)
    strongest = int(np.abs(split.value + split.key).argmax())
    _head(edges.explanation, split, strongest if picked is None else picked, source, target)


def _take_head() -> None:
    head = st.session_state[_HEADS]["selected"]
    link.put(head=None if head is None or head < 0 else str(head))
    keep_view()


def _head(explanation: Explanation, split: EdgeSplit, head: int, source: Node, target: Node) -> None:
    """Draw one head at the edge's target: its share of the edge, its other edges, where it looks."""
    value, key, every = split.value[head], split.key[head], split.by_source[head]
    a, b = _short(explanation, source), _short(explanation, target)
    st.caption(
        f"Head {head} of block {target[0]} carries {value + key:+.3g} logits of this edge ({plain(a)} → {plain(b)}): "
        f"{value:+.3g} by its values, {key:+.3g} by its keys. To {plain(b)} it brings {every.sum():+.3g} in all."
    )
    words = {"unit": "logits", "caption": f"What head {head} brings there from each token", "hint": HINT}
    charts.show_token_map(explanation, "graph-brought", every, linked=False, **words)
    attention = split.attention[head]
    words = {"unit": "attention", "measure": "attends", "caption": f"Where head {head} looks from there", "hint": HINT}
    colours = {"signed": False, "scale": float(attention.max())}
    charts.show_token_map(explanation, "graph-attention", attention, linked=False, **words, **colours)
