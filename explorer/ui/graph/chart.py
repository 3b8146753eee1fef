"""The graph's drawing: a Drawing and its layout as data of the canvas component."""

from itertools import pairwise
from typing import Any

import streamlit as st

from explorer.graph.block_parts import VerticalParts
from explorer.graph.graph_json import Marks, node_id
from explorer.graph.layout import Column, positions
from explorer.graph.paths import Path
from explorer.graph.prune import Drawing
from explorer.trace.explain import Explanation
from explorer.ui.components import graph
from explorer.ui.session import put_query


def show_graph(
    shown: Explanation,
    drawing: Drawing,
    columns: list[Column],
    marks: Marks,
    picked: str,
    path: Path | None,
    halves: dict[int, VerticalParts],
) -> None:
    """Draw it; what is clicked goes into the link as ``at``."""
    place = positions(drawing, columns)
    named = {node: name for name, members in marks.groups for node in members}
    nodes: list[dict[str, Any]] = []
    index = {}
    for node, relevance in drawing.nodes.items():
        index[node] = len(nodes)
        col, row = place[node]
        nodes.append(
            {
                "id": node_id(node),
                "layer": node[0],
                "token": node[1],
                "col": col,
                "row": row,
                "text": shown.tokens[node[1]].text,
                "relevance": relevance,
                "pinned": node in marks.pinned or node in named,
                "group": named.get(node, ""),
            }
        )
    edges: list[list[Any]] = []
    for source, target, weight in drawing.edges:
        if source[0] in halves and target[0] == source[0] + 1:
            _through_halves(nodes, edges, index, source, target, weight, halves[source[0]])
        else:
            edges.append([index[source], index[target], weight])
    wrong, right = shown.sides
    contrast = (drawing.layers[-1], len(shown.tokens) - 1)
    data = {
        "nodes": nodes,
        "edges": edges,
        "columns": [
            {"first": c.first, "last": c.last, "text": c.text, "segment": c.segment, "folded": c.folded}
            for c in columns
        ],
        "rows": list(drawing.layers),
        "scene": f"{shown.model} {hash(shown.trace.ids)}",
        "opened": sorted(halves),
        "contrast": index[contrast],
        "title": f"{wrong} instead of {right}: {shown.trace.gap:+.2f} logits",
        "selected": picked,
        "path": [[node_id(a), node_id(b)] for a, b in pairwise(path.nodes)] if path else [],
    }
    graph(key="graph", data=data, on_picked_change=_take)


def _take() -> None:
    picked = st.session_state["graph"]["picked"]
    if picked:
        put_query(at=None if picked == "none" else picked)


def _through_halves(
    nodes: list[dict[str, Any]],
    edges: list[list[Any]],
    index: dict[Any, int],
    source: tuple[int, int],
    target: tuple[int, int],
    weight: float,
    parts: VerticalParts,
) -> None:
    """Lead an edge through its block's halves, drawn between the two rows as squares."""

    def half(name: str, shift: float, share: float) -> None:
        key = (target, name)
        if key not in index:
            index[key] = len(nodes)
            above = nodes[index[target]]
            nodes.append(
                {**above, "id": f"{above['id']}-{name}", "part": name, "relevance": 0.0, "pinned": False, "group": ""}
                | {"col": above["col"] + shift, "row": above["row"] - 0.5}
            )
            edges.append([index[key], index[target], 0.0])
            index[key, "out"] = len(edges) - 1
        nodes[index[key]]["relevance"] += share
        edges[index[key, "out"]][2] += share
        edges.append([index[source], index[key], share])

    if source[1] != target[1]:
        half("attention", -0.22, weight)
        return
    token = source[1]
    half("attention", -0.22, float(parts.attention[token]))
    half("MLP", 0.22, float(parts.mlp[token]))
    edges.append([index[source], index[target], float(parts.residual[token])])
