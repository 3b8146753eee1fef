"""The Compare page's drawings: gaps as bars, probabilities and answers, and the maps under one scale of colours."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.figures.gaps import export_gaps
from explorer.figures.heatmap import saturation
from explorer.safe_text import hold_direction
from explorer.trace.compare import ModelReading, relevance_change
from explorer.trace.explain import RULES
from explorer.ui import charts
from explorer.ui.downloads import format_buttons

Readings = Sequence[ModelReading]
GAP = """Δℓ is the wrong token's logit minus the right one's, which is the natural logarithm of the ratio of their
probabilities: it compares from model to model. Red: the model prefers the wrong token."""
PLACE = "first token that differs: its probability after what both answers share"


def show_gaps(readings: Readings) -> None:
    """Draw the logit gap of every model."""
    gaps = {reading.name: reading.explanation.trace.gap for reading in readings}
    group = {"title": "Gap Δℓ (logits)", "rows": [charts.bar_row(name, gap) for name, gap in gaps.items()]}
    charts.show_bars("compare-gaps", [group], max(map(abs, gaps.values())), linked=False)
    st.caption(GAP)


def show_predictions(readings: Readings) -> None:
    """Draw the probabilities of the contrasted tokens as a table."""
    wrong, right = (hold_direction(" ".join(side.split())) for side in readings[0].explanation.sides)
    pairs = ((reading.name, reading.prediction) for reading in readings)
    rows = [
        {"Model": name, "wrong": 100 * p.wrong_probability, "right": 100 * p.right_probability} for name, p in pairs
    ]
    columns: dict[str, Any] = {"Model": st.column_config.TextColumn(width="small")}
    for name, word in (("wrong", wrong), ("right", right)):
        hint, number = f"The {name} answer's {PLACE}", st.column_config.NumberColumn
        columns[name] = number(f"P({word})", format="%.1f %%", width="small", help=hint)
    st.dataframe(rows, column_config=columns, hide_index=True, key="compare-predictions")


def show_maps(readings: Readings, changes: bool) -> None:
    """Draw a map a model, all with the same colours for the same figures; or their changes against the first."""
    first = readings[0]
    maps = []
    for reading in readings:
        explanation = reading.explanation
        values, gap = explanation.relevance, explanation.trace.gap
        name = hold_direction(reading.name)
        caption = f"{name} · Δℓ = {gap:+.2f} · {RULES[explanation.rule]}"
        if changes and reading is not first:
            change = relevance_change(first.explanation, explanation)
            values, caption = change, f"{name} − {hold_direction(first.name)}"
            if change is None:
                values, caption = explanation.relevance, f"{name} (reads other tokens: its own map)"
        maps.append((reading, values, caption))
    scale = max(saturation(reading.explanation.tokens, values) for reading, values, _ in maps)
    for number, (reading, values, caption) in enumerate(maps):
        answer = f"It answers: {' '.join(reading.prediction.answer.split())}"
        texts = {"caption": caption, "hint": answer}
        charts.show_token_map(reading.explanation, f"compare-map-{number}", values, scale=scale, compact=True, **texts)


def downloads(readings: Readings, name: str) -> None:
    """Draw the menu of files: the figure of the gaps, and everything as JSON."""
    everything = {"models": [reading.to_json() for reading in readings]}
    with st.popover("", icon=":material/download:", help="Download", key="compare-files"):
        options: dict[str, Any] = {"key": "compare-json", "on_click": "ignore", "width": "stretch"}
        write = lambda: json.dumps(everything, ensure_ascii=False, indent=1).encode()  # noqa: E731
        st.download_button("All figures (JSON)", write, f"{name}-models.json", "application/json", **options)
        st.caption("Gaps, probabilities and answers")
        format_buttons(lambda kind: export_gaps(readings, kind), f"{name}-models", "compare")
