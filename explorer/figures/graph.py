"""The attribution graph as a file: a picture drawn without a browser, an interactive page, or graph.json."""

import json
import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from explorer.figures.graph_page import graph_page
from explorer.figures.labels import gap_label, graph_caption, quoted, visible
from explorer.figures.save import WITH_JSON, check_format, save_figure, styled
from explorer.figures.style import BLUE, INK, MUTED, RED
from explorer.graph.graph_json import to_json
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Node

_LEFT, _RIGHT, _BELOW, _LINE = 0.62, 0.4, 0.86, 0.155  # inches
_COLUMN, _ROW = 0.42, 0.27  # inches, where the page has room
_WIDTH, _HEIGHT = (4.0, 14.0), (3.0, 10.0)  # inches, least and most
_WIDEST = 3.0  # points, of the strongest edge
_LABEL = 14  # characters
_GRID, _FOLDED, _PALE = "#eeeeee", "#f1f1f3", "#999999"


def export_graph(graph: AttributionGraph, kind: str) -> bytes:
    """Return the drawing as ``png``, ``svg``, ``pdf``, interactive ``html`` or ``json`` (graph.json).

    Raises ExplorerError for another kind.
    """
    check_format(kind, WITH_JSON)
    if kind == "json":
        return json.dumps(to_json(graph), indent=1, ensure_ascii=False).encode()
    if kind == "html":
        return graph_page(graph).encode()
    return save_figure(graph_figure(graph), kind, dpi=300)


def graph_figure(graph: AttributionGraph) -> Figure:
    """Draw tokens as columns and layers as rows, with the contrast at the top.

    The area of a node is its |relevance|, the width of an edge grows with its |weight|, red is towards the wrong answer
    and blue towards the right one.
    """
    page = _lay_out(graph)
    with styled():
        figure = Figure(figsize=(page.width, page.height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, page.width), ylim=(0, page.height))
        axes.axis("off")
        _draw_head(axes, page, graph)
        _draw_layers(axes, page, graph)
        _draw_tokens(axes, page, graph)
        _draw_edges(axes, page, graph)
        _draw_nodes(axes, page, graph)
        _draw_groups(axes, page, graph)
    return figure


@dataclass(frozen=True)
class _Page:
    """Where everything is, in inches from the lower left.

    ``head``: lines and their colours; ``step``: between columns and between rows; ``top``: of the grid.
    """

    width: float
    height: float
    head: list[tuple[str, str]]
    step: tuple[float, float]
    top: float

    def column(self, number: float) -> float:
        """Middle of a column."""
        return _LEFT + (number + 0.5) * self.step[0]

    def row(self, number: int) -> float:
        """Middle of a row; row 0 is the lowest layer."""
        return _BELOW + (number + 0.5) * self.step[1]

    def spots(self, graph: AttributionGraph) -> dict[Node, tuple[float, float]]:
        """Where each node is."""
        return {node: (self.column(column), self.row(row)) for node, (column, row) in graph.positions.items()}


def _lay_out(graph: AttributionGraph) -> _Page:
    rows, columns = len(graph.drawing.layers), max(len(graph.columns), 1)
    width = min(max(_LEFT + _RIGHT + columns * _COLUMN, _WIDTH[0]), _WIDTH[1])
    wrong, right = map(quoted, graph.explanation.sides)
    strongest = max((abs(weight) for *_, weight in graph.drawing.edges), default=0.0)
    largest = max(map(abs, graph.drawing.nodes.values()), default=0.0)
    sizes = f"strongest edge {strongest:.2g}, largest node {largest:.2g} {graph.explanation.unit}"
    texts = ((graph_caption(graph), INK), (f"red: towards {wrong} · blue: towards {right} · {sizes}", MUTED))
    head = [(line, colour) for text, colour in texts for line in textwrap.wrap(text, int(width * 15.5))]
    top = 0.12 + len(head) * _LINE + 0.34
    height = min(max(_BELOW + top + rows * _ROW, _HEIGHT[0]), _HEIGHT[1])
    step = (width - _LEFT - _RIGHT) / columns, (height - _BELOW - top) / rows
    return _Page(width, height, head, step, height - top)


def _draw_head(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    for number, (line, colour) in enumerate(page.head):
        y = page.height - 0.2 - number * _LINE
        axes.text(0.12, y, line, fontsize=7, color=colour, parse_math=False)
    x, y = page.width - 0.12, page.top + 0.1
    axes.text(x, y, gap_label(graph.explanation), fontsize=8, ha="right", weight="bold", parse_math=False)


def _draw_layers(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    """Draw a faint line for each row, with the layers' numbers at the left."""
    layers, right = graph.drawing.layers, page.column(len(graph.columns) - 0.5)
    every = max(1, round(0.12 / page.step[1] + 0.499))  # rows too low for their numbers share one
    size = min(7.0, 62 * page.step[1] * every)
    place = {"color": MUTED, "va": "center", "parse_math": False}
    for number, layer in enumerate(layers):
        y = page.row(number)
        axes.plot([_LEFT, right], [y, y], color=_GRID, linewidth=0.4, zorder=0)
        if number % every == 0 or number == len(layers) - 1:
            axes.text(_LEFT - 0.08, y, str(layer), fontsize=size, ha="right", **place)
    axes.text(0.2, (_BELOW + page.top) / 2, "layer", fontsize=7, rotation=90, ha="center", **place)


def _draw_tokens(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    """Write the tokens' texts below their columns, and shade folded columns."""
    size = min(7.0, max(3.0, 62 * page.step[0]))
    place = {"rotation": 60, "rotation_mode": "anchor", "ha": "right", "va": "center", "parse_math": False}
    for number, column in enumerate(graph.columns):
        x, width = page.column(number), 0.8 * page.step[0]
        if column.folded:
            corner, height = (x - width / 2, _BELOW), page.top - _BELOW
            axes.add_patch(Rectangle(corner, width, height, color=_FOLDED, linewidth=0, zorder=0))
        label = column.text if column.folded else visible(column.text, _LABEL)
        colour = _PALE if column.folded or column.segment == "template" else "black"
        axes.text(x + 0.04, _BELOW - 0.05, label, fontsize=size, color=colour, **place)


def _draw_edges(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    edges = sorted(graph.drawing.edges, key=lambda edge: abs(edge[2]))  # the strongest lie on top
    spots, strongest = page.spots(graph), abs(edges[-1][2]) if edges else 1.0
    lines, widths, colours = [], [], []
    for source, target, weight in edges:
        share = (abs(weight) / strongest) ** 0.5
        lines.append((spots[source], spots[target]))
        widths.append(max(0.3, _WIDEST * share))
        colours.append((*(RED if weight > 0 else BLUE), 0.3 + 0.5 * share))
    axes.add_collection(LineCollection(lines, linewidths=widths, colors=colours, capstyle="round", zorder=2))


def _draw_nodes(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    relevance, spots, pinned = graph.drawing.nodes, page.spots(graph), set(graph.marks.pinned)
    nodes = sorted(relevance, key=lambda node: -abs(relevance[node]))  # small ones lie on top
    largest = max(map(abs, relevance.values()), default=0.0) or 1.0
    diameter = 72 * min(0.78 * page.step[0], 0.86 * page.step[1], 0.24)  # points
    axes.scatter(
        [spots[node][0] for node in nodes],
        [spots[node][1] for node in nodes],
        s=[max(1.5**2, diameter**2 * abs(relevance[node]) / largest) for node in nodes],
        c=[RED if relevance[node] > 0 else BLUE for node in nodes],
        edgecolors=["#111111" if node in pinned else "white" for node in nodes],
        linewidths=[1.2 if node in pinned else 0.35 for node in nodes],
        zorder=3,
        clip_on=False,
    )


def _draw_groups(axes: Axes, page: _Page, graph: AttributionGraph) -> None:
    """Draw a thin outline around the members of each group that are drawn, and its name."""
    spots, pad = page.spots(graph), 0.45 * min(page.step)
    style = f"round,pad={pad},rounding_size={pad}"
    for name, members in graph.marks.groups:
        inside = [spots[node] for node in members if node in spots]
        if not inside:
            continue
        (x, y), (right, top) = map(min, zip(*inside, strict=True)), map(max, zip(*inside, strict=True))
        axes.add_patch(
            FancyBboxPatch(
                (x, y), right - x, top - y, boxstyle=style, fill=False, edgecolor=INK, linewidth=0.6, zorder=4
            )
        )
        label = visible(name, 28).replace("␣", " ")
        axes.text(x - pad, top + pad + 0.02, label, fontsize=6, color=INK, zorder=5, parse_math=False)
