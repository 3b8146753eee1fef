"""The result of a repair as a file: every arm's rate with its interval, seeds as dots, the change beside it."""

from matplotlib.figure import Figure

from explorer.figures.caption import Caption, save_captioned
from explorer.figures.save import styled
from explorer.figures.style import ACCENT, INK, MUTED
from explorer.repair.plan import NONE, TOP, arm_label
from explorer.repair.results import INTERVALS, Result, main_arms, percent, pooled

_COLOURS = {NONE: INK, TOP: ACCENT}


def export_repair(result: Result, kind: str, link: str = "") -> bytes:
    """Write the figure as png, svg, pdf or html, under the verdict. Raises ExplorerError for another kind."""
    caption = Caption(f"Repair of {result.behavior}", verdict=result.verdict, legend=INTERVALS, link=link)
    return save_captioned(repair_figure(result), caption, kind)


def repair_figure(result: Result) -> Figure:
    """Draw the arms of the largest k and the unedited one, one below the other."""
    lines = main_arms(pooled(result.arms))
    with styled():
        figure = Figure(figsize=(7.2, 0.9 + 0.36 * len(lines)), layout="constrained")
        axes = figure.subplots()
        for place, line in enumerate(lines):
            colour, at = _COLOURS.get(line.arm, MUTED), ("axes fraction", "data")
            span = {"xerr": [[line.rate - line.low], [line.high - line.rate]], "capsize": 3, "linewidth": 1.8}
            axes.errorbar([line.rate], [place], fmt="o", color=colour, markersize=6, **span)
            if line.seeds > 1:
                rates = [row.rate for row in result.arms if (row.arm, row.k) == (line.arm, line.k)]
                axes.plot(rates, [place + 0.28] * len(rates), "o", color=colour, markersize=2.5, alpha=0.8)
            change = percent(line.change) if line.change else ""
            axes.annotate(change, (1.02, place), xycoords=at, va="center", fontsize=8)
        labels = [arm_label(line.arm, line.k, result.by_hand) for line in lines]
        axes.set_yticks(range(len(lines)), labels, fontsize=8, parse_math=False)
        axes.set(ylim=(len(lines) - 0.4, -0.6), xlim=(0, None))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("held-out prompts that show the behavior", fontsize=8)
    return figure
