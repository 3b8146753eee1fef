"""The attribution graph as one interactive HTML page: pan, zoom, hover; it opens anywhere and makes no request.

It is drawn by the vis-network that pyvis bundles. The page template of pyvis is not used: it links to CDNs, and puts
tooltips that contain "href" into the page as markup.
"""

import html
import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from typing import Any

from pyvis.network import Network

from explorer.figures.labels import gap_label, graph_caption, quoted, visible
from explorer.figures.save import html_page
from explorer.figures.style import BLUE_HEX, RED_HEX, rgba
from explorer.graph.graph_json import node_id
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Node

_X, _Y = (92, 240), 46  # steps of columns (least, most) and of rows, in the drawing's own units
_LARGEST, _WIDEST = 19.0, 12.0  # radius of the largest node, width of the strongest edge
_INK, _GREY = "#1c1c22", "#8a8a94"
_OPTIONS: dict[str, Any] = {
    "physics": {"enabled": False},
    "interaction": {"hover": True, "tooltipDelay": 80, "dragNodes": False, "multiselect": True, "keyboard": True},
    "nodes": {"scaling": {"label": {"drawThreshold": 8}}},
    "edges": {"smooth": False, "selectionWidth": 3, "hoverWidth": 1.5},
}


def graph_page(graph: AttributionGraph) -> str:
    """Return the drawing as a page that makes no request, with a policy that forbids any.

    Token texts reach it as JSON data only, and are drawn on a canvas or set as plain text.
    """
    step = _column_step(graph)
    spots = {node: (step * column, -_Y * row) for node, (column, row) in graph.positions.items()}
    top = -_Y * (len(graph.drawing.layers) - 1)
    data = {
        "nodes": [*_nodes(graph, spots), *_frame(graph, step)],
        "edges": list(_edges(graph)),
        "options": _OPTIONS,
        "groups": list(_outlines(graph, spots)),
        "folded": [[step * number, top] for number, column in enumerate(graph.columns) if column.folded],
    }
    script, style = _vis_network()
    body = _BODY.format(
        head=html.escape(gap_label(graph.explanation)),
        wrong=html.escape(quoted(graph.explanation.sides[0])),
        right=html.escape(quoted(graph.explanation.sides[1])),
        caption=html.escape(graph_caption(graph)),
        data=_script_json(data),
    )
    title = " instead of ".join(map(quoted, graph.explanation.sides))
    page = html_page(title, body, style + _CSS, f"{script};\n{_SCRIPT}")
    _Check().feed(page)
    return page


def _nodes(graph: AttributionGraph, spots: dict[Node, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    marks, unit = graph.marks, graph.explanation.unit
    largest = max(map(abs, graph.drawing.nodes.values()), default=0.0) or 1.0
    for node, relevance in graph.drawing.nodes.items():
        layer, token = node
        pinned = node in marks.pinned
        lines = [_name(graph, node), f"relevance {relevance:+.4g} {unit}", f"position {token}"]
        lines += [f"group {marks.group_of[node]}"] if node in marks.group_of else []
        lines += ["pinned"] if pinned else []
        colour, border = rgba(relevance, 0.9), "#111111" if pinned else "#ffffff"
        yield {
            "id": node_id(node),
            "label": f"{visible(graph.explanation.tokens[token].text, 10)} · {layer}",
            "title": "\n".join(lines),
            "shape": "dot",
            "size": round(max(6.0 if pinned else 3.0, _LARGEST * (abs(relevance) / largest) ** 0.5), 2),
            "x": spots[node][0],
            "y": spots[node][1],
            "borderWidth": 3 if pinned else 1,
            "color": {"background": colour, "border": border, "highlight": {"background": colour, "border": _INK}},
            "font": {"size": 11, "color": _INK, "strokeWidth": 3, "strokeColor": "#ffffff", "vadjust": -3},
        }


def _edges(graph: AttributionGraph) -> Iterator[dict[str, Any]]:
    strongest = max((abs(weight) for *_, weight in graph.drawing.edges), default=0.0) or 1.0
    for source, target, weight in reversed(graph.drawing.edges):  # the strongest lie on top
        share, full = (abs(weight) / strongest) ** 0.5, rgba(weight, 1)
        ends = f"{_name(graph, source)} → {_name(graph, target)}"
        yield {
            "from": node_id(source),
            "to": node_id(target),
            "width": round(max(0.6, _WIDEST * share), 2),
            "weight": float(weight),
            "title": f"{ends}\n{weight:+.4g} {graph.explanation.unit}",
            "color": {"color": rgba(weight, 0.25 + 0.45 * share), "highlight": full, "hover": full},
        }


def _column_step(graph: AttributionGraph) -> int:
    """A step that makes the drawing about as wide as a screen is for its height."""
    return min(max(int(1.7 * _Y * len(graph.drawing.layers) / max(len(graph.columns), 1)), _X[0]), _X[1])


def _frame(graph: AttributionGraph, step: int) -> Iterator[dict[str, Any]]:
    """The layers' numbers at the left and the tokens' texts below, in two rows so that they have room."""
    plain = {"shape": "text", "physics": False, "chosen": False}
    for number, layer in enumerate(graph.drawing.layers):
        name, font = f"layer {layer}", {"size": 22, "color": _GREY}
        yield plain | {"id": name, "label": name, "x": -110, "y": -_Y * number, "font": font}
    for number, column in enumerate(graph.columns):
        grey = column.folded or column.segment == "template"
        label = column.text if column.folded else visible(column.text, 14)
        font = {"size": 26, "color": _GREY if grey else _INK}
        place = {"x": step * number, "y": _Y + 30 * (number % 2)}
        yield plain | place | {"id": f"column {number}", "label": label, "font": font}


def _outlines(graph: AttributionGraph, spots: dict[Node, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    for name, members in graph.marks.groups:
        inside = [spots[node] for node in members if node in spots]
        if inside:
            xs, ys = zip(*inside, strict=True)
            yield {"name": name[:60], "box": [min(xs), min(ys), max(xs), max(ys)]}


def _name(graph: AttributionGraph, node: Node) -> str:
    layer, token = node
    return f"{visible(graph.explanation.tokens[token].text, 40)} at {f'layer {layer}' if layer else 'the embeddings'}"


def _script_json(data: Any) -> str:
    """JSON that can't end the script element it is in, nor open a comment."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _vis_network() -> tuple[str, str]:
    """Script and style sheet of vis-network, as bundled with pyvis. Raises RuntimeError where they would load more."""
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


_BODY = """<header><h1>{head}</h1><p>{caption}</p>
<p><span class="r">Red</span> flows towards {wrong}, <span class="b">blue</span> towards {right}. Drag to move,
scroll to zoom, hover for figures, click a node for all its edges.</p></header>
<main><div id="graph"></div><aside id="details" hidden></aside></main>
<script type="application/json" id="data">{data}</script>"""

_CSS = f"""
html, body {{ height: 100%; margin: 0; background: #fff; color: #1c1c22; font: 15px/1.45 system-ui, sans-serif; }}
body {{ display: flex; flex-direction: column; }} header {{ padding: .8rem 1.2rem .5rem; }}
h1 {{ font-size: 1.15rem; margin: 0; }} header p {{ margin: .15rem 0 0; color: #666; font-size: .85rem; }}
main {{ flex: 1; min-height: 0; display: flex; border-top: 1px solid #e6e6ea; }}
#graph {{ flex: 1; min-width: 0; }}
.r {{ color: {RED_HEX}; font-weight: 600; }} .b {{ color: {BLUE_HEX}; font-weight: 600; }}
aside {{ width: 19rem; overflow: auto; padding: .8rem 1rem; border-left: 1px solid #e6e6ea; font-size: .85rem; }}
aside pre {{ font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .7rem; }}
div.vis-tooltip {{ white-space: pre-line; font: 13px/1.4 system-ui, sans-serif; background: #fff; border-radius: 6px; }}
"""

_SCRIPT = """
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
"""
