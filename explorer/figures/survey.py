"""A survey as a figure: outcomes by category, relevance by layer, and where there are several models, those."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explorer.errors import count
from explorer.figures.caption import Caption, save_captioned
from explorer.figures.labels import printable
from explorer.figures.save import styled
from explorer.figures.style import ACCENT, ACCENT_RGB, BLUE_HEX, INK, MUTED, NO_CLUSTER, PALETTE, RED_HEX
from explorer.safe_text import hold_direction
from explorer.surveys.folder import Survey
from explorer.surveys.profiles import Profiles
from explorer.surveys.report import DIVISIONS, REST, Division, headline, value_name, values_of
from explorer.surveys.side_by_side import CHANGE_MEANING, Change, SideBySide, side_by_side
from explorer.surveys.totals import Totals, totals

CHANGE_COLOURS: dict[Change, str] = {
    "broken": RED_HEX,
    "fixed": BLUE_HEX,
    "failing": "#8b8b96",
    "passing": NO_CLUSTER,
}
"""Red for what went to the wrong answer from model to model, blue for what went to the right one."""
_TONES = ((*ACCENT_RGB, 1.0), (*ACCENT_RGB, 0.55), (*ACCENT_RGB, 0.24), (*ACCENT_RGB, 0.11))
_REST_STYLE = {"color": "#e4e4e9", "hatch": "////", "edgecolor": "#a9a9b4"}
_MOST_CATEGORIES = 24
_SMALL, _TICKS = 7.5, 7.0
_LEGEND: dict[str, Any] = {"frameon": False, "fontsize": _SMALL, "loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}


def cluster_colour(number: int) -> str:
    """Return the colour of a profile cluster, numbered from 1."""
    return PALETTE[(number - 1) % len(PALETTE)]


def export_survey(
    survey: Survey, ids: Sequence[str], profiles: Profiles | None, by: Division, kind: str, link: str = ""
) -> bytes:
    """Return the pictures of some cases of a survey in one of ``FORMATS``. Raises ExplorerError for another."""
    counts = totals(survey, ids)
    models = ", ".join(name for name, _ in survey.settings.models)
    legend = f"{count(len(ids), 'failure')} of {len(survey.cases):,}; shares with 95 % Wilson intervals"
    caption = Caption(
        survey.settings.title,
        model=models,
        rule=survey.settings.rule,
        verdict=headline(counts.all),
        legend=legend,
        link=link,
    )
    return save_captioned(survey_figure(survey, ids, counts, profiles, by), caption, kind)


def survey_figure(
    survey: Survey, ids: Sequence[str], counts: Totals, profiles: Profiles | None, by: Division = "outcome"
) -> Figure:
    """Draw stacked bars by category and the profile clusters; below them, where there are several models, those."""
    models = side_by_side(survey, ids)
    several = len(models.models) > 1 and bool(models.gaps)
    categories = list(counts.categories)[:_MOST_CATEGORIES]
    height = 1.2 + 0.24 * max(len(categories), 7)
    with styled():
        figure = Figure(figsize=(10, height + (3.1 if several else 0)), layout="constrained")
        grid = figure.add_gridspec(2 if several else 1, 6, height_ratios=[height, 3.1] if several else None)
        _draw_bars(figure.add_subplot(grid[0, :3]), counts, categories, by)
        _draw_profiles(figure.add_subplot(grid[0, 3:]), profiles)
        if several:
            _draw_scatter(figure.add_subplot(grid[1, :2]), models)
            _draw_checkpoints(figure.add_subplot(grid[1, 2:4]), models)
            _draw_segments(figure.add_subplot(grid[1, 4:]), models)
    return figure


def _label(text: str, most: int = 28) -> str:
    text = printable(hold_direction(" ".join(text.split()))) or "no category"
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=_SMALL, parse_math=False)
    axes.set_ylabel(y, fontsize=_SMALL, parse_math=False)
    axes.tick_params(labelsize=_TICKS)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bars(axes: Axes, counts: Totals, categories: Sequence[str], by: Division) -> None:
    values = [values_of(counts.categories[name], by) for name in categories]
    left = [0] * len(categories)
    for place, name in enumerate([*DIVISIONS[by], REST]):
        widths = [value[name] for value in values]
        style: dict[str, Any] = {"color": _TONES[place]} if name != REST else _REST_STYLE
        axes.barh(range(len(categories)), widths, left=left, label=value_name(by, name), **style)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(categories)), [_label(name) for name in categories], parse_math=False)
    axes.invert_yaxis()
    few = f"; the first {len(categories)} of {len(counts.categories)} categories"
    _plain_axes(axes, "failures" + (few if len(categories) < len(counts.categories) else ""), "")
    axes.legend(ncols=2, **_LEGEND)


def _draw_profiles(axes: Axes, profiles: Profiles | None) -> None:
    _plain_axes(axes, "layer (0: embeddings)", "mean share of |relevance|")
    if profiles is None:
        axes.text(
            0.5, 0.5, "too few failures to group", transform=axes.transAxes, ha="center", color=MUTED, fontsize=_SMALL
        )
        return
    for number, mean in enumerate(profiles.means, 1):
        size = sum(profiles.composition[number].values())
        label = f"cluster {number}: n = {size}, peak at layer {profiles.peaks[number - 1]}"
        axes.plot(mean, color=cluster_colour(number), label=label, linewidth=1.6)
    axes.set_ylim(0, None)
    axes.legend(ncols=2, **_LEGEND)


def _draw_scatter(axes: Axes, models: SideBySide) -> None:
    changes = models.changes()
    for name, meaning in CHANGE_MEANING.items():
        gaps = [models.gaps[id] for id, change in changes.items() if change == name]
        if gaps:
            x, y = [pair[0] for pair in gaps], [pair[-1] for pair in gaps]
            axes.scatter(
                x, y, s=9, color=CHANGE_COLOURS[name], alpha=0.75, linewidths=0, label=f"{len(gaps)} {meaning}"
            )
    axes.axhline(0, color=MUTED, linewidth=0.6)
    axes.axvline(0, color=MUTED, linewidth=0.6)
    axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.6, linestyle=":")
    _plain_axes(axes, f"Δℓ under {_label(models.models[0])} (logits)", f"Δℓ under {_label(models.models[-1])} (logits)")
    axes.legend(ncols=2, **_LEGEND)


def _draw_checkpoints(axes: Axes, models: SideBySide) -> None:
    for gaps in models.gaps.values():
        axes.plot(gaps, color=NO_CLUSTER, linewidth=0.5, alpha=0.5)
    axes.plot(models.medians, color=ACCENT, linewidth=2, label="median")
    axes.axhline(0, color=MUTED, linewidth=0.6)
    axes.set_xticks(range(len(models.models)), [_label(name, 14) for name in models.models], parse_math=False)
    _plain_axes(axes, "model", "Δℓ (logits)")
    axes.legend(**_LEGEND)


def _draw_segments(axes: Axes, models: SideBySide) -> None:
    width = 0.8 / len(models.models)
    for place, name in enumerate(models.models):
        at = [i + (place - (len(models.models) - 1) / 2) * width for i in range(len(models.segments))]
        for side, colour in ((0, RED_HEX), (1, BLUE_HEX)):
            heights = [pairs[place][side] for pairs in models.segments.values()]
            axes.bar(at, heights, width * 0.9, color=colour, alpha=0.3 + 0.6 * (place + 1) / len(models.models))
        for x in at:
            axes.annotate(
                _label(name, 6), (x, 0), fontsize=5, rotation=90, ha="center", va="bottom", color=INK, parse_math=False
            )
    axes.axhline(0, color=MUTED, linewidth=0.6)
    axes.set_xticks(range(len(models.segments)), [_label(name, 12) for name in models.segments], parse_math=False)
    _plain_axes(axes, "segment of the prompt", "mean sum of relevance (logits)")
