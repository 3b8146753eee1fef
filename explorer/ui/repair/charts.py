"""Charts of the Repair page: the arms with their intervals, the dose curve, the loss while training."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from explorer.figures.style import ACCENT, FAINT, GREY
from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP, arm_label
from explorer.repair.rates import Rate
from explorer.repair.results import Result
from explorer.repair.results import Pooled, percent
from explorer.ui.training_data.charts import CONFIG, safe

COLOURS = {NONE: "rgba(128, 128, 140, 1)", TOP: ACCENT, RANDOM: GREY, BOTTOM: GREY}
DASHES = {TOP: "solid", RANDOM: "dot", BOTTOM: "dash"}


def show_intervals(lines: Sequence[Pooled], result: Result) -> None:
    """Draw a line an arm: mean rate with its interval, seeds as small dots, the change beside it."""
    figure = go.Figure()
    labels = [safe(arm_label(line.arm, line.k, result.by_hand)) for line in lines]
    for place, (line, label) in enumerate(zip(lines, labels, strict=True)):
        rates = [row.rate for row in result.arms if (row.arm, row.k) == (line.arm, line.k)]
        _add_arm(figure, place, line, label, rates)
    unedited = next((line.rate.rate for line in lines if line.arm == NONE), None)
    if unedited is not None:
        figure.add_vline(x=unedited, line={"color": FAINT, "width": 1.2, "dash": "dot"})
    _add_beside(figure, -0.75, "change [95 %]", opacity=0.7)
    _lay_out(figure, 74 + 52 * len(lines), 150)
    places = {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [len(labels) - 0.45, -1]}
    figure.update_yaxes(**places, zeroline=False, showgrid=False)
    end = _axis_end(lines)
    title = "held-out prompts that show the behavior"
    figure.update_xaxes(title=title, range=[-0.02 * end, end], tickformat=".0%", zeroline=True)
    st.plotly_chart(figure, key="intervals", config=CONFIG, alt="Rate of the behavior in every arm, with its interval")


def _add_arm(figure: go.Figure, place: int, line: Pooled, label: str, rates: Sequence[float]) -> None:
    """Draw one arm; ``rates``: one for each seed."""
    colour, rate = COLOURS.get(line.arm, GREY), line.rate
    figure.add_scatter(
        x=[rate.rate],
        y=[place],
        mode="markers",
        marker={"size": 11, "color": colour},
        error_x=_interval([rate]) | {"color": colour, "thickness": 2.5, "width": 6},
        hovertemplate=f"%{{x:.1%}} [{rate.low:.1%}, {rate.high:.1%}]<extra>{label}</extra>",
    )
    if len(rates) > 1:
        figure.add_scatter(
            x=rates,
            y=[place + 0.27] * len(rates),
            mode="markers",
            hovertemplate="%{x:.1%}<extra>one seed</extra>",
            marker={"size": 5, "color": colour, "opacity": 0.75},
        )
    _add_beside(
        figure, place, percent(line.change) if line.change else "—" if line.arm == NONE else "no change to show"
    )


def _add_beside(figure: go.Figure, y: float, text: str, **settings: Any) -> None:
    """Write at the right of the plot."""
    figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=y, showarrow=False, text=text, **settings)


def _interval(rates: Sequence[Rate]) -> dict[str, Any]:
    above, below = [rate.high - rate.rate for rate in rates], [rate.rate - rate.low for rate in rates]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def _axis_end(lines: Sequence[Pooled]) -> float:
    """Return where an axis of rates ends: the first of some round numbers past the highest interval."""
    highest = max((line.rate.high for line in lines), default=1.0)
    return next(end for end in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= end or end == 1.0) * 1.01


def show_dose(lines: Sequence[Pooled], by_hand: bool) -> None:
    """Draw the rate over k, a line an arm, from the unedited model on."""
    figure = go.Figure()
    aside = 0.008 * max((line.k for line in lines), default=0)  # intervals of two arms would lie on each other
    shifts, names = {TOP: 0, RANDOM: aside, BOTTOM: -aside}, {TOP: "chosen" if by_hand else "top k"}
    unedited = [line for line in lines if line.arm == NONE]
    for arm in (BOTTOM, RANDOM, TOP):
        points = sorted((line for line in lines if line.arm == arm), key=lambda line: line.k)
        if not points:
            continue
        points = unedited + points
        figure.add_scatter(
            x=[p.k + shifts[arm] * (p.k > 0) for p in points],
            customdata=[p.k for p in points],
            y=[p.rate.rate for p in points],
            error_y=_interval([p.rate for p in points]) | {"thickness": 1.4, "width": 4},
            mode="lines+markers",
            line={"color": COLOURS[arm], "dash": DASHES[arm]},
            name=(names | {RANDOM: "k at random", BOTTOM: "last k"})[arm],
            hovertemplate="k %{customdata:,}: %{y:.1%}<extra></extra>",
        )
    _lay_out(figure, 260, 4)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="k, datapoints edited", rangemode="tozero", tickvals=sorted({p.k for p in lines}))
    figure.update_yaxes(title="show the behavior", range=[0, _axis_end(lines)], tickformat=".0%")
    st.plotly_chart(figure, key="dose", config=CONFIG, alt="Rate of the behavior over the number of edited datapoints")


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
            name=safe(name),
            hovertemplate="step %{x}: %{y:.3f}<extra>" + safe(name) + "</extra>",
        )
    _lay_out(figure, 190, 4)
    figure.update_layout(uirevision="loss")
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="loss", rangemode="tozero")
    st.plotly_chart(figure, key="losses", config=CONFIG, alt="Training loss by step")


def _lay_out(figure: go.Figure, height: int, right: int) -> None:
    margin = {"l": 4, "r": right, "t": 6, "b": 4}
    figure.update_layout(height=height, margin=margin, showlegend=False, hoverlabel={"font": {"size": 12}})
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
