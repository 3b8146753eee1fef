"""The attribution graph on a canvas: the data that ``assets/graph/canvas.js`` draws, and a page that opens offline."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from explorer.figures.caption import CAPTION_CSS, caption_html
from explorer.figures.graph_caption import graph_caption
from explorer.figures.save import html_page
from explorer.figures.style import coloured
from explorer.files import shipped
from explorer.graph.graph_json import named_nodes
from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import Path
from explorer.graph.scene import Scene, Shown, Stroke, scene_of
from explorer.safe_text import hold_direction, quoted
from explorer.trace.explain import RULES, Explanation

MOST_ZOOM = 12
"""How many times as large as fitted the drawing can be."""


def canvas_file(kind: str) -> str:
    """Return the canvas component's ``js``, ``css`` or ``html``."""
    return _asset(f"canvas.{kind}")


def graph_page(graph: AttributionGraph, link: str = "") -> str:
    """Return the drawing as an interactive page that makes no request, with a policy that forbids any.

    Token texts reach it as JSON only, and are drawn on the canvas or set as plain text.
    """
    data = json.dumps(canvas_data(graph) | {"standalone": True}, allow_nan=False)
    for character in "<>&":  # so that no text ends the script element or opens a comment
        data = data.replace(character, f"\\u{ord(character):04x}")
    caption = graph_caption(graph, link)
    body = _asset("page.html").format(caption=caption_html(caption), canvas=canvas_file("html"), data=data)
    script = canvas_file("js").replace("export default ", "") + _asset("page.js")
    style = CAPTION_CSS + canvas_file("css") + _asset("page.css")
    return html_page(caption.title, body, style, script)


def _asset(name: str) -> str:
    return coloured(shipped(f"graph/{name}").read_text(encoding="utf-8"))


def canvas_data(
    graph: AttributionGraph,
    selected: str = "",
    path: Path | None = None,
    verdict: str = "",
    asks: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return what the canvas component draws, as plain JSON values.

    Args:
        selected: id of the node, edge, gap or column that is selected; its nodes are drawn even within a residual run.
        path: drawn bold.
        verdict: whether the drawing holds under intervention, in a sentence; empty until it is known.
        asks: buttons under the drawing: ``name``, which is what the component triggers as ``asked``, ``label``,
            ``title``, and ``on``, whether it is pressed (None where it is no switch).
    """
    scene, explanation = scene_of(graph, named_nodes(selected)), graph.explanation
    bold = set(pairwise(path.nodes)) if path else set()
    wrong, right = map(hold_direction, explanation.sides)
    return {
        "nodes": [_node(graph, shown) for shown in scene.nodes],
        "edges": [_stroke(stroke) | {"bold": not bold.isdisjoint(stroke.edges)} for stroke in scene.strokes],
        "columns": [asdict(column) | {"folded": column.folded} for column in graph.columns],
        "rows": list(graph.drawing.layers),
        "most_zoom": MOST_ZOOM,
        "scene": f"{explanation.model} {hash(explanation.trace.ids)}",
        "opened": sorted(graph.halves),
        "contrast": scene.at[graph.contrast],
        "title": f"{wrong} instead of {right}: {explanation.trace.gap:+.2f} {explanation.unit}",
        "about": f"{explanation.model} · {RULES[explanation.trace.rule]}",
        "verdict": verdict,
        "legend": _legend(scene, explanation),
        "kept": graph.drawing.kept,
        "asks": list(asks),
        "selected": selected,
    }


def _legend(scene: Scene, explanation: Explanation) -> list[tuple[str, str]]:
    """Say what colours and sizes mean, as (class, text) of each part."""
    wrong, right = map(quoted, explanation.sides)
    widest = max((abs(value) for stroke in scene.strokes for value in stroke.sizes), default=0.0)
    largest = max((abs(node.relevance) for node in scene.nodes), default=0.0)
    return [
        ("wrong", f"towards {wrong}"),
        ("right", f"towards {right}"),
        ("", f"width: edge |A|, residual run |R|, widest {widest:.2g} {explanation.unit}"),
        ("", f"node: |R|, largest {largest:.2g}"),
    ]


def _stroke(stroke: Stroke) -> dict[str, Any]:
    ends = {"source": stroke.source, "target": stroke.target, "weight": stroke.weight, "run": stroke.run}
    return ends | {"count": len(stroke.edges)} | asdict(stroke.route)


def _node(graph: AttributionGraph, shown: Shown) -> dict[str, Any]:
    layer, token = shown.members[-1]
    group = shown.part == "group"
    return {
        "id": shown.id,
        "layer": layer,
        "token": token,
        "col": shown.column,
        "row": shown.row,
        "text": shown.name if group else graph.explanation.tokens[token].text,
        "relevance": shown.relevance,
        "part": shown.part,
        "pinned": shown.part == "" and shown.members[0] in graph.marks.pinned,
        "members": len(shown.members),
        "inside": shown.inside,
    }
