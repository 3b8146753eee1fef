"""The graph as one interactive HTML page that opens anywhere: pan, zoom, hover; it needs nothing and asks for nothing.

Nodes and edges are pyvis's, drawn by the vis-network that it bundles. Its page template is not used: that links to
CDNs, and puts tooltips that contain "href" into the page as markup.
"""

import html
import json
import re
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from typing import Any

from pyvis.network import Network

from explorer.figures.graph import caption, contrast_line, visible
from explorer.figures.heatmap import BLUE, RED
from explorer.figures.heatmap import short as quoted
from explorer.graph.graph_json import Marks, node_id
from explorer.graph.layout import Column, positions
from explorer.graph.prune import Drawing, Node
from explorer.trace.explain import Explanation

_X, _Y = (92, 240), 46  # steps of columns (least, most) and of rows, in the drawing's own units
_LARGEST, _WIDEST = 19.0, 12.0  # radius of the largest node, width of the strongest edge
_INK, _GREY = "#1c1c22", "#8a8a94"
_OPTIONS: dict[str, Any] = {
    "physics": {"enabled": False},
    "interaction": {"hover": True, "tooltipDelay": 80, "dragNodes": False, "multiselect": True, "keyboard": True},
    "nodes": {"scaling": {"label": {"drawThreshold": 8}}},
    "edges": {"smooth": False, "selectionWidth": 3, "hoverWidth": 1.5},
}


def graph_html(shown: Explanation, drawing: Drawing, columns: Sequence[Column], marks: Marks = Marks()) -> str:
    """The drawing as a page that makes no request, with a policy that forbids any.

    Token texts reach it as JSON data only, and are drawn on a canvas or set as plain text.
    """
    network = Network(directed=True)
    places = positions(drawing, list(columns))
    step = _column_step(drawing, columns)
    spots = {node: (step * x, -_Y * y) for node, (x, y) in places.items()}
    _add_nodes(network, shown, drawing, marks, spots)
    _add_edges(network, shown, drawing)
    _add_frame(network, drawing, columns, step)
    wrong, right = shown.sides
    script, style = _vis()
    data = {"nodes": network.nodes, "edges": network.edges, "options": _OPTIONS, "groups": _outlines(marks, spots)}
    data["folded"] = [[step * n, -_Y * (len(drawing.layers) - 1)] for n, c in enumerate(columns) if c.folded]
    parts = {
        "title": html.escape(f"{quoted(wrong)} instead of {quoted(right)}"),
        "head": html.escape(contrast_line(shown)),
        "wrong": html.escape(quoted(wrong)),
        "right": html.escape(quoted(right)),
        "caption": html.escape(caption(shown, drawing)),
        "data": _script_json(data),
        "style": style,
        "script": script,
    }
    page = re.sub(r"%%(\w+)%%", lambda match: parts[match[1]], _PAGE)  # one pass: what is put in is not read again
    _Check().feed(page)
    return page


def _add_nodes(
    network: Network, shown: Explanation, drawing: Drawing, marks: Marks, spots: dict[Node, tuple[int, int]]
) -> None:
    largest = max(map(abs, drawing.nodes.values()), default=0.0) or 1.0
    groups = {node: name for name, members in marks.groups for node in members}
    for node, relevance in drawing.nodes.items():
        layer, token = node
        pinned = node in marks.pinned
        lines = [_name(shown, node), f"relevance {relevance:+.4g} {shown.unit}", f"position {token}"]
        lines += [f"group {groups[node]}"] if node in groups else []
        colour = _rgba(relevance, 0.9)
        border = "#111111" if pinned else "#ffffff"
        colours: Any = {"background": colour, "border": border, "highlight": {"background": colour, "border": _INK}}
        network.add_node(
            node_id(node),
            label=f"{visible(shown.tokens[token].text, 10)} · {layer}",
            title="\n".join([*lines, "pinned"] if pinned else lines),
            shape="dot",
            size=round(max(6.0 if pinned else 3.0, _LARGEST * (abs(relevance) / largest) ** 0.5), 2),
            x=spots[node][0],
            y=spots[node][1],
            borderWidth=3 if pinned else 1,
            color=colours,
            font={"size": 11, "color": _INK, "strokeWidth": 3, "strokeColor": "#ffffff", "vadjust": -3},
        )


def _add_edges(network: Network, shown: Explanation, drawing: Drawing) -> None:
    strongest = max((abs(weight) for *_, weight in drawing.edges), default=0.0) or 1.0
    for source, target, weight in reversed(drawing.edges):  # the strongest lie on top
        share, full = (abs(weight) / strongest) ** 0.5, _rgba(weight, 1)
        network.add_edge(
            node_id(source),
            node_id(target),
            arrows="",
            width=round(max(0.6, _WIDEST * share), 2),
            weight=float(weight),
            title=f"{_name(shown, source)} → {_name(shown, target)}\n{weight:+.4g} {shown.unit}",
            color={"color": _rgba(weight, 0.25 + 0.45 * share), "highlight": full, "hover": full},
        )


def _column_step(drawing: Drawing, columns: Sequence[Column]) -> int:
    """A step that makes the drawing about as wide as a screen is for its height."""
    return min(max(int(1.7 * _Y * len(drawing.layers) / max(len(columns), 1)), _X[0]), _X[1])


def _add_frame(network: Network, drawing: Drawing, columns: Sequence[Column], step: int) -> None:
    """The layers' numbers at the left and the tokens' texts below, in two rows so that they have room."""
    plain = {"shape": "text", "physics": False, "chosen": False}
    for number, layer in enumerate(drawing.layers):
        font = {"size": 22, "color": _GREY}
        network.add_node(f"layer {layer}", label=f"layer {layer}", x=-110, y=-_Y * number, font=font, **plain)
    for number, column in enumerate(columns):
        grey = column.folded or column.segment == "template"
        label = column.text if column.folded else visible(column.text)
        font = {"size": 26, "color": _GREY if grey else _INK}
        y = _Y + 30 * (number % 2)
        network.add_node(f"column {number}", label=label, x=step * number, y=y, font=font, **plain)


def _outlines(marks: Marks, spots: dict[Node, tuple[int, int]]) -> list[dict[str, Any]]:
    found = []
    for name, members in marks.groups:
        inside = [spots[node] for node in members if node in spots]
        if inside:
            xs, ys = [x for x, _ in inside], [y for _, y in inside]
            found.append({"name": name[:60], "box": [min(xs), min(ys), max(xs), max(ys)]})
    return found


def _name(shown: Explanation, node: Node) -> str:
    layer, token = node
    return f"{visible(shown.tokens[token].text, 40)} at {f'layer {layer}' if layer else 'the embeddings'}"


def _rgba(value: float, alpha: float) -> str:
    red, green, blue = (round(255 * part) for part in (RED if value > 0 else BLUE))
    return f"rgba({red},{green},{blue},{alpha:.2f})"


def _script_json(data: Any) -> str:
    """JSON that can't end the script element it stands in, nor open a comment."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _vis() -> tuple[str, str]:
    """vis-network's script and style sheet, as bundled with pyvis. Raises RuntimeError where they would load more."""
    environment = Network().templateEnv
    script, style = (
        environment.get_template(f"lib/vis-9.1.2/vis-network.{end}").module.__str__() for end in ("min.js", "css")
    )
    script = re.sub(r"//# sourceMappingURL=\S*", "", script)
    if "</script" in script.lower() or "</style" in style.lower():
        raise RuntimeError("The bundled vis-network can't stand inside a page.")
    if re.search(r"""url\(\s*(?!["']?data:)|@import""", style):
        raise RuntimeError("The style sheet of the bundled vis-network refers to other files.")
    return script, style


class _Check(HTMLParser):
    """Raises RuntimeError for an element or attribute that the finished page may not have."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        forbidden = {"src", "href", "srcset", "action", "data", "poster"}
        if tag in ("link", "img", "iframe", "object", "base", "form") or forbidden & {name for name, _ in attrs}:
            raise RuntimeError(f"The page would refer to something outside it, by <{tag}>.")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src \
'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width"><title>%%title%%</title>
<style>%%style%%</style>
<style>
html, body { height: 100%; margin: 0; background: #fff; color: #1c1c22; font: 15px/1.45 system-ui, sans-serif; }
body { display: flex; flex-direction: column; } header { padding: .8rem 1.2rem .5rem; }
h1 { font-size: 1.15rem; margin: 0; } header p { margin: .15rem 0 0; color: #666; font-size: .85rem; }
main { flex: 1; min-height: 0; display: flex; border-top: 1px solid #e6e6ea; }
#graph { flex: 1; min-width: 0; } .r { color: #dc2626; font-weight: 600; } .b { color: #2563eb; font-weight: 600; }
aside { width: 19rem; overflow: auto; padding: .8rem 1rem; border-left: 1px solid #e6e6ea; font-size: .85rem; }
aside pre { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .7rem; }
div.vis-tooltip { white-space: pre-line; font: 13px/1.4 system-ui, sans-serif; background: #fff; border-radius: 6px; }
</style></head><body>
<header><h1>%%head%%</h1><p>%%caption%%</p>
<p><span class="r">Red</span> flows towards %%wrong%%, <span class="b">blue</span> towards %%right%%. Drag to move,
scroll to zoom, hover for figures, click a node for all its edges.</p></header>
<main><div id="graph"></div><aside id="details" hidden></aside></main>
<script type="application/json" id="data">%%data%%</script>
<script>%%script%%</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const nodes = new vis.DataSet(data.nodes), edges = new vis.DataSet(data.edges);
const network = new vis.Network(document.getElementById("graph"), {nodes, edges}, data.options);
network.on("beforeDrawing", (c) => {
  c.fillStyle = "#f3f3f5";
  for (const [x, top] of data.folded) c.fillRect(x - 28, top - 23, 56, 46 - top);
});
network.on("afterDrawing", (c) => {
  c.strokeStyle = c.fillStyle = "#333"; c.lineWidth = 1.5; c.font = "15px sans-serif"; c.textAlign = "left";
  for (const {name, box: [x0, y0, x1, y1]} of data.groups) {
    c.strokeRect(x0 - 30, y0 - 22, x1 - x0 + 60, y1 - y0 + 44);
    c.fillText(name, x0 - 30, y0 - 26);
  }
});
const details = document.getElementById("details");
function say(text) { details.appendChild(document.createElement("pre")).textContent = text; }
network.on("click", ({nodes: ids}) => {
  const node = nodes.get(ids[0] ?? "");
  details.hidden = !(node && node.title);
  details.replaceChildren();
  if (details.hidden) return;
  say(node.title);
  const touching = edges.get().filter((e) => e.from === node.id || e.to === node.id);
  touching.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).forEach((e) => say(e.title));
});
</script></body></html>
"""
