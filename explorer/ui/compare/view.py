"""The Compare page's drawings: gaps as bars, probabilities and answers, and the maps under one scale of colours."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from explorer.data.failures import Failure
from explorer.figures.gaps import compared_maps, export_comparison
from explorer.safe_text import hold_direction
from explorer.trace.compare import ModelReading, comparison_json, contrasted_sentence
from explorer.trace.side_by_side import side_by_side
from explorer.ui import charts
from explorer.ui.downloads import format_buttons
from explorer.ui.icons import icon_alone
from explorer.ui.link_names import shared_address
from explorer.ui.text import plain
from explorer.ui.verdict import known_verdict, show_verdict

Readings = Sequence[ModelReading]
GAP = """Δℓ is the wrong token's logit minus the right one's, which is the natural logarithm of the ratio of their
probabilities: it compares from model to model. Red: the model prefers the wrong token."""
PLACE = "first token that differs: its probability after what both answers share"
BY_WORDS = """The tokenizers differ, so the maps show words: each has the sum of its tokens, and the chat templates are
left out. Trace shows a model's own tokens."""


def show_gaps(readings: Readings) -> None:
    """Draw the logit gap of every model."""
    gaps = {reading.name: reading.explanation.trace.gap for reading in readings}
    group = {"title": "Gap Δℓ (logits)", "rows": [charts.bar_row(name, gap) for name, gap in gaps.items()]}
    charts.show_bars("compare-gaps", [group], max(map(abs, gaps.values())), linked=False)
    st.caption(GAP)
    if contrasted := contrasted_sentence(readings):
        st.caption(plain(contrasted))


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


def show_maps(failure: Failure, readings: Readings, changes: bool) -> None:
    """Draw a map a model, all with the same colours for the same figures; or their changes against the first."""
    cuts = side_by_side([reading.explanation for reading in readings])
    if cuts[0].by == "words":
        st.caption(BY_WORDS)
    below = st.container(gap="medium")
    for number, (reading, cut, shown) in enumerate(zip(readings, cuts, compared_maps(readings, changes), strict=True)):
        words = list(zip(cut.tokens, cuts[0].members, strict=True)) if cut.by == "words" else []
        texts = {"caption": shown.caption, "hint": f"It answers: {' '.join(reading.prediction.answer.split())}"}
        settings: dict[str, Any] = {"scale": shown.scale, "compact": True, "together": "compare", **texts}
        linked, key = cut.by != "own tokens", f"compare-map-{number}"
        with below.container(key=f"compare-model-{number}", gap="xxsmall"):  # the verdict stands nearest to its own map
            charts.show_token_map(reading.explanation, key, shown.values, linked=linked, words=words, **settings)
            if not changes:
                show_verdict(reading.spec, failure, reading.explanation, f"compare-verdict-{number}")


def downloads(failure: Failure, readings: Readings, changes: bool) -> None:
    """Draw the menu of files: what is on screen as a picture, and everything as JSON."""
    verdicts = [known_verdict(reading.spec, failure, reading.explanation) for reading in readings]
    everything = comparison_json(readings, verdicts)
    name, address = failure.id, shared_address()
    about, key = "Download what is on screen", "compare-files"
    with icon_alone(key).popover(about, icon=":material/download:", help=about, key=key):
        options: dict[str, Any] = {
            "key": "compare-json",
            "on_click": "ignore",
            "width": "stretch",
            "help": "All that is on screen",
        }
        write = lambda: json.dumps(everything, ensure_ascii=False, indent=1).encode()  # noqa: E731
        st.download_button("All figures (JSON)", write, f"{name}-models.json", "application/json", **options)
        st.caption("Gaps, probabilities, answers and maps as on screen")
        export = lambda kind: export_comparison(readings, kind, changes, address, verdicts)  # noqa: E731
        format_buttons(export, f"{name}-models", "compare")
