"""The pictures of a survey: outcomes by category, relevance by layer, models side by side. A click filters or opens."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.errors import count
from explorer.figures.style import ACCENT
from explorer.figures.survey import CHANGE_COLOURS, cluster_colour
from explorer.safe_text import hold_direction
from explorer.surveys.profiles import Profiles
from explorer.surveys.report import DIVISIONS, REST, Division, made_of, states_without, value_name, values_of
from explorer.surveys.side_by_side import CHANGE_MEANING, Change, SideBySide
from explorer.ui import link
from explorer.ui.charts import show_bars as show_grouped_bars
from explorer.ui.components import outcome_bars, xy_plot
from explorer.ui.picture_table import as_table
from explorer.ui.survey.open_case import open_compare
from explorer.ui.survey.view import OnScreen, category_keys
from explorer.ui.text import one_line

HEIGHT = 206
"""Pixels of a plot."""
PICKER = 38
"""Pixels that a picker above a plot takes."""


def show_bars(screen: OnScreen, by: Division) -> None:
    """Draw the stacked bars, a line a category; a click lists only what was clicked."""
    totals, keys = screen.totals, {name: key for key, name in category_keys(screen.survey).items()}
    tones = {name: f"t{place}" for place, name in enumerate(DIVISIONS[by])} | {REST: REST}
    whole = values_of(totals.all, by)
    rows = []
    for category, counts in totals.categories.items():
        values, label = values_of(counts, by), hold_direction(category) or "no category"
        parts = [
            {
                "key": name,
                "tone": tones[name],
                "count": number,
                "text": f"{label}, {value_name(by, name)}: {number} of {counts.cases}",
            }
            for name, number in values.items()
            if number
        ]
        row = {"category": keys[category], "label": one_line(label, 60), "cases": f"{counts.cases:,}", "parts": parts}
        rows.append(row)
    legend = [
        {
            "key": name,
            "tone": tones[name],
            "label": f"{value_name(by, name)}: {DIVISIONS[by][name]}" if name != REST else value_name(by, name),
            "short": value_name(by, name) if name != REST else "none",
            "count": f"{number:,}",
        }
        for name, number in whole.items()
        if number or name != REST
    ]
    picked = [link.get("category") or None, link.get(by) or None]
    data = {"title": f"Failures by {by} and category", "rows": rows, "keys": legend, "picked": picked}
    outcome_bars(key="survey-outcome-bars", data=data, on_picked_change=lambda: _filter_by_bar(by))
    as_table("survey-outcome-bars", ["category", *(value_name(by, name) for name in whole)], _bar_rows(screen, by))


def _bar_rows(screen: OnScreen, by: Division) -> list[list[object]]:
    rows = {**screen.totals.categories, "all": screen.totals.all}
    return [[name, *values_of(counts, by).values()] for name, counts in rows.items()]


def _filter_by_bar(by: Division) -> None:
    picked = st.session_state["survey-outcome-bars"].get("picked")
    if not picked:
        return
    category, name = picked
    wanted: dict[str, str | None] = {by: name, "category": category}
    if name == REST:
        wanted |= {by: None, "made": ",".join(states_without(by))}
    now = {key: link.get(key) or None for key in wanted}
    link.put(wanted if wanted != now else dict.fromkeys(wanted))


def show_profiles(profiles: Profiles | None) -> None:
    """Draw the mean share of |relevance| by layer of every cluster; a click lists only its cases."""
    if profiles is None:
        st.caption("Profiles of relevance by layer are grouped once enough failures are measured.")
        return
    lines, sizes = [], {number: sum(parts.values()) for number, parts in profiles.composition.items()}
    for number, mean in enumerate(profiles.means.tolist(), 1):
        label = f"Cluster {number}: {count(sizes[number], 'failure')}, peak at layer {profiles.peaks[number - 1]}; "
        lines.append(
            {
                "key": str(number),
                "label": label + made_of(profiles.composition[number]),
                "tone": cluster_colour(number),
                "width": 2,
                "alpha": 0.9,
                "points": [[layer, share] for layer, share in enumerate(mean)],
                "end": f"{number} · n={sizes[number]}",
            }
        )
    x = _axis("layer (0: embeddings)", [0, profiles.means.shape[1] - 1])
    y = _axis("mean share of |relevance|", [0, float(profiles.means.max())])
    more: dict[str, Any] = {"selected": link.get("profile"), "right": 64, "height": HEIGHT - PICKER}
    _plot("survey-profile-lines", "Relevance by layer, by cluster", lines, [], x, y, _filter_by_profile, **more)
    head = ["cluster", "failures", "peak layer", "made of"]
    rows = ([n, sizes[n], profiles.peaks[n - 1], made_of(parts)] for n, parts in profiles.composition.items())
    as_table("survey-profile-lines", head, rows)


def _filter_by_profile() -> None:
    if picked := st.session_state["survey-profile-lines"].get("picked"):
        link.put(profile=None if link.get("profile") == picked else picked)


def show_scatter(screen: OnScreen) -> None:
    """Draw Δℓ under the first model against the last; a click opens Compare with the case."""
    models, cases = screen.models, screen.survey.cases
    changes, names = models.changes(), _names(models)
    points = [
        {
            "key": id,
            "label": f"{_held(cases[id].prompt)}: {names[0]} {gaps[0]:+.2f}, "
            f"{names[-1]} {gaps[-1]:+.2f} logits, {CHANGE_MEANING[changes[id]]}",
            "tone": CHANGE_COLOURS[changes[id]],
            "x": gaps[0],
            "y": gaps[-1],
        }
        for id, gaps in sorted(models.gaps.items(), key=lambda item: item[1][0])
    ]
    if not points:
        st.caption("No listed failure has been read by both models yet.")
        return
    x = _axis(f"Δℓ under {names[0]} (logits)", [p["x"] for p in points] + [0])
    y = _axis(f"Δℓ under {names[-1]} (logits)", [p["y"] for p in points] + [0])
    act = lambda: _compare("survey-scatter", screen)  # noqa: E731
    more = {"cross": True, "diagonal": True}
    _plot("survey-scatter", "Gaps before and after", [], points, x, y, act, **more)
    st.caption(_change_counts([*changes.values()]))


def _change_counts(changes: Sequence[Change]) -> str:
    counts = [(changes.count(name), meaning) for name, meaning in CHANGE_MEANING.items()]
    parts = [f"{n:,} {meaning}" for n, meaning in counts if n]
    return " · ".join(parts) + ". A failure is a gap above 0."


def show_checkpoints(screen: OnScreen) -> None:
    """Draw Δℓ over the models, a thin line a case and their median; a click opens Compare with the case."""
    models, cases = screen.models, screen.survey.cases
    if not models.gaps:
        return
    lines: list[dict[str, Any]] = [
        {
            "key": id,
            "label": f"{_held(cases[id].prompt)}: {_over(models, gaps)}",
            "tone": "#8b8b96",
            "width": 1,
            "alpha": 0.35,
            "points": list(map(list, enumerate(gaps))),
            "end": "",
        }
        for id, gaps in models.gaps.items()
    ]
    lines.append(
        {
            "key": None,
            "label": "median",
            "tone": ACCENT,
            "width": 3,
            "alpha": 1,
            "points": list(map(list, enumerate(models.medians))),
            "end": "median",
        }
    )
    x = _axis("model", [0, len(models.models) - 1]) | {"ticks": list(map(list, enumerate(_names(models))))}
    y = _axis("Δℓ (logits)", [gap for gaps in models.gaps.values() for gap in gaps] + [0])
    act = lambda: _compare("survey-checkpoints", screen)  # noqa: E731
    _plot("survey-checkpoints", "Gaps over the checkpoints", lines, [], x, y, act, right=52)
    as_table(
        "survey-checkpoints",
        ["model", "median Δℓ (logits)"],
        zip(_names(models), (f"{m:+.2f}" for m in models.medians), strict=True),
    )


def _over(models: SideBySide, gaps: Sequence[float]) -> str:
    return ", ".join(f"{name} {gap:+.2f}" for name, gap in zip(_names(models), gaps, strict=True)) + " logits"


def _names(models: SideBySide) -> list[str]:
    return [_held(name, 40) for name in models.models]


def _held(text: str, most: int = 70) -> str:
    """A study's text on one line of the app's own."""
    return one_line(hold_direction(text), most)


def _compare(key: str, screen: OnScreen) -> None:
    if id := st.session_state[key].get("picked"):
        open_compare(screen.survey, id, screen.ids)


def _axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    return {"title": title, "min": min(values), "max": max(values)}


def _plot(
    key: str,
    title: str,
    lines: Sequence[dict[str, Any]],
    points: Sequence[dict[str, Any]],
    x: dict[str, Any],
    y: dict[str, Any],
    act: Any,
    **more: Any,
) -> None:
    """Draw lines and points; ``act`` runs when one is pressed, and finds its key under ``picked``."""
    data = {"title": title, "lines": lines, "points": points, "x": x, "y": y, "height": HEIGHT, "selected": ""}
    xy_plot(key=key, data=data | more, on_picked_change=act)


def show_segments(screen: OnScreen) -> None:
    """Draw the mean sums of relevance each way, a group a segment, a bar a model."""
    models = screen.models
    sums = [number for pairs in models.segments.values() for pair in pairs for number in pair]
    groups = [
        {
            "title": f"{segment}: mean sum of relevance (logits)",
            "rows": [[name, low, high, None, ""] for name, (high, low) in zip(_names(models), pairs, strict=True)],
        }
        for segment, pairs in models.segments.items()
    ]
    show_grouped_bars("survey-segments", groups, max(map(abs, sums), default=0.0), linked=False)
