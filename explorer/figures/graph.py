"""The attribution graph as a file: a picture drawn without a browser, an interactive page, or graph.json."""

import json
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from explorer.figures.graph_canvas import graph_page
from explorer.figures.labels import gap_label, graph_caption, quoted, visible
from explorer.figures.save import WITH_JSON, check_format, save_figure, styled
from explorer.figures.style import BLUE, INK, MUTED, RED
from explorer.graph.graph_json import to_json
from explorer.graph.layout import AttributionGraph

_LEFT, _RIGHT, _BELOW, _LINE = 0.62, 0.4, 0.86, 0.155  # inches
_COLUMN, _ROW = 0.42, 0.27  # inches, where the page has room
_WIDTH, _HEIGHT = (4.0, 14.0), (3.0, 10.0)  # inches, least and most
_WIDEST = 3.0  # points, of the strongest edge
_LABEL = 14  # characters
_GRID, _FOLDED, _PALE = "#eeeeee", "#f1f1f3", "#999999"


def export_graph(graph: AttributionGraph, kind: str) -> bytes:
    """Return the drawing in one of ``WITH_JSON``; html is interactive. Raises ExplorerError for another kind."""
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
    rows, columns = len(graph.drawing.layers), len(graph.columns)
    width = float(np.clip(_LEFT + _RIGHT + columns * _COLUMN, *_WIDTH))
    head = _head_lines(graph, int(width * 15.5))
    top = 0.46 + len(head) * _LINE
    height = float(np.clip(_BELOW + top + rows * _ROW, *_HEIGHT))
    step = (width - _LEFT - _RIGHT) / columns, (height - _BELOW - top) / rows
    with styled():
        figure = Figure(figsize=(width, height))
        for number, (line, colour) in enumerate(head):
            y = 1 - (0.2 + number * _LINE) / height
            figure.text(0.12 / width, y, line, fontsize=7, color=colour, parse_math=False)
        title = {"fontsize": 8, "ha": "right", "weight": "bold", "parse_math": False}
        figure.text(1 - 0.12 / width, 1 - (top - 0.1) / height, gap_label(graph.explanation), **title)
        box = (_LEFT / width, _BELOW / height, columns * step[0] / width, rows * step[1] / height)
        axes = figure.add_axes(box, xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), frame_on=False)
        _draw_grid(axes, graph, step)
        _draw_edges(axes, graph)
        _draw_nodes(axes, graph, 72 * min(0.78 * step[0], 0.86 * step[1], 0.24))
        _draw_groups(axes, graph)
    return figure


def _head_lines(graph: AttributionGraph, most: int) -> list[tuple[str, str]]:
    """Return the lines above the drawing, of at most so many characters, with their colours."""
    wrong, right = map(quoted, graph.explanation.sides)
    strongest = max((abs(weight) for *_, weight in graph.drawing.edges), default=0.0)
    largest = max(map(abs, graph.drawing.nodes.values()), default=0.0)
    sizes = f"strongest edge {strongest:.2g}, largest node {largest:.2g} {graph.explanation.unit}"
    texts = {graph_caption(graph): INK, f"red: towards {wrong} · blue: towards {right} · {sizes}": MUTED}
    return [(line, colour) for text, colour in texts.items() for line in textwrap.wrap(text, most)]


def _draw_grid(axes: Axes, graph: AttributionGraph, step: tuple[float, float]) -> None:
    """Write layers at the left and tokens below, and shade folded columns; ``step``: inches a column and a row."""
    layers = graph.drawing.layers
    every = max(1, round(0.12 / step[1] + 0.499))  # rows too low for their numbers share one
    labels = [str(layer) if n % every == 0 or n == len(layers) - 1 else "" for n, layer in enumerate(layers)]
    axes.set_yticks(range(len(layers)), labels, fontsize=min(7.0, 62 * step[1] * every), color=MUTED)
    axes.set_ylabel("layer", fontsize=7, color=MUTED)
    axes.grid(axis="y", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    texts = [column.text if column.folded else visible(column.text, _LABEL) for column in graph.columns]
    place = {"rotation": 60, "rotation_mode": "anchor", "ha": "right", "va": "center", "parse_math": False}
    axes.set_xticks(range(len(texts)), texts, fontsize=float(np.clip(62 * step[0], 3, 7)), **place)
    for number, (column, label) in enumerate(zip(graph.columns, axes.get_xticklabels(), strict=True)):
        label.set_color(_PALE if column.folded or column.segment == "template" else "black")
        if column.folded:
            axes.axvspan(number - 0.4, number + 0.4, color=_FOLDED, linewidth=0, zorder=0)


def _draw_edges(axes: Axes, graph: AttributionGraph) -> None:
    edges = graph.drawing.edges[::-1]  # the strongest lie on top
    lines = [(graph.positions[source], graph.positions[target]) for source, target, _ in edges]
    weights = [weight for *_, weight in edges]
    shares = np.sqrt(np.abs(weights) / np.abs(weights).max(initial=1e-12))
    colours = [(*(RED if w > 0 else BLUE), 0.3 + 0.5 * share) for w, share in zip(weights, shares, strict=True)]
    widths = np.maximum(0.3, _WIDEST * shares)
    axes.add_collection(LineCollection(lines, linewidths=widths, colors=colours, capstyle="round", zorder=2))


def _draw_nodes(axes: Axes, graph: AttributionGraph, diameter: float) -> None:
    """Draw the nodes as discs; ``diameter`` of the largest, in points."""
    relevance = graph.drawing.nodes
    nodes = sorted(relevance, key=lambda node: -abs(relevance[node]))  # small ones lie on top
    sizes = np.abs([relevance[node] for node in nodes])
    pinned = [node in graph.marks.pinned for node in nodes]
    axes.scatter(
        *np.transpose([graph.positions[node] for node in nodes]),
        s=np.maximum(1.5**2, diameter**2 * sizes / (sizes.max() or 1)),
        c=[RED if relevance[node] > 0 else BLUE for node in nodes],
        edgecolors=["#111111" if pin else "white" for pin in pinned],
        linewidths=[1.2 if pin else 0.35 for pin in pinned],
        zorder=3,
        clip_on=False,
    )


def _draw_groups(axes: Axes, graph: AttributionGraph) -> None:
    """Draw a thin outline around the members of each group that are drawn, and its name."""
    for name, members in graph.marks.groups:
        places = np.array([graph.positions[node] for node in members if node in graph.positions])
        if len(places):
            (x, y), (width, height) = places.min(0) - 0.45, np.ptp(places, 0) + 0.9
            axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=INK, linewidth=0.6, zorder=4))
            place, label = (x, y + height + 0.05), visible(name, 28).replace("␣", " ")
            axes.text(*place, label, fontsize=6, color=INK, zorder=5, parse_math=False)
