"""Figures of the clusters: the similarity matrix between its trees, and the map of the datapoints."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from explorer.behaviors.matrix_view import Cells
from explorer.behaviors.projection import DatapointMap
from explorer.figures.save import styled
from explorer.figures.style import BLUE, NO_CLUSTER, PALETTE, RED

_SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, (1, 1, 1), RED])
_LINKS = "#55555f"


def cluster_colours(count: int) -> list[str]:
    """Colours by cluster number; 0 is no cluster."""
    return [NO_CLUSTER, *(PALETTE[i % len(PALETTE)] for i in range(count))]


def matrix_figure(cells: Cells, rows: np.ndarray, columns: np.ndarray, count: int, scale: float, title: str) -> Figure:
    """Draw a window of the matrix between its trees; its colours saturate at |similarity| = ``scale``.

    ``rows``, ``columns``: number of the cluster of each cell, 0 for none, out of ``count`` clusters.
    """
    with styled():
        figure = Figure(figsize=(9, 6), layout="constrained")
        ratios = {"width_ratios": (1.2, 0.16, 9), "height_ratios": (0.9, 0.14, 6)}
        axes = figure.subplots(3, 3, gridspec_kw={"wspace": 0.005, "hspace": 0.005} | ratios)
        for ax in axes.flat:
            ax.axis("off")
        height, width = (cells.row_edges[-1], cells.row_edges[0]), (cells.column_edges[0], cells.column_edges[-1])
        sharp = {"aspect": "auto", "interpolation": "nearest"}
        limits = {"vmin": -(scale or 1), "vmax": scale or 1}
        image = axes[2, 2].imshow(cells.values, _SIGNED, extent=(*width, *height), **limits, **sharp)
        strip = {"cmap": ListedColormap(cluster_colours(count)), "vmin": 0, "vmax": max(count, 1)} | sharp
        axes[2, 1].imshow(rows[:, None], **strip)
        axes[1, 2].imshow(columns[None], **strip)
        _draw_tree(axes[0, 2], cells.column_links, width, False)
        _draw_tree(axes[2, 0], cells.row_links, height, True)
        figure.colorbar(image, ax=axes[2, 2], location="bottom", shrink=0.4, pad=0.02, label="similarity (cosine)")
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def map_figure(points: DatapointMap, clusters: np.ndarray, count: int, title: str) -> Figure:
    """Draw the map of the datapoints; ``clusters`` (n,): number of each datapoint's cluster, 0 for none."""
    with styled():
        figure = Figure(figsize=(7, 6), layout="constrained")
        ax = figure.subplots()
        ax.axis("off")
        numbers = clusters[points.rows]
        for number, colour in enumerate(cluster_colours(count)):
            members = points.points[numbers == number]
            if len(members):
                name, alpha = (f"cluster {number}", 0.8) if number else ("none", 0.4)
                ax.scatter(*members.T, s=5, c=colour, linewidths=0, alpha=alpha, label=name)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, fontsize=8)
        figure.suptitle(title, fontsize=9, parse_math=False)
    return figure


def _draw_tree(ax: Axes, links: np.ndarray, span: tuple[float, float], sideways: bool) -> None:
    paths = [np.array([(a, ha), (a, h), (b, h), (b, hb)]) for a, ha, b, hb, h in links]
    paths = [path[:, ::-1] if sideways else path for path in paths]
    ax.add_collection(LineCollection(paths, colors=_LINKS, linewidths=0.5))
    highest = float(links[:, 4].max(initial=0)) or 1
    if sideways:
        ax.set(xlim=(highest, 0), ylim=span)
    else:
        ax.set(xlim=span, ylim=(0, highest))
