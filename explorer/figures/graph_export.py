"""A drawing in every format that it can be shared in."""

import json

from explorer.figures.graph import graph_figure
from explorer.figures.graph_page import graph_html
from explorer.figures.save import WITH_JSON, check_format
from explorer.graph.graph_json import Marks, to_graph_json
from explorer.graph.layout import Column
from explorer.graph.prune import Drawing
from explorer.trace.explain import Explanation


def export_graph(shown: Explanation, drawing: Drawing, columns: list[Column], marks: Marks, kind: str) -> bytes:
    """The drawing as ``png``, ``svg``, ``pdf``, interactive ``html`` or ``json`` (graph.json). Raises ExplorerError."""
    check_format(kind, WITH_JSON)
    if kind == "json":
        return json.dumps(to_graph_json(shown, drawing, marks), indent=1, ensure_ascii=False).encode()
    if kind == "html":
        return graph_html(shown, drawing, columns, marks).encode()
    return graph_figure(shown, drawing, columns, marks, kind)
