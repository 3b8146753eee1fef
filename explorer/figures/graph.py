"""The graph as a picture for papers: PNG, SVG or PDF, drawn without a browser."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from explorer.errors import ExplorerError
from explorer.figures.heatmap import BLUE, FONTS, RED, printable
from explorer.figures.heatmap import short as quoted
from explorer.graph.graph_json import Marks
from explorer.graph.layout import Column, positions
from explorer.graph.prune import Drawing, Node
from explorer.trace.explain import RULES, Explanation

PICTURES = ("png", "svg", "pdf")
"""What ``graph_figure`` can write."""

_LEFT, _RIGHT, _BELOW, _LINE = 0.62, 0.4, 0.86, 0.155  # inches
_COLUMN, _ROW = 0.42, 0.27  # inches, where the page has room
_WIDTH, _HEIGHT = (4.0, 14.0), (3.0, 10.0)  # inches, least and most
_WIDEST = 3.0  # points, of the strongest edge
_GREY, _DARK = "#777777", "#333333"

Spot = tuple[float, float]


def visible(text: str, most: int = 14) -> str:
    """A token's text as a label: white space and what can't be printed made visible, cut to ``most`` characters."""
    text = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣", 1)
    text = printable(text) or "·"
    return text if len(text) <= most else text[: most - 1] + "…"


def contrast_line(shown: Explanation) -> str:
    """What the graph explains: “wrong” over “right”: gap and unit."""
    wrong, right = shown.sides
    return f"{quoted(wrong)} over {quoted(right)}: {shown.trace.gap:+.2f} {shown.unit}"


def caption(shown: Explanation, drawing: Drawing) -> str:
    """Model, rule, and how much of all relevance the drawing keeps."""
    return (
        f"{shown.model} · {RULES[shown.trace.rule]} · edges carry {100 * drawing.edge_share:.0f} % of |A|, nodes "
        f"{100 * drawing.node_share:.0f} % of |R| · {len(drawing.edges):,} of {drawing.total_edges:,} edges, "
        f"{len(drawing.nodes):,} of {drawing.total_nodes:,} nodes"
    )


@dataclass(frozen=True)
class _Page:
    """Where things stand, in inches from the lower left.

    ``head``: lines and their colours; ``step``: of a column and of a row; ``spots``: of nodes; ``top``: of the grid.
    """

    width: float
    height: float
    head: tuple[tuple[str, str], ...]
    step: Spot
    spots: dict[Node, Spot]
    top: float

    def column(self, number: float) -> float:
        """The middle of a column."""
        return _LEFT + (number + 0.5) * self.step[0]

    def row(self, number: int) -> float:
        """The middle of a row; row 0 is the lowest layer."""
        return _BELOW + (number + 0.5) * self.step[1]


def graph_figure(
    shown: Explanation, drawing: Drawing, columns: Sequence[Column], marks: Marks = Marks(), kind: str = "png"
) -> bytes:
    """The drawing as ``png`` (300 dpi), ``svg`` or ``pdf`` (vector, text as paths or embedded fonts).

    Tokens are columns and layers rows, the contrast stands at the top; the area of a node is its |relevance|, the
    width of an edge grows with its |weight|, red is towards the wrong answer and blue towards the right one.

    Raises ExplorerError for another ``kind``.
    """
    if kind not in PICTURES:
        raise ExplorerError(f"A graph can't be drawn as '{kind}'; expected {', '.join(PICTURES)}.")
    page = _lay_out(shown, drawing, columns)
    with mpl.rc_context({"font.family": FONTS, "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure = Figure(figsize=(page.width, page.height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, page.width), ylim=(0, page.height))
        axes.axis("off")
        _draw_head(axes, page)
        _draw_grid(axes, page, drawing, columns)
        _draw_edges(axes, page, drawing)
        _draw_nodes(axes, page, drawing, marks)
        _draw_groups(axes, page, marks)
        _draw_contrast(axes, page, shown)
        out = io.BytesIO()
        figure.savefig(out, format=kind, dpi=300, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _lay_out(shown: Explanation, drawing: Drawing, columns: Sequence[Column]) -> _Page:
    rows = len(drawing.layers)
    width = min(max(_LEFT + _RIGHT + len(columns) * _COLUMN, _WIDTH[0]), _WIDTH[1])
    wrong, right = shown.sides
    strongest = max((abs(edge[2]) for edge in drawing.edges), default=0.0)
    largest = max(map(abs, drawing.nodes.values()), default=0.0)
    key = (
        f"red: towards {quoted(wrong)} · blue: towards {quoted(right)} · "
        f"strongest edge {strongest:.2g}, largest node {largest:.2g} {shown.unit}"
    )
    head = [
        (line, colour)
        for text, colour in ((caption(shown, drawing), _DARK), (key, _GREY))
        for line in textwrap.wrap(text, int(width * 15.5))
    ]
    top = 0.12 + len(head) * _LINE + 0.34
    height = min(max(_BELOW + top + rows * _ROW, _HEIGHT[0]), _HEIGHT[1])
    step = (width - _LEFT - _RIGHT) / max(len(columns), 1), (height - _BELOW - top) / rows
    page = _Page(width, height, tuple(head), step, {}, height - top)
    for node, (column, row) in positions(drawing, list(columns)).items():
        page.spots[node] = (page.column(column), page.row(row))
    return page


def _draw_head(axes: Axes, page: _Page) -> None:
    for number, (line, colour) in enumerate(page.head):
        y = page.height - 0.2 - number * _LINE
        axes.text(0.12, y, line, fontsize=7, color=colour, parse_math=False)


def _draw_grid(axes: Axes, page: _Page, drawing: Drawing, columns: Sequence[Column]) -> None:
    """Faint rows and columns, the layers' numbers at the left, the tokens' texts below."""
    right = page.column(len(columns) - 0.5)
    every = max(1, round(0.12 / page.step[1] + 0.499))  # rows too low for their numbers share one
    for number, layer in enumerate(drawing.layers):
        y = page.row(number)
        axes.plot([_LEFT, right], [y, y], color="#eeeeee", linewidth=0.4, zorder=0)
        if number % every == 0 or number == len(drawing.layers) - 1:
            size = min(7.0, 62 * page.step[1] * every)
            axes.text(
                _LEFT - 0.08, y, str(layer), fontsize=size, color=_GREY, ha="right", va="center", parse_math=False
            )
    middle = (_BELOW + page.top) / 2
    axes.text(0.2, middle, "layer", fontsize=7, color=_GREY, rotation=90, ha="center", va="center", parse_math=False)
    size = min(7.0, max(3.0, 62 * page.step[0]))
    for number, column in enumerate(columns):
        x, wide = page.column(number), 0.8 * page.step[0]
        grey = column.folded or column.segment == "template"
        if column.folded:
            axes.add_patch(
                Rectangle((x - wide / 2, _BELOW), wide, page.top - _BELOW, color="#f1f1f3", linewidth=0, zorder=0)
            )
        label = column.text if column.folded else visible(column.text)
        axes.text(
            x + 0.04, _BELOW - 0.05, label, fontsize=size, color="#999999" if grey else "black", rotation=60,
            rotation_mode="anchor", ha="right", va="center", parse_math=False,
        )  # fmt: skip


def _draw_edges(axes: Axes, page: _Page, drawing: Drawing) -> None:
    edges = sorted(drawing.edges, key=lambda edge: abs(edge[2]))  # the strongest lie on top
    strongest = abs(edges[-1][2]) if edges else 1.0
    shares = [(abs(weight) / strongest) ** 0.5 for *_, weight in edges]
    axes.add_collection(
        LineCollection(
            [[page.spots[source], page.spots[target]] for source, target, _ in edges],
            linewidths=[max(0.3, _WIDEST * share) for share in shares],
            colors=[
                (*(RED if edge[2] > 0 else BLUE), 0.3 + 0.5 * share) for edge, share in zip(edges, shares, strict=True)
            ],
            capstyle="round",
            zorder=2,
        )
    )


def _draw_nodes(axes: Axes, page: _Page, drawing: Drawing, marks: Marks) -> None:
    nodes = sorted(drawing.nodes, key=lambda node: -abs(drawing.nodes[node]))  # small ones lie on top
    largest = max(map(abs, drawing.nodes.values()), default=0.0) or 1.0
    diameter = 72 * min(0.78 * page.step[0], 0.86 * page.step[1], 0.24)  # points
    pinned = set(marks.pinned)
    axes.scatter(
        [page.spots[node][0] for node in nodes],
        [page.spots[node][1] for node in nodes],
        s=[max(1.5**2, diameter**2 * abs(drawing.nodes[node]) / largest) for node in nodes],
        c=[RED if drawing.nodes[node] > 0 else BLUE for node in nodes],
        edgecolors=["#111111" if node in pinned else "white" for node in nodes],
        linewidths=[1.2 if node in pinned else 0.35 for node in nodes],
        zorder=3,
        clip_on=False,
    )


def _draw_groups(axes: Axes, page: _Page, marks: Marks) -> None:
    """A thin outline around the members of a group that are drawn, and its name."""
    for name, members in marks.groups:
        spots = [page.spots[node] for node in members if node in page.spots]
        if not spots:
            continue
        x, y = min(x for x, _ in spots), min(y for _, y in spots)
        wide, high = max(x for x, _ in spots) - x, max(y for _, y in spots) - y
        pad = 0.45 * min(page.step)
        axes.add_patch(
            FancyBboxPatch(
                (x, y), wide, high, boxstyle=f"round,pad={pad},rounding_size={pad}", fill=False, edgecolor=_DARK,
                linewidth=0.6, zorder=4,
            )
        )  # fmt: skip
        axes.text(
            x - pad, y + high + pad + 0.02, visible(name, 28).replace("␣", " "), fontsize=6, color=_DARK, zorder=5,
            parse_math=False,
        )  # fmt: skip


def _draw_contrast(axes: Axes, page: _Page, shown: Explanation) -> None:
    y = page.top + 0.1
    axes.text(
        page.width - 0.12, y, contrast_line(shown), fontsize=8, color="black", ha="right", weight="bold",
        parse_math=False,
    )  # fmt: skip
