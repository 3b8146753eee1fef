"""The result of a repair as a file: PNG, SVG and PDF drawn without a browser, and an HTML page that runs nothing."""

import io
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from explorer.figures.save import FONTS, check_format, drawn_page
from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP
from explorer.repair.results import Pooled, Row, percent

_INK = {NONE: "#333333", TOP: "#6741d9", RANDOM: "#88888f", BOTTOM: "#88888f"}


def figure_file(
    found: Sequence[Pooled], rows: Sequence[Row], names: Sequence[str], title: str, note: str, kind: str
) -> bytes:
    """Every arm's rate with its Wilson interval, seeds as dots, the change beside it. Raises ExplorerError.

    Args:
        names: of the arms, as they are labelled.
        title: the verdict; ``note``: how the intervals are made.
    """
    check_format(kind)
    head = textwrap.wrap(title, 105)
    with mpl.rc_context({"font.family": FONTS, "svg.fonttype": "path", "pdf.fonttype": 42, "svg.hashsalt": "explorer"}):
        figure = Figure(figsize=(7.2, 1.2 + 0.36 * len(found) + 0.16 * len(head)), layout="constrained")
        axes = figure.subplots()
        for place, p in enumerate(found):
            ink = _INK.get(p.arm, "#88888f")
            span = [[p.rate.rate - p.rate.low], [p.rate.high - p.rate.rate]]
            axes.errorbar([p.rate.rate], [place], xerr=span, fmt="o", color=ink, capsize=3, markersize=6, linewidth=1.8)
            own = [row.rate for row in rows if (row.arm, row.k) == (p.arm, p.k)]
            if len(own) > 1:
                axes.plot(own, [place + 0.28] * len(own), "o", color=ink, markersize=2.5, alpha=0.8)
            said = percent(p.change) if p.change else ""
            axes.annotate(said, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        axes.set(ylim=(len(found) - 0.4, -0.6), xlim=(0, None), yticks=range(len(found)))
        axes.set_yticklabels(names, fontsize=8)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("held-out prompts that show the behavior", fontsize=8)
        figure.suptitle("\n".join(head), fontsize=8, parse_math=False)
        held = io.BytesIO()
        drawn = "svg" if kind == "html" else kind
        figure.savefig(held, format=drawn, dpi=200, metadata={"Date": None} if drawn == "svg" else None)
    return drawn_page(title, held.getvalue().decode(), note) if kind == "html" else held.getvalue()
