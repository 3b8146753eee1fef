"""The graph's drawing: an AttributionGraph as data of the canvas component."""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import streamlit as st

from explorer.graph.block_parts import VerticalParts
from explorer.graph.graph_json import node_id
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.prune import Edge, Node
from explorer.ui import components, link

_KEY = "graph-canvas"
_SKIPPED = " Where layers are left out, only edges into the tokens that hold 95 % of |relevance| are counted."


def show_graph(graph: AttributionGraph, picked: str, path: Path | None, halves: dict[int, VerticalParts]) -> None:
    """Draw the graph; what is clicked goes into the link as ``at``.

    Args:
        picked: what is selected.
        path: drawn bold.
        halves: layer below a block → its parts, for blocks that are opened into attention and MLP.
    """
    scene = _Scene(graph, halves)
    explanation = graph.explanation
    wrong, right = explanation.sides
    data = {
        "nodes": scene.nodes,
        "edges": scene.edges,
        "columns": [asdict(column) | {"folded": column.folded} for column in graph.columns],
        "rows": list(graph.drawing.layers),
        "scene": f"{explanation.model} {hash(explanation.trace.ids)}",
        "opened": sorted(halves),
        "contrast": scene.index[graph.contrast],
        "title": f"{wrong} instead of {right}: {explanation.trace.gap:+.2f} logits",
        "selected": picked,
        "path": [[node_id(a), node_id(b)] for a, b in pairwise(path.nodes)] if path else [],
    }
    components.graph(key=_KEY, data=data, on_picked_change=_take)


def _take() -> None:
    picked = st.session_state[_KEY]["picked"]
    if picked:
        link.put(at=None if picked == "none" else picked)


def show_caption(graph: AttributionGraph) -> None:
    """Say how much of the whole graph is drawn."""
    drawing = graph.drawing
    skipped = any(pair.high > pair.low + 1 for pair in graph.pairs)
    st.caption(
        f"Drawn: {len(drawing.nodes):,} of {drawing.total_nodes:,} nodes with {drawing.node_share:.0%} of |relevance|, "
        f"{len(drawing.edges):,} of {drawing.total_edges:,} edges with {drawing.edge_share:.0%} of Σ|A|. "
        "Red carries relevance towards the wrong answer, blue towards the right one; width is |A|."
        + (_SKIPPED if skipped else "")
    )


class _Scene:
    """Nodes and edges as the component takes them; edges name nodes by their ``index`` in ``nodes``."""

    def __init__(self, graph: AttributionGraph, halves: dict[int, VerticalParts]) -> None:
        self.nodes: list[dict[str, Any]] = [_node(graph, node) for node in graph.drawing.nodes]
        self.index: dict[Any, int] = {node: number for number, node in enumerate(graph.drawing.nodes)}
        self.edges: list[list[Any]] = []
        for source, target, weight in graph.drawing.edges:
            if source[0] in halves and target[0] == source[0] + 1:
                self._lead_through_halves((source, target, weight), halves[source[0]])
            else:
                self.edges.append([self.index[source], self.index[target], weight])

    def _lead_through_halves(self, edge: Edge, parts: VerticalParts) -> None:
        """Lead an edge through its block's halves, drawn between the two rows as squares."""
        source, target, weight = edge
        token = source[1]
        if token != target[1]:
            self._half(source, target, "attention", -0.22, weight)
            return
        self._half(source, target, "attention", -0.22, float(parts.attention[token]))
        self._half(source, target, "MLP", 0.22, float(parts.mlp[token]))
        self.edges.append([self.index[source], self.index[target], float(parts.residual[token])])

    def _half(self, source: Node, target: Node, name: str, shift: float, share: float) -> None:
        key = (target, name)
        if key not in self.index:
            self.index[key] = len(self.nodes)
            above = self.nodes[self.index[target]]
            self.nodes.append(
                {**above, "id": f"{above['id']}-{name}", "part": name, "relevance": 0.0, "pinned": False, "group": ""}
                | {"col": above["col"] + shift, "row": above["row"] - 0.5}
            )
            self.edges.append([self.index[key], self.index[target], 0.0])
            self.index[key, "out"] = len(self.edges) - 1
        self.nodes[self.index[key]]["relevance"] += share
        self.edges[self.index[key, "out"]][2] += share
        self.edges.append([self.index[source], self.index[key], share])


def _node(graph: AttributionGraph, node: Node) -> dict[str, Any]:
    column, row = graph.positions[node]
    group = graph.marks.group_of.get(node, "")
    return {
        "id": node_id(node),
        "layer": node[0],
        "token": node[1],
        "col": column,
        "row": row,
        "text": graph.explanation.tokens[node[1]].text,
        "relevance": graph.drawing.nodes[node],
        "pinned": node in graph.marks.pinned or bool(group),
        "group": group,
    }
