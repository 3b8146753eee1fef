"""Charts of an explanation: what is drawn, and the token that a click selects in all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.data.failures import Failure
from explorer.figures.labels import visible
from explorer.figures.style import BLUE_HEX, RED_HEX
from explorer.figures.token_map import saturation
from explorer.model.prompts import Token
from explorer.trace.explain import RULES, Explanation, ranks_by_size
from explorer.trace.story import tell
from explorer.ui import link
from explorer.ui.components import bars, case_bar, sentence, token_map
from explorer.ui.icons import icon_alone
from explorer.ui.picture_table import as_table
from explorer.ui.session import select_token, selected_token
from explorer.ui.sidebar import step
from explorer.ui.waiting import name_case

TABLE_TOKENS = 40
"""Tokens in the table of the chart of layers, the strongest ones."""
_AXIS_LABEL = {"rotate": 60, "fontSize": 10, "interval": "auto", "width": 100, "overflow": "truncate"}
"""Of a token below a chart, on one line of so many pixels."""


def case_row(failure: Failure, ready: bool = True) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw the row that begins a page, with buttons to the failures beside this one.

    Args:
        ready: the case bar comes at once; else the case is named without a model's figures until then.

    Returns:
        The row and the place in it for the case bar.
    """
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="case-row")
    bar = row.empty()
    if not ready:
        with bar:
            name_case(failure, "unread-bar")
    for name, icon, by in (("previous", "chevron_left", -1), ("next", "chevron_right", 1)):
        key, hint = link.session_key(name), f"{name.title()} failure"
        with row:
            place = icon_alone(name)
        place.button(hint, icon=f":material/{icon}:", on_click=step, args=(by,), help=hint, key=key)
    return row, bar


def show_case_bar(failure: Failure, explanation: Explanation | None = None) -> None:
    """Draw the prompt in one line, with the gap where a model has explained it; the answers stand below, in full."""
    wrong, right, gap = failure.wrong, failure.right, ""
    if explanation:
        wrong, right = explanation.sides
        gap = f"Δℓ = {explanation.trace.gap:+.2f} {explanation.unit}"
    data = {"prompt": failure.prompt, "wrong": wrong, "right": right, "gap": gap, "note": ""}
    texts = {name: " ".join(text.split())[:160] for name, text in data.items()}
    case_bar(key="case-bar", data=texts | {"answers_below": True})


def show_story(explanation: Explanation, key: str) -> None:
    """Say in one sentence what the map shows."""
    sentence(key=key, data={"parts": tell(explanation).parts})


def show_token_map(
    explanation: Explanation, key: str, values: np.ndarray | None = None, linked: bool = True, **settings: Any
) -> None:
    """Draw tokens in text flow on their colours.

    Args:
        values: (n,) numbers of the first n tokens, or of the words; default the tokens' relevance.
        linked: a click selects a token in all charts.
        settings: what else the component takes: ``scale`` (the |value| of full colour), ``unit``, ``signed``,
            ``measure``, ``caption``, ``hint``, ``compact`` (the template flows with the text), ``disputed`` (token →
            why its sign is in doubt); and ``words``: drawn in the tokens' place, each a ``Token`` with the positions
            that are selected with it (a click selects the first).
    """
    words: Sequence[tuple[Token, Sequence[int]]] = settings.pop("words", ())
    values = explanation.relevance if values is None else values
    tokens, ranks = [word for word, _ in words] or explanation.tokens[: len(values)], ranks_by_size(values)
    members = [positions for _, positions in words]
    wrong, right = explanation.sides
    data: dict[str, Any] = {
        "tokens": [[t.text, t.segment, float(v), int(r)] for t, v, r in zip(tokens, values, ranks, strict=True)],
        "scale": saturation(tokens, values),
        "unit": explanation.unit,
        "signed": True,
        "measure": "",
        "wrong": wrong,
        "right": right,
        "caption": RULES[explanation.rule] + (f", layer {explanation.layer}" if explanation.layer else ""),
        "hint": "Hover over a token for its figures; click it to follow it through the layers.",
        "selected": _shown_selection(members) if linked else None,
        "linked": linked,
        "words": bool(words),
    }
    take = lambda: _take_selection(key, members) if linked else None  # noqa: E731
    token_map(key=key, data=data | settings, on_selected_change=take)


def show_bars(key: str, groups: list[dict[str, Any]], scale: float, linked: bool = True, **settings: Any) -> None:
    """Draw groups of labelled bars: {title, rows: [label, negative, positive, index or None, note]}.

    A click on a row with an index selects the token (``linked``), or stays in the session under ``key``.
    """
    data = {"groups": [{"empty": ""} | group for group in groups], "scale": scale or 1.0, "linked": linked} | settings
    data.setdefault("selected", selected_token() if linked else None)
    bars(key=key, data=data, on_selected_change=lambda: _take_selection(key) if linked else None)


def bar_row(label: str, value: float, index: int | None = None, note: str = "") -> list:
    """Return a row of ``show_bars`` with one bar, to the left where the value is negative."""
    return [label, min(float(value), 0.0), max(float(value), 0.0), index, note]


def _shown_selection(members: Sequence[Sequence[int]]) -> int | None:
    """The selected token, or the word that it belongs to."""
    token = selected_token()
    return next((n for n, positions in enumerate(members) if token in positions), None) if members else token


def _take_selection(key: str, members: Sequence[Sequence[int]] = ()) -> None:
    index = st.session_state[key]["selected"]
    if index is None or (members and index >= len(members)):
        return
    if index >= 0 and members:
        index = members[index][0]
    select_token(index if index >= 0 else None)


def show_strongest(explanation: Explanation, key: str, count: int = 5) -> None:
    """Draw the strongest tokens each way as bars."""
    groups = []
    for sign, side in ((1, "wrong"), (-1, "right")):
        strongest = explanation.strongest(sign, count)
        rows = [bar_row(visible(token.text), value, token.index, token.segment) for token, value in strongest]
        groups.append({"title": f"Push towards the {side} answer", "tone": side, "rows": rows, "empty": "no token"})
    show_bars(key, groups, float(np.abs(explanation.relevance).max()))


def show_segments(explanation: Explanation, key: str) -> None:
    """Draw the sums of positive and of negative relevance by segment."""
    totals = explanation.segment_totals()
    rows = [[name, low, high, None, f"{n} tokens"] for name, (high, low, n) in totals.items()]
    scale = max((max(high, -low) for high, low, _ in totals.values()), default=0.0)
    show_bars(key, [{"title": "By segment (sum)", "rows": rows}], scale, linked=False)


def show_layers(explanation: Explanation, key: str) -> None:
    """Draw (layer × token) relevance; a click selects the token."""
    relevance = explanation.trace.relevance
    cells = [[int(i), int(layer), float(f"{relevance[layer, i]:.3g}")] for layer, i in np.argwhere(relevance)]
    spec = _layers_chart(explanation, cells)
    event = st.echarts_chart(spec, height=380, key=key, on_select="rerun", alt="Relevance by layer and token")
    picked = [i for series in event["selection"]["selected"] for i in series["data_indices"]]
    seen = f"{key}-seen"
    if st.session_state.get(seen, []) != picked:
        st.session_state[seen] = picked
        if picked and picked[0] < len(cells):
            select_token(int(cells[picked[0]][0]))
            st.rerun()
    _layers_table(explanation, key)


def _layers_table(explanation: Explanation, key: str) -> None:
    """Draw the table of the chart: a row a token, a column a layer; of a long prompt only the strongest tokens."""
    relevance = explanation.trace.relevance
    strongest = np.sort(np.argsort(-np.abs(relevance).max(0), kind="stable")[:TABLE_TOKENS])
    head = ["token", *("embedding" if layer == 0 else f"layer {layer}" for layer in range(len(relevance)))]
    rows = [
        [f"{i} {visible(explanation.tokens[i].text)}", *(f"{value:+.2g}" for value in relevance[:, i])]
        for i in strongest
    ]
    few = len(rows) < len(explanation.tokens)
    as_table(key, head, rows, f"As a table, the {len(rows)} strongest tokens" if few else "As a table")


def _layers_chart(explanation: Explanation, cells: list[list[float]]) -> dict[str, Any]:
    relevance = explanation.trace.relevance
    depth, length = relevance.shape
    scale = float(np.percentile(np.abs(relevance[relevance != 0]), 98)) if cells else 1.0
    dark = st.context.theme.type == "dark"
    colours = [BLUE_HEX, "#1e1e26" if dark else "#f6f6f8", RED_HEX]
    labels = [f"{i} {visible(token.text)}" for i, token in enumerate(explanation.tokens)]
    token = selected_token()
    line = {
        "symbol": "none",
        "silent": True,
        "label": {"show": False},
        "lineStyle": {"color": "#ffffff" if dark else "#000000", "width": 1},
        "data": [{"xAxis": token}] if token is not None and token < length else [],
    }
    series = {"type": "heatmap", "name": "relevance", "data": cells, "selectedMode": "single", "progressive": 0}
    return {
        "animation": False,
        "grid": {"left": 52, "right": 16, "top": 8, "bottom": 96},
        "tooltip": {"position": "top"},
        "xAxis": {"type": "category", "data": labels, "axisLabel": _AXIS_LABEL},
        "yAxis": {"type": "category", "data": [str(layer) for layer in range(depth)], "name": "layer", "nameGap": 6},
        "visualMap": {"show": False, "min": -scale, "max": scale, "dimension": 2, "inRange": {"color": colours}},
        "series": [series | {"markLine": line}],
    }
