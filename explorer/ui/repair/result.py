"""What a repair has shown: verdict, arms, dose curve, answers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.figures.style import ACCENT, FAINT, GREY
from explorer.patterns import shows
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP, arm_label
from explorer.repair.results import (
    INTERVALS,
    NOT_YET,
    ONE_TRAINING,
    Pooled,
    Result,
    main_arms,
    percent,
    pooled,
    seed_rates,
)
from explorer.ui.downloads import table_button
from explorer.ui.picture_table import as_table
from explorer.ui.text import plain
from explorer.ui.training_data.charts import CONFIG, safe

SHOWS = "● "
"""Stands before an answer that shows the behavior."""
COLOURS = {NONE: "rgba(128, 128, 140, 1)", TOP: ACCENT, RANDOM: GREY, BOTTOM: GREY}
DASHES = {TOP: "solid", RANDOM: "dot", BOTTOM: "dash"}
_COLUMNS = {
    "arm": st.column_config.TextColumn(width=100),
    "shows it": st.column_config.TextColumn(width=62, help="Held-out prompts of the behavior whose answer shows it"),
    "elsewhere": st.column_config.TextColumn(
        width=72, help="Control prompts, without the behavior's condition, whose answer shows it: it should not"
    ),
    "tasks": st.column_config.TextColumn(width=50, help="Ordinary tasks (the guard) that are done right"),
    "seeds": st.column_config.TextColumn(
        width=92, help="Trainings of the arm, and the least and the greatest rate among them; one says nothing of luck"
    ),
    "change": st.column_config.TextColumn(width=136, help="Of the rate, against the unedited model"),
}


def show_verdict(result: Result | None) -> None:
    """Draw the sentence; its first words, which say all, as a heading."""
    head, _, rest = ((result and result.verdict) or NOT_YET).partition(": ")
    good = "found causes" in head or "are causes" in head
    icon = ":material/hourglass_top:" if "yet" in head else ":material/block:"
    if good:
        icon = ":material/help:" if ONE_TRAINING in head else ":material/check_circle:"
    st.markdown(f"### {icon} {plain(head)}\n\n{plain(rest[:1].upper() + rest[1:])}")


def show_arms(result: Result) -> None:
    """Draw the interval plot, beside it what else the models do, and the dose curve where there are several k."""
    lines = pooled(result.arms)
    several = len({line.k for line in lines if line.arm == TOP}) > 1
    with st.container(key="repair-body"):
        left, right = st.columns([1.32, 1], gap="medium")
    with left:
        _show_intervals(main_arms(lines), result)
    with right:
        table = [
            {
                "arm": arm_label(line.arm, line.k, result.by_hand),
                "shows it": _share(line.rate),
                "elsewhere": _share(line.control),
                "tasks": _share(line.guard),
                "seeds": seed_rates(line),
                "change": line.change and percent(line.change),
            }
            for line in lines
        ]
        order = [name for name in _COLUMNS if several or name != "change"]  # else it is in the plot
        size = {"height": min(38 + 35 * len(lines), 320), "hide_index": True, "placeholder": "—"}
        st.dataframe(table, key="arms", column_config=_COLUMNS, column_order=order, **size)
        st.caption(f"{lines[0].n} held-out prompts, greedy answers. {INTERVALS}")
    if several:
        _show_dose(lines, result.by_hand)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def _show_intervals(lines: Sequence[Pooled], result: Result) -> None:
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
    show_chart(figure, "intervals", alt, 74 + 52 * len(lines), right=150)
    as_table("intervals", ["arm", "rate", "interval", "change [95 %]"], _rate_rows(lines, result.by_hand))


def _show_dose(lines: Sequence[Pooled], by_hand: bool) -> None:
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
    show_chart(figure, "dose", "Rate of the behavior over the number of edited datapoints", 260, showlegend=True)
    as_table("dose", ["arm", "rate", "interval", "change [95 %]"], _rate_rows(lines, by_hand))


def _rate_rows(lines: Sequence[Pooled], by_hand: bool) -> list[list[str]]:
    """Return a row an arm: its name with its k, mean rate, interval, change."""
    return [
        [
            arm_label(line.arm, line.k, by_hand),
            f"{line.rate:.1%}",
            f"{line.low:.1%} to {line.high:.1%}",
            percent(line.change) if line.change else "–",
        ]
        for line in lines
    ]


def _intervals(lines: Sequence[Pooled]) -> dict[str, Any]:
    above, below = [line.high - line.rate for line in lines], [line.rate - line.low for line in lines]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def _axis_end(lines: Sequence[Pooled]) -> float:
    """Return where an axis of rates ends: the first of some round numbers past the highest interval."""
    highest = max(line.high for line in lines)
    return next(end for end in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= end) * 1.01


def show_chart(figure: go.Figure, key: str, alt: str, height: int, right: int = 4, **layout: Any) -> None:
    """Draw a figure in the app's style; ``right``: its margin there in pixels."""
    margin = {"l": 4, "r": right, "t": 6, "b": 4}
    layout = {"showlegend": False} | layout
    figure.update_layout(height=height, margin=margin, hoverlabel={"font": {"size": 12}}, **layout)
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def show_examples(study: Study, result: Result) -> None:
    """Draw held-out prompts with what each arm's model answers, side by side."""
    try:
        checks = held_out(study, result.behavior)
    except ExplorerError:
        checks = []  # the study no longer has them
    patterns = {check.prompt: check.pattern for check in checks if check.kind == BEHAVIOR}
    table = []
    for example in result.examples:
        pattern, cells = patterns.get(example["prompt"]), {"prompt": example["prompt"]}
        for key, answer in example["answers"].items():
            arm, _, k = key.rpartition("-")
            mark = SHOWS if pattern and _shows(pattern, answer) else ""
            cells[arm_label(arm, int(k), result.by_hand) if k.isdecimal() and len(k) < 10 else key] = mark + " ".join(
                answer.split()
            )
        table.append(cells)
    if not table:
        st.caption("No answer is made yet.")
        return
    config = {name: st.column_config.TextColumn(width=260) for name in table[0]}
    st.dataframe(table, hide_index=True, row_height=72, height=440, key="answers", column_config=config, placeholder="")
    st.caption(
        f"{SHOWS.strip()} shows the behavior. Greedy answers of the models of seed 0 to the first held-out prompts."
    )
    table_button(pd.DataFrame(table), "answers", "answers-csv")


def _shows(pattern: str, answer: str) -> bool:
    try:
        return shows(pattern, answer, "exhibits")
    except ExplorerError:  # a pattern that takes too long marks nothing
        return False
