"""Figures of the clusters: the similarity matrix between its trees, and the map of the datapoints.

Both can show what the page shows: the window or the zoomed part, the opened cluster, the brush and what was clicked.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from explorer.behaviors.cards import Card
from explorer.behaviors.matrix_view import Cells
from explorer.behaviors.projection import DatapointMap, MapView
from explorer.figures.save import styled
from explorer.figures.style import ACCENT, ALIKE_HEX, INK, MUTED, NO_CLUSTER, OPPOSITE_HEX, PALETTE
from explorer.safe_text import printable

_SIGNED = LinearSegmentedColormap.from_list("signed", [OPPOSITE_HEX, (1, 1, 1), ALIKE_HEX])
_LINKS = "#55555f"
_FADED, _NOTE = 0.2, 240
"""Opacity of what is not looked at; characters of a note under a figure."""


def cluster_colours(count: int) -> list[str]:
    """Colours by cluster number; 0 is no cluster."""
    return [NO_CLUSTER, *(PALETTE[i % len(PALETTE)] for i in range(count))]


@dataclass(frozen=True)
class ClusterLegend:
    """The clusters of a picture: names with tags by number, notes as lines, and which one is opened (0 for none)."""

    names: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    opened: int = 0

    def colours(self) -> np.ndarray:
        """(clusters + 1, 4) colours by number, those of clusters that are not opened faded where one is."""
        colours = np.array([to_rgba(colour) for colour in cluster_colours(max(self.names, default=0))])
        if self.opened:
            colours[np.arange(len(colours)) != self.opened, 3] = _FADED
        return colours


def cluster_legend(cards: Sequence[Card], opened: int = 0) -> ClusterLegend:
    """Number, name and tag of each cluster, and the notes that people wrote, cut to ``_NOTE`` characters."""
    names, notes = {}, []
    for card in cards:
        number, note = card.cluster.id, card.note
        given = " · ".join(part for part in (note.name, note.tag) if part)
        names[number] = textwrap.fill(printable(f"{number} {given}" if given else f"cluster {number}"), 26)
        if note.note:
            text = textwrap.shorten(printable(" ".join(note.note.split())), _NOTE, placeholder=" …")
            notes.append(f"{number}: {text}")
    return ClusterLegend(names, tuple(notes), opened)


@dataclass(frozen=True)
class MatrixMarks:
    """What is marked on the matrix.

    ``row``, ``column``: the prompt and the datapoint that were clicked, as places in the drawing; ``brushed``: (c,)
    bool, columns of cells that hold a brushed datapoint.
    """

    row: int | None = None
    column: int | None = None
    brushed: np.ndarray | None = None


def matrix_figure(
    cells: Cells,
    rows: np.ndarray,
    columns: np.ndarray,
    legend: ClusterLegend,
    scale: float,
    marks: MatrixMarks | None = None,
) -> Figure:
    """Draw a window of the matrix between its trees; its colours saturate at |similarity| = ``scale``.

    ``rows``, ``columns``: number of the cluster of each cell, 0 for none.
    """
    with styled():
        figure = Figure(figsize=(10, 6), layout="constrained")
        ratios = {"width_ratios": (1.2, 0.16, 9), "height_ratios": (0.9, 0.14, 6)}
        axes = figure.subplots(3, 3, gridspec_kw={"wspace": 0.005, "hspace": 0.005} | ratios)
        for ax in axes.flat:
            ax.axis("off")
        height, width = (cells.row_edges[-1], cells.row_edges[0]), (cells.column_edges[0], cells.column_edges[-1])
        sharp = {"aspect": "auto", "interpolation": "nearest"}
        limits = {"vmin": -(scale or 1), "vmax": scale or 1}
        image = axes[2, 2].imshow(cells.values, _SIGNED, extent=(*width, *height), **limits, **sharp)
        colours = legend.colours()
        axes[2, 1].imshow(colours[rows][:, None], extent=(0, 1, *height), **sharp)
        axes[1, 2].imshow(colours[columns][None], extent=(*width, 0, 1), **sharp)
        _draw_tree(axes[0, 2], cells.column_links, width, False)
        _draw_tree(axes[2, 0], cells.row_links, height, True)
        _draw_marks(axes[2, 2], axes[1, 2], cells, rows, legend.opened, marks or MatrixMarks())
        figure.colorbar(image, ax=axes[2, 2], location="bottom", shrink=0.4, pad=0.02, label="similarity (cosine)")
        _draw_texts(figure, legend, np.union1d(rows, columns))
    return figure


def map_figure(
    points: DatapointMap,
    clusters: np.ndarray,
    legend: ClusterLegend,
    view: MapView | None = None,
    brush: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    mark: int | None = None,
) -> Figure:
    """Draw the map of the datapoints.

    Args:
        clusters: (n,) number of each datapoint's cluster, 0 for none.
        view: the zoomed part; by default all of it.
        brush: (k, 2) outline of the brush.
        inside: (n,) bool, what is selected; the others are faded. By default nothing is.
        mark: the datapoint that was clicked.
    """
    with styled():
        figure = Figure(figsize=(8, 6), layout="constrained")
        ax = figure.subplots()
        ax.axis("off")
        numbers = clusters[points.rows]
        colours = legend.colours()[numbers]
        faded = colours[:, 3] < 1 if inside is None else (colours[:, 3] < 1) | ~inside[points.rows]
        colours[:, 3] = np.where(faded, _FADED, np.where(numbers > 0, 0.8, 0.45))
        order = np.argsort(numbers > 0, kind="stable")  # those of no cluster at the back
        ax.scatter(*points.points[order].T, s=5, c=colours[order], linewidths=0)
        for number in np.unique(numbers[numbers > 0]):
            x, y = np.median(points.points[numbers == number], axis=0)
            ring = {"boxstyle": "circle", "facecolor": "white", "edgecolor": colours[numbers == number][0, :3]}
            ax.text(x, y, str(number), fontsize=7, ha="center", va="center", clip_on=True, bbox=ring)
        if brush is not None:
            ax.add_patch(Polygon(brush, fill=False, edgecolor=ACCENT, linewidth=1.2))
        for x, y in points.points[points.rows == mark] if mark is not None else ():
            ax.plot(x, y, "o", markersize=7, markerfacecolor="none", markeredgecolor=INK)
        (left, right), (bottom, top) = (view or MapView()).limits
        ax.set(xlim=(left, right), ylim=(bottom, top))
        _draw_texts(figure, legend, numbers)
    return figure


def _draw_texts(figure: Figure, legend: ClusterLegend, numbers: np.ndarray) -> None:
    """The legend of the clusters that are there, and the notes."""
    colours = cluster_colours(max(legend.names, default=0))
    names = {number: name for number, name in legend.names.items() if number in numbers}
    if 0 in numbers:
        names[0] = "no cluster"
    patches = [Patch(color=colours[number], label=name) for number, name in names.items()]
    if patches:
        drawn = figure.legend(handles=patches, loc="outside right upper", frameon=False, fontsize=7.5)
        for text in drawn.get_texts():
            text.set_parse_math(False)
    if legend.notes:
        lines = "\n".join(textwrap.fill(note, 150) for note in legend.notes)
        figure.supxlabel(lines, fontsize=6.5, color=MUTED, x=0.01, ha="left", parse_math=False)


def _draw_marks(ax: Axes, strip: Axes, cells: Cells, rows: np.ndarray, opened: int, marks: MatrixMarks) -> None:
    """The opened cluster's rows, what was clicked, and the columns that the brush holds."""
    limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
    own = np.flatnonzero(rows == opened) if opened else []
    if len(own):
        low, high = cells.row_edges[own[0]], cells.row_edges[own[-1] + 1]
        ax.hlines((low, high), *limits["xlim"], colors=INK, linewidth=1)
    if marks.row is not None:
        ax.axhline(marks.row + 0.5, color=INK, linewidth=0.7)
    if marks.column is not None:
        ax.axvline(marks.column + 0.5, color=INK, linewidth=0.7)
    if marks.brushed is not None:
        for i in np.flatnonzero(marks.brushed):
            strip.plot(cells.column_edges[i : i + 2], (1, 1), color=ACCENT, linewidth=3, solid_capstyle="butt")
    ax.set(**limits)


def _draw_tree(ax: Axes, links: np.ndarray, span: tuple[float, float], sideways: bool) -> None:
    paths = [np.array([(a, ha), (a, h), (b, h), (b, hb)]) for a, ha, b, hb, h in links]
    paths = [path[:, ::-1] if sideways else path for path in paths]
    ax.add_collection(LineCollection(paths, colors=_LINKS, linewidths=0.5))
    highest = float(links[:, 4].max(initial=0)) or 1
    if sideways:
        ax.set(xlim=(highest, 0), ylim=span)
    else:
        ax.set(xlim=span, ylim=(0, highest))
