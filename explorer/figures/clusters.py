"""The matrix and the map as files: PNG, SVG and PDF drawn without a browser, and as an HTML page that runs nothing."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from explorer.behaviors.matrix_view import View
from explorer.behaviors.projection import Map
from explorer.figures.save import check_format, drawn_page
from explorer.figures.style import BLUE, RED

SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, (1, 1, 1), RED])
_FAINT = "#55555f"


def matrix_file(
    view: View, rows: Sequence[int], columns: Sequence[int], colours: Sequence[str], scale: float, title: str, kind: str
) -> bytes:
    """The window on screen between its trees. ``rows``, ``columns``: the cluster of each cell, 0 for none."""
    check_format(kind)
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(
        3, 3, width_ratios=(1.2, 0.16, 9), height_ratios=(0.9, 0.14, 6), gridspec_kw={"wspace": 0.005, "hspace": 0.005}
    )
    for ax in axes.flat:
        ax.axis("off")
    palette, most = ListedColormap(list(colours)), max(len(colours) - 1, 1)
    top, bottom, left, right = view.row_edges[0], view.row_edges[-1], view.column_edges[0], view.column_edges[-1]
    extent = (left, right, bottom, top)
    drawn = axes[2, 2].imshow(
        view.values, SIGNED, aspect="auto", vmin=-(scale or 1), vmax=scale or 1, extent=extent, interpolation="nearest"
    )
    strip = {"cmap": palette, "vmin": 0, "vmax": most, "aspect": "auto", "interpolation": "nearest"}
    axes[2, 1].imshow(np.array(rows)[:, None], **strip)
    axes[1, 2].imshow(np.array(columns)[None], **strip)
    _tree(axes[0, 2], view.column_links, (left, right), False)
    _tree(axes[2, 0], view.row_links, (bottom, top), True)
    figure.colorbar(drawn, ax=axes[2, 2], location="bottom", shrink=0.4, pad=0.02, label="similarity (cosine)")
    figure.suptitle(title, fontsize=9, parse_math=False)
    if kind == "html":
        return drawn_page(title, _written(figure, "svg").decode())
    return _written(figure, kind)


def map_file(made: Map, clusters: np.ndarray, colours: Sequence[str], title: str, kind: str) -> bytes:
    """The map of the datapoints; ``clusters`` (n,): the number of each datapoint's, 0 for none."""
    check_format(kind)
    figure = Figure(figsize=(7, 6), layout="constrained")
    ax = figure.subplots()
    ax.axis("off")
    of = clusters[made.rows]
    for number in range(len(colours)):
        own = made.points[of == number]
        if len(own):
            name = f"cluster {number}" if number else "none"
            ax.scatter(*own.T, s=5, c=colours[number], linewidths=0, alpha=0.8 if number else 0.4, label=name)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, fontsize=8)
    figure.suptitle(title, fontsize=9, parse_math=False)
    if kind == "html":
        return drawn_page(f"{title}. {made.note}", _written(figure, "svg").decode())
    return _written(figure, kind)


def _tree(ax, links: np.ndarray, span: tuple[float, float], sideways: bool) -> None:  # noqa: ANN001
    most = float(links[:, 4].max()) if len(links) else 1.0
    paths = [np.array([(a, ha), (a, h), (b, h), (b, hb)]) for a, ha, b, hb, h in links]
    ax.add_collection(
        LineCollection([path[:, ::-1] if sideways else path for path in paths], colors=_FAINT, linewidths=0.5)
    )
    if sideways:
        ax.set(xlim=(most or 1, 0), ylim=span)
    else:
        ax.set(xlim=span, ylim=(0, most or 1))


def _written(figure: Figure, kind: str) -> bytes:
    held = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "explorer"}):
        figure.savefig(held, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    return held.getvalue()
