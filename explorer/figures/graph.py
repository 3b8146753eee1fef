"""The attribution graph as a file: a picture drawn without a browser, an interactive page, or graph.json."""

import json

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from numpy.typing import ArrayLike

from explorer.figures.caption import save_captioned
from explorer.figures.graph_canvas import graph_page
from explorer.figures.graph_caption import graph_caption
from explorer.figures.labels import visible
from explorer.figures.save import WITH_JSON, check_format, styled
from explorer.figures.style import BLUE, INK, MUTED, RED
from explorer.graph.graph_json import to_json
from explorer.graph.layout import AttributionGraph
from explorer.graph.scene import Scene, Stroke, scene_of

_LEFT, _RIGHT, _BELOW, _ABOVE = 0.62, 0.4, 0.86, 0.3  # inches
_COLUMN, _ROW, _ROWS = 0.42, (0.27, 0.62), 4.5  # inches: a column, least and most of a row, all rows if there is room
_WIDTH, _HEIGHT = (4.0, 14.0), (3.0, 10.0)  # inches, least and most
_THINNEST, _WIDEST = 0.3, 3.0  # points, of an edge of 0 and of the strongest
_PORT = 0.18  # columns, of the farthest port from a node's middle
_LABEL = 14  # characters
_GRID, _FOLDED, _PALE = "#eeeeee", "#f1f1f3", "#999999"


def export_graph(graph: AttributionGraph, kind: str, link: str = "") -> bytes:
    """Return the drawing under its caption in one of ``WITH_JSON``; html is interactive.

    ``link``: address of the same drawing in the app. Raises ExplorerError for another kind.
    """
    check_format(kind, WITH_JSON)
    if kind == "json":
        return json.dumps(to_json(graph), indent=1, ensure_ascii=False).encode()
    if kind == "html":
        return graph_page(graph, link).encode()
    return save_captioned(graph_figure(graph), graph_caption(graph, link), kind, dpi=300)


def graph_figure(graph: AttributionGraph) -> Figure:
    """Draw tokens as columns and layers as rows, with the contrast at the top.

    The area of a node is its |relevance|, the width of an edge grows with its |weight| and that of a residual run with
    the |relevance| along it; red is towards the wrong answer and blue towards the right one. A group is one square.
    """
    rows, columns = len(graph.drawing.layers), len(graph.columns)
    width = float(np.clip(_LEFT + _RIGHT + columns * _COLUMN, *_WIDTH))
    height = float(np.clip(_BELOW + _ABOVE + rows * np.clip(_ROWS / rows, *_ROW), *_HEIGHT))
    step = (width - _LEFT - _RIGHT) / columns, (height - _BELOW - _ABOVE) / rows
    with styled():
        figure = Figure(figsize=(width, height))
        box = (_LEFT / width, _BELOW / height, columns * step[0] / width, rows * step[1] / height)
        axes = figure.add_axes(box, xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), frame_on=False)
        _draw_grid(axes, graph, step)
        scene = scene_of(graph)
        _draw_strokes(axes, scene, 1 / (72 * step[0]))
        _draw_nodes(axes, graph, scene, 72 * min(0.78 * step[0], 0.86 * step[1], 0.24))
    return figure


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


def _draw_strokes(axes: Axes, scene: Scene, point: float) -> None:
    """Draw edges as curves along their routes, and residual runs as bands as wide as their nodes' |relevance|.

    ``point``: the width of a point, in columns.
    """
    strongest = max((abs(value) for stroke in scene.strokes for value in stroke.sizes), default=1e-12)
    paths, colours, widths = [], [], []
    for stroke in reversed(scene.strokes):  # the strongest lie on top
        share = np.sqrt(abs(stroke.weight) / strongest)
        colour = (*(RED if stroke.weight > 0 else BLUE), 0.3 + 0.5 * share)
        if stroke.run:
            rows, values = np.transpose(stroke.run)
            half = point / 2 * _width(values, strongest)
            middle = scene.nodes[stroke.source].column
            axes.fill_betweenx(rows, middle - half, middle + half, color=colour, linewidth=0, zorder=2)
        else:
            paths.append(_curve(scene, stroke))
            colours.append(colour)
            widths.append(_width(stroke.weight, strongest))
    curves = PathCollection(paths, facecolors="none", edgecolors=colours, linewidths=widths, capstyle="round", zorder=2)
    axes.add_collection(curves)


def _width(values: ArrayLike, strongest: float) -> np.ndarray:
    """Return widths in points that grow with |values|, as in the app; what is weak can still be seen."""
    return _THINNEST + (_WIDEST - _THINNEST) * np.abs(values) / strongest


def _curve(scene: Scene, stroke: Stroke) -> Path:
    source, target, route = scene.nodes[stroke.source], scene.nodes[stroke.target], stroke.route
    left, right = source.column + _PORT * route.out, target.column + _PORT * route.into
    lane = source.row + (target.row - source.row) * route.lane
    points = [(left, source.row), (left, lane), (right, lane), (right, target.row)]
    return Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])


def _draw_nodes(axes: Axes, graph: AttributionGraph, scene: Scene, diameter: float) -> None:
    """Draw nodes as discs, halves and groups as squares with their names; ``diameter`` of the largest, in points."""
    largest = max((abs(node.relevance) for node in scene.nodes), default=0) or 1
    for marker, parts in (("o", ("",)), ("s", ("attention", "MLP", "group"))):
        nodes = sorted((n for n in scene.nodes if n.part in parts), key=lambda node: -abs(node.relevance))
        if not nodes:
            continue
        sizes = np.abs([node.relevance for node in nodes])
        marked = [node.part == "group" or node.members[0] in graph.marks.pinned for node in nodes]
        axes.scatter(
            *np.transpose([(node.column, node.row) for node in nodes]),
            s=np.maximum(1.5**2, diameter**2 * sizes / largest),
            c=[RED if node.relevance > 0 else BLUE for node in nodes],
            edgecolors=["#111111" if mark else "white" for mark in marked],
            linewidths=[1.2 if mark else 0.35 for mark in marked],
            marker=marker,
            zorder=3,
            clip_on=False,
        )
    for node in scene.nodes:
        if label := visible(node.name, 28).replace("␣", " ") if node.part == "group" else "":
            place = {"ha": "center", "va": "bottom", "zorder": 5, "parse_math": False}
            axes.text(node.column, node.row + 0.42, label, fontsize=6, color=INK, **place)
