"""The Compare page's drawings: gaps as bars, probabilities and answers, and the maps under one scale of colours."""

import json
from collections.abc import Sequence

import streamlit as st

from explorer.figures.gaps import export_gaps
from explorer.figures.heatmap import saturation
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
    gaps = [reading.explanation.trace.gap for reading in readings]
    rows = [[reading.name, min(gap, 0.0), max(gap, 0.0), None, ""] for reading, gap in zip(readings, gaps, strict=True)]
    scale = max(map(abs, gaps)) or 1.0
    charts.show_bars("compare-gaps", [{"title": "Gap Δℓ (logits)", "rows": rows}], scale, linked=False)
    st.caption(GAP)


def show_predictions(readings: Readings) -> None:
    """Draw the probabilities of the contrasted tokens as a table."""
    wrong, right = (" ".join(side.split()) for side in readings[0].explanation.sides)
    rows = [
        {
            "Model": reading.name,
            "wrong": 100 * reading.prediction.wrong_probability,
            "right": 100 * reading.prediction.right_probability,
        }
        for reading in readings
    ]
    columns = {
        name: st.column_config.NumberColumn(
            f"P({word})", format="%.1f %%", width="small", help=f"The {name} answer's {PLACE}"
        )
        for name, word in (("wrong", wrong), ("right", right))
    }
    columns["Model"] = st.column_config.TextColumn(width="small")
    st.dataframe(rows, column_config=columns, hide_index=True, key="compare-predictions")


def show_maps(readings: Readings, changes: bool) -> None:
    """Draw a map a model, all with the same colours for the same figures; or their changes against the first."""
    first = readings[0]
    maps = []
    for number, reading in enumerate(readings):
        explanation = reading.explanation
        values = explanation.relevance
        caption = f"{reading.name} · Δℓ = {explanation.trace.gap:+.2f} · {RULES[explanation.rule]}"
        if changes and number:
            change = relevance_change(first.explanation, explanation)
            same = change is not None
            values = change if same else values
            caption = f"{reading.name} − {first.name}" if same else f"{reading.name} (reads other tokens: its own map)"
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
        st.download_button(
            "All figures (JSON)",
            lambda: json.dumps(everything, ensure_ascii=False, indent=1).encode(),
            f"{name}-models.json",
            "application/json",
            key="compare-json",
            on_click="ignore",
            width="stretch",
        )
        st.caption("Gaps, probabilities and answers")
        format_buttons(lambda kind: export_gaps(readings, kind), f"{name}-models", "compare")
