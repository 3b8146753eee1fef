"""The attribution graph on a canvas: the data that ``assets/graph/canvas.js`` draws, and a page that opens offline."""

import html
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from explorer.figures.labels import gap_label, graph_caption, quoted
from explorer.figures.save import html_page
from explorer.figures.style import coloured
from explorer.files import shipped
from explorer.graph.block_parts import VerticalParts
from explorer.graph.graph_json import node_id
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.prune import Edge, Node
from explorer.safe_text import hold_direction


def canvas_file(kind: str) -> str:
    """Return the canvas component's ``js``, ``css`` or ``html``."""
    return _asset(f"canvas.{kind}")


def graph_page(graph: AttributionGraph) -> str:
    """Return the drawing as an interactive page that makes no request, with a policy that forbids any.

    Token texts reach it as JSON only, and are drawn on the canvas or set as plain text.
    """
    data = json.dumps(canvas_data(graph) | {"standalone": True}, allow_nan=False)
    for character in "<>&":  # so that no text ends the script element or opens a comment
        data = data.replace(character, f"\\u{ord(character):04x}")
    wrong, right = map(quoted, graph.explanation.sides)
    texts = {"head": gap_label(graph.explanation), "caption": graph_caption(graph), "wrong": wrong, "right": right}
    escaped = {name: html.escape(text) for name, text in texts.items()}
    body = _asset("page.html").format(**escaped, canvas=canvas_file("html"), data=data)
    script = canvas_file("js").replace("export default ", "") + _asset("page.js")
    return html_page(f"{wrong} instead of {right}", body, canvas_file("css") + _asset("page.css"), script)


def _asset(name: str) -> str:
    return coloured(shipped(f"graph/{name}").read_text(encoding="utf-8"))


def canvas_data(
    graph: AttributionGraph, selected: str = "", path: Path | None = None, halves: Mapping[int, VerticalParts] = {}
) -> dict[str, Any]:
    """Return what the canvas component draws, as plain JSON values.

    Args:
        selected: id of the node, edge, gap or column that is selected.
        path: drawn bold.
        halves: layer below a block → its parts, for blocks that are opened into attention and MLP.
    """
    scene, explanation = _Scene(graph, halves), graph.explanation
    wrong, right = map(hold_direction, explanation.sides)
    return {
        "nodes": scene.nodes,
        "edges": scene.edges,
        "columns": [asdict(column) | {"folded": column.folded} for column in graph.columns],
        "rows": list(graph.drawing.layers),
        "scene": f"{explanation.model} {hash(explanation.trace.ids)}",
        "opened": sorted(halves),
        "contrast": scene.index[graph.contrast],
        "title": f"{wrong} instead of {right}: {explanation.trace.gap:+.2f} logits",
        "selected": selected,
        "path": [[node_id(a), node_id(b)] for a, b in pairwise(path.nodes)] if path else [],
    }


class _Scene:
    """Nodes and edges as the component takes them; edges name nodes by their ``index`` in ``nodes``."""

    def __init__(self, graph: AttributionGraph, halves: Mapping[int, VerticalParts]) -> None:
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
            half = {"id": f"{above['id']}-{name}", "part": name, "relevance": 0.0, "pinned": False, "group": ""}
            self.nodes.append({**above, **half, "col": above["col"] + shift, "row": above["row"] - 0.5})
            self.edges.append([self.index[key], self.index[target], 0.0])
            self.index[key, "out"] = len(self.edges) - 1
        self.nodes[self.index[key]]["relevance"] += share
        self.edges[self.index[key, "out"]][2] += share
        self.edges.append([self.index[source], self.index[key], share])


def _node(graph: AttributionGraph, node: Node) -> dict[str, Any]:
    (layer, token), (column, row) = node, graph.positions[node]
    place = {"id": node_id(node), "layer": layer, "token": token, "col": column, "row": row}
    group = graph.marks.group_of.get(node, "")
    marks = {"pinned": node in graph.marks.pinned or bool(group), "group": group}
    text, relevance = graph.explanation.tokens[token].text, graph.drawing.nodes[node]
    return {**place, "text": text, "relevance": relevance, **marks}
