"""Charts of the Repair page: the arms with their intervals, the dose curve, the loss while training."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP
from explorer.repair.results import Pooled, Row, percent
from explorer.ui.repair.state import arm_words
from explorer.ui.training_data.charts import ACCENT, CONFIG, FAINT, GREY, safe

COLOURS = {NONE: "rgba(128, 128, 140, 1)", TOP: ACCENT, RANDOM: GREY, BOTTOM: GREY}
DASHES = {TOP: "solid", RANDOM: "dot", BOTTOM: "dash"}
METHOD = (
    "Intervals: 95 % Wilson over the held-out prompts; seeds are averaged, as they answer the same prompts. Change: "
    "against the unedited model, its 95 % interval by MOVER-R from the two Wilson intervals."
)


def show_intervals(found: Sequence[Pooled], rows: Sequence[Row], by_hand: bool) -> None:
    """A line an arm: mean rate with its interval, seeds as small dots, the change beside it. Of the largest k."""
    figure = go.Figure()
    names = []
    for place, p in enumerate(found):
        names.append(safe(arm_words(p.arm, p.k, by_hand)))
        own = [row.rate for row in rows if (row.arm, row.k) == (p.arm, p.k)]
        colour = COLOURS.get(p.arm, GREY)
        figure.add_scatter(
            x=[p.rate.rate],
            y=[place],
            mode="markers",
            marker={"size": 11, "color": colour},
            error_x={
                "type": "data", "symmetric": False, "array": [p.rate.high - p.rate.rate],
                "arrayminus": [p.rate.rate - p.rate.low], "color": colour, "thickness": 2.5, "width": 6,
            },
            hovertemplate=f"%{{x:.1%}} [{p.rate.low:.1%}, {p.rate.high:.1%}]<extra>{names[-1]}</extra>",
        )  # fmt: skip
        if len(own) > 1:
            figure.add_scatter(
                x=own, y=[place + 0.27] * len(own), mode="markers", hovertemplate="%{x:.1%}<extra>one seed</extra>",
                marker={"size": 5, "color": colour, "opacity": 0.75},
            )  # fmt: skip
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=place, showarrow=False, align="left",
            text=percent(p.change) if p.change else "—" if p.arm == NONE else "no change to show",
        )  # fmt: skip
    base = next((p.rate.rate for p in found if p.arm == NONE), None)
    if base is not None:
        figure.add_vline(x=base, line={"color": FAINT, "width": 1.2, "dash": "dot"})
    figure.add_annotation(
        x=1.01, xref="paper", xanchor="left", y=-0.75, showarrow=False, text="change [95 %]", opacity=0.7
    )
    _lay_out(figure, 74 + 52 * len(found), 150)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.45, -1], zeroline=False,
                        showgrid=False)  # fmt: skip
    figure.update_xaxes(
        title="held-out prompts that show the behavior",
        range=[-0.02 * _end(found), _end(found)],
        tickformat=".0%",
        zeroline=True,
    )
    st.plotly_chart(figure, key="intervals", config=CONFIG, alt="Rate of the behavior in every arm, with its interval")


def _end(found: Sequence[Pooled]) -> float:
    """Where an axis of rates ends: the first of some round numbers past the highest interval."""
    highest = max((p.rate.high for p in found), default=1.0)
    return next(end for end in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= end or end == 1.0) * 1.01


def show_dose(found: Sequence[Pooled], by_hand: bool) -> None:
    """The rate over k, a line an arm, from the unedited model on."""
    figure = go.Figure()
    aside = 0.008 * max((p.k for p in found), default=0)  # intervals of two arms would lie on each other
    start = [p for p in found if p.arm == NONE]
    for arm in (BOTTOM, RANDOM, TOP):
        line = start + sorted((p for p in found if p.arm == arm), key=lambda p: p.k)
        if len(line) == len(start):
            continue
        figure.add_scatter(
            x=[p.k + {TOP: 0, RANDOM: aside, BOTTOM: -aside}[arm] * (p.k > 0) for p in line],
            customdata=[p.k for p in line],
            y=[p.rate.rate for p in line],
            error_y={
                "type": "data", "symmetric": False, "array": [p.rate.high - p.rate.rate for p in line],
                "arrayminus": [p.rate.rate - p.rate.low for p in line], "thickness": 1.4, "width": 4,
            },
            mode="lines+markers",
            line={"color": COLOURS[arm], "dash": DASHES[arm]},
            name={TOP: "chosen" if by_hand else "top k", RANDOM: "k at random", BOTTOM: "last k"}[arm],
            hovertemplate="k %{customdata:,}: %{y:.1%}<extra></extra>",
        )  # fmt: skip
    _lay_out(figure, 260, 4)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="k, datapoints edited", rangemode="tozero", tickvals=sorted({p.k for p in found}))
    figure.update_yaxes(title="show the behavior", range=[0, _end(found)], tickformat=".0%")
    st.plotly_chart(figure, key="dose", config=CONFIG, alt="Rate of the behavior over the number of edited datapoints")


def show_losses(curves: Mapping[str, Sequence[Mapping[str, float]]], now: str, key: str) -> None:
    """Training loss by step, a line an arm; ``now`` is the one in training."""
    figure = go.Figure()
    for name, points in sorted(curves.items(), key=lambda item: item[0] == now):
        live = name == now
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
    st.plotly_chart(figure, key=key, config=CONFIG, alt="Training loss by step")


def _lay_out(figure: go.Figure, height: int, right: int) -> None:
    figure.update_layout(
        height=height, margin={"l": 4, "r": right, "t": 6, "b": 4}, showlegend=False, hoverlabel={"font": {"size": 12}}
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
