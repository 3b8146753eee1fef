"""Charts of the Repair page: the arms with their intervals, the dose curve, the loss while training."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from explorer.figures.style import ACCENT, FAINT, GREY
from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP, arm_label
from explorer.repair.results import Pooled, Result, percent
from explorer.ui.training_data.charts import CONFIG, safe

COLOURS = {NONE: "rgba(128, 128, 140, 1)", TOP: ACCENT, RANDOM: GREY, BOTTOM: GREY}
DASHES = {TOP: "solid", RANDOM: "dot", BOTTOM: "dash"}


def show_intervals(lines: Sequence[Pooled], result: Result) -> None:
    """Draw a line an arm: mean rate with its interval, seeds as small dots, the change beside it."""
    figure = go.Figure()
    labels = [safe(arm_label(line.arm, line.k, result.by_hand)) for line in lines]
    beside = {-0.75: "change [95 %]"}
    for place, (line, label) in enumerate(zip(lines, labels, strict=True)):
        colour = COLOURS.get(line.arm, GREY)
        figure.add_scatter(
            x=[line.rate],
            y=[place],
            mode="markers",
            marker={"size": 11, "color": colour},
            error_x=_intervals([line]) | {"color": colour, "thickness": 2.5, "width": 6},
            hovertemplate=f"%{{x:.1%}} [{line.low:.1%}, {line.high:.1%}]<extra>{label}</extra>",
        )
        if line.seeds > 1:
            figure.add_scatter(
                x=[row.rate for row in result.arms if (row.arm, row.k) == (line.arm, line.k)],
                y=[place + 0.27] * line.seeds,
                mode="markers",
                marker={"size": 5, "color": colour, "opacity": 0.75},
                hovertemplate="%{x:.1%}<extra>one seed</extra>",
            )
        if line.arm == NONE:
            figure.add_vline(x=line.rate, line={"color": FAINT, "width": 1.2, "dash": "dot"})
        beside[place] = percent(line.change) if line.change else "—" if line.arm == NONE else "no change to show"
    for y, text in beside.items():
        opacity = 1 if y >= 0 else 0.7
        figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=y, showarrow=False, text=text, opacity=opacity)
    places = {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [len(labels) - 0.45, -1]}
    figure.update_yaxes(**places, zeroline=False, showgrid=False)
    end, title = _axis_end(lines), "held-out prompts that show the behavior"
    figure.update_xaxes(title=title, range=[-0.02 * end, end], tickformat=".0%", zeroline=True)
    alt = "Rate of the behavior in every arm, with its interval"
    _draw(figure, "intervals", alt, 74 + 52 * len(lines), right=150)


def show_dose(lines: Sequence[Pooled], by_hand: bool) -> None:
    """Draw the rate over k, a line an arm, from the unedited model on."""
    figure = go.Figure()
    ks = sorted({line.k for line in lines})
    aside = 0.008 * ks[-1]  # intervals of two arms would lie on each other
    names = {BOTTOM: "last k", RANDOM: "k at random", TOP: "chosen" if by_hand else "top k"}
    for (arm, name), shift in zip(names.items(), (-aside, aside, 0), strict=True):
        points = sorted((line for line in lines if line.arm in (NONE, arm)), key=lambda line: line.k)
        if arm not in [p.arm for p in points]:
            continue
        figure.add_scatter(
            x=[p.k + shift * (p.k > 0) for p in points],
            customdata=[p.k for p in points],
            y=[p.rate for p in points],
            error_y=_intervals(points) | {"thickness": 1.4, "width": 4},
            mode="lines+markers",
            line={"color": COLOURS[arm], "dash": DASHES[arm]},
            name=name,
            hovertemplate="k %{customdata:,}: %{y:.1%}<extra></extra>",
        )
    figure.update_xaxes(title="k, datapoints edited", rangemode="tozero", tickvals=ks)
    figure.update_yaxes(title="show the behavior", range=[0, _axis_end(lines)], tickformat=".0%")
    _draw(figure, "dose", "Rate of the behavior over the number of edited datapoints", 260, showlegend=True)


def _intervals(lines: Sequence[Pooled]) -> dict[str, Any]:
    above, below = [line.high - line.rate for line in lines], [line.rate - line.low for line in lines]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def _axis_end(lines: Sequence[Pooled]) -> float:
    """Return where an axis of rates ends: the first of some round numbers past the highest interval."""
    highest = max(line.high for line in lines)
    return next(end for end in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= end) * 1.01


def show_losses(curves: Mapping[str, Sequence[Mapping[str, float]]], current: str) -> None:
    """Draw the training loss by step, a line an arm; ``current`` is the one in training."""
    figure = go.Figure()
    for name, points in sorted(curves.items(), key=lambda item: item[0] == current):
        live = name == current
        figure.add_scatter(
            x=[p["step"] for p in points],
            y=[p["loss"] for p in points],
            mode="lines+markers" if live else "lines",
            marker={"size": 4},
            line={"color": ACCENT if live else FAINT, "width": 2 if live else 1.4},
            hovertemplate="step %{x}: %{y:.3f}<extra>" + safe(name) + "</extra>",
        )
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="loss", rangemode="tozero")
    _draw(figure, "losses", "Training loss by step", 190, uirevision="loss")


def _draw(figure: go.Figure, key: str, alt: str, height: int, right: int = 4, **layout: Any) -> None:
    margin = {"l": 4, "r": right, "t": 6, "b": 4}
    layout = {"showlegend": False} | layout
    figure.update_layout(height=height, margin=margin, hoverlabel={"font": {"size": 12}}, **layout)
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)
