"""Charts and component calls of the pages: data in, drawn, what was clicked out."""

from typing import Any

import numpy as np
import streamlit as st

from explorer.trace.explain import RULES, Explanation, ranks_by_size
from explorer.ui.components import bars, case_bar, token_map
from explorer.ui.session import select_token, selected_token

TOWARDS_WRONG, TOWARDS_RIGHT = "towards wrong", "towards right"


def visible(text: str) -> str:
    """A token's text with its white space made visible, for labels."""
    return text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣", 1) or "·"


def colour_scale(values: np.ndarray, segments: list[str]) -> float:
    """The |value| at which colours saturate: the largest one outside the template, which often dwarfs the rest."""
    inside = np.array([segment != "template" for segment in segments])
    chosen = values[inside] if inside.any() else values
    return float(np.abs(chosen).max()) if len(chosen) else 0.0


def _take_selection(key: str) -> None:
    index = st.session_state[key]["selected"]
    if index is not None:
        select_token(index if index >= 0 else None)


def show_case_bar(shown: Explanation, prompt: str) -> None:
    """Prompt, wrong → right and the gap, in one line."""
    wrong, right = shown.sides
    wins = "the model prefers the wrong one" if shown.trace.gap > 0 else "the model prefers the right one here"
    case_bar(
        key="case-bar",
        data={
            "prompt": " ".join(prompt.split())[:160],
            "wrong": " ".join(wrong.split()),
            "right": " ".join(right.split()),
            "gap": f"Δℓ = {shown.trace.gap:+.2f} {shown.unit}",
            "note": wins,
        },
    )


def show_token_map(
    shown: Explanation, key: str, norms: bool = False, values: np.ndarray | None = None, **said: Any
) -> None:
    """The heatmap in text flow; a click selects a token for all views.

    ``values`` (T,) stand in for the map's own; ``said``, for what is said of them: ``scale`` (where colours saturate),
    ``caption``, ``hint``; ``compact`` lets the template flow with the text.
    """
    wrong, right = shown.sides
    if values is None:
        measured = shown.trace.loss_gradient
        values = measured[shown.layer] if norms and measured is not None else shown.relevance
    assert values is not None
    ranks = ranks_by_size(values)
    data: dict[str, Any] = {
        "tokens": [[t.text, t.segment, float(v), int(r)] for t, v, r in zip(shown.tokens, values, ranks, strict=True)],
        "scale": colour_scale(values, [t.segment for t in shown.tokens]),
        "unit": "‖∂L/∂H‖" if norms else shown.unit,
        "signed": not norms,
        "measure": "sensitivity",
        "wrong": wrong,
        "right": right,
        "caption": RULES[shown.rule] + (f", layer {shown.layer}" if shown.layer else ""),
        "hint": "Hover over a token for its figures; click it to follow it through the layers.",
        "selected": selected_token(),
        "linked": True,
    }
    token_map(key=key, data=data | said, on_selected_change=lambda: _take_selection(key))


def show_strongest(shown: Explanation, key: str, count: int = 5) -> None:
    """The strongest tokens each way and the totals of each segment, as bars."""
    groups = []
    for sign, title, tone in (
        (1, "Push towards the wrong answer", "wrong"),
        (-1, "Push towards the right answer", "right"),
    ):
        rows = [
            [visible(t.text), min(v, 0.0), max(v, 0.0), t.index, t.segment] for t, v in shown.strongest(sign, count)
        ]
        groups.append({"title": title, "tone": tone, "rows": rows, "empty": "no token"})
    largest = float(np.abs(shown.relevance).max())
    data = {"groups": groups, "scale": largest, "selected": selected_token(), "linked": True}
    bars(key=key, data=data, on_selected_change=lambda: _take_selection(key))


def show_segments(shown: Explanation, key: str) -> None:
    """Sum of positive and of negative relevance by segment."""
    totals = shown.segment_totals()
    rows = [[name, low, high, None, f"{n} tokens"] for name, (high, low, n) in totals.items()]
    scale = max((max(high, -low) for high, low, _ in totals.values()), default=1.0)
    data = {"groups": [{"title": "By segment (sum)", "rows": rows, "empty": ""}], "scale": scale, "selected": None}
    bars(key=key, data=data)


def show_layers(shown: Explanation, key: str) -> None:
    """(layer × token) relevance; a click selects the token."""
    relevance = shown.trace.relevance
    strength = np.abs(relevance[relevance != 0])
    scale = float(np.percentile(strength, 98)) if len(strength) else 1.0
    n_layers, n_tokens = relevance.shape
    dark = st.context.theme.type == "dark"
    middle = "#1e1e26" if dark else "#f6f6f8"
    labels = [f"{i} {visible(t.text)}" for i, t in enumerate(shown.tokens)]
    cells = [
        [i, layer, float(f"{relevance[layer, i]:.3g}")]
        for layer in range(n_layers)
        for i in range(n_tokens)
        if relevance[layer, i] != 0
    ]
    chosen = selected_token()
    mark = [{"xAxis": chosen}] if chosen is not None and chosen < n_tokens else []
    spec = {
        "animation": False,
        "grid": {"left": 52, "right": 16, "top": 8, "bottom": 96},
        "tooltip": {"position": "top"},
        "xAxis": {"type": "category", "data": labels, "axisLabel": {"rotate": 60, "fontSize": 10, "interval": "auto"}},
        "yAxis": {"type": "category", "data": [str(i) for i in range(n_layers)], "name": "layer", "nameGap": 6},
        "visualMap": {
            "show": False,
            "min": -scale,
            "max": scale,
            "dimension": 2,
            "inRange": {"color": ["#2563eb", middle, "#dc2626"]},
        },
        "series": [
            {
                "type": "heatmap",
                "name": "relevance",
                "data": cells,
                "selectedMode": "single",
                "progressive": 0,
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "label": {"show": False},
                    "lineStyle": {"color": "#ffffff" if dark else "#000000", "width": 1},
                    "data": mark,
                },
            }
        ],
    }
    event = st.echarts_chart(spec, height=380, key=key, on_select="rerun", alt="Relevance by layer and token")
    _layer_click(event, cells, key)


def _layer_click(event: Any, cells: list[list[float]], key: str) -> None:
    picked = [i for series in event["selection"]["selected"] for i in series["data_indices"]]
    seen = f"{key}-seen"
    if st.session_state.get(seen, []) != picked:
        st.session_state[seen] = picked
        if picked and picked[0] < len(cells):
            select_token(int(cells[picked[0]][0]))
            st.rerun()
