"""The Compare page's drawings: gaps as bars, probabilities and answers, and the maps under one scale of colours."""

import json

import streamlit as st

from explorer.data.failures import Failure
from explorer.figures.gaps import gaps_file
from explorer.trace.compare import Compared, change
from explorer.trace.explain import RULES
from explorer.ui.charts import colour_scale, show_token_map
from explorer.ui.components import bars, case_bar
from explorer.ui.downloads import format_buttons

Found = list[tuple[str, Compared]]
"""(name, what the model makes of the case), in the order chosen."""
GAP = "Δℓ is the wrong token's logit minus the right one's, which is the natural logarithm of the ratio of their "
GAP += "probabilities: it compares from model to model. Red: the model prefers the wrong token."
PLACE = "first token that differs: its probability after what both answers share"


def case_line(case: Failure) -> None:
    """Prompt and answers, of no model yet."""
    texts = {"prompt": case.prompt[:160], "wrong": case.wrong[:60], "right": case.right[:60], "gap": "", "note": ""}
    case_bar(key="case-bar", data={name: " ".join(text.split()) for name, text in texts.items()})


def show_gaps(found: Found) -> None:
    """The logit gap of every model."""
    gaps = [one.shown.trace.gap for _, one in found]
    rows = [[name, min(gap, 0.0), max(gap, 0.0), None, ""] for (name, _), gap in zip(found, gaps, strict=True)]
    group = {"title": "Gap Δℓ (logits)", "rows": rows, "empty": ""}
    bars(key="gaps", data={"groups": [group], "scale": max(map(abs, gaps)) or 1.0, "selected": None})
    st.caption(GAP)


def show_readings(found: Found) -> None:
    """Probabilities of the contrasted tokens."""
    first = found[0][1].shown
    wrong, right = (" ".join(side.split()) for side in first.sides)
    odds = st.column_config.NumberColumn
    st.dataframe(
        [
            {"Model": name, "wrong": 100 * one.reading.wrong, "right": 100 * one.reading.right}
            for name, one in found
        ],
        column_config={
            "Model": st.column_config.TextColumn(width="small"),
            "wrong": odds(f"P({wrong})", format="%.1f %%", width="small", help=f"The wrong answer's {PLACE}"),
            "right": odds(f"P({right})", format="%.1f %%", width="small", help=f"The right answer's {PLACE}"),
        },
        hide_index=True, key="readings",
    )  # fmt: skip


def show_maps(found: Found, changes: bool) -> None:
    """A map a model, all with the same colours for the same figures; or their changes against the first."""
    first = found[0][1].shown
    values = {0: first.relevance}
    for number, (_, one) in enumerate(found[1:], 1):
        values[number] = one.shown.relevance
        moved = change(first, one.shown) if changes else None
        if moved is not None:
            values[number] = moved
    segments = [[t.segment for t in one.shown.tokens] for _, one in found]
    scale = max(colour_scale(values[i], segments[i]) for i in values)
    for number, (name, one) in enumerate(found):
        said = f"{name} · Δℓ = {one.shown.trace.gap:+.2f} · {RULES[one.shown.rule]}"
        if changes and number:
            same = change(first, one.shown) is not None
            said = f"{name} − {found[0][0]}" if same else f"{name} (reads other tokens: its own map)"
        answer = " ".join(one.reading.answer.split())
        show_token_map(
            one.shown, f"map-{number}", values=values[number], scale=scale, caption=said, compact=True,
            hint=f"It answers: {answer}",
        )  # fmt: skip


def downloads(found: Found, name: str) -> None:
    """The figure of the gaps, and everything as JSON."""
    with st.popover("", icon=":material/download:", help="Download", key="compare-files"):
        st.download_button(
            "All figures (JSON)", lambda: json.dumps(as_json(found), ensure_ascii=False, indent=1).encode(),
            f"{name}-models.json", "application/json", key="compare-json", on_click="ignore", width="stretch",
        )  # fmt: skip
        st.caption("Gaps, probabilities and answers")
        format_buttons(lambda kind: gaps_file(found, kind), f"{name}-models", "compare")


def as_json(found: Found) -> dict:
    """What ``explorer compare --json`` prints, with the names that the page gives the models."""
    return {"models": [{"name": name, **one.to_json()} for name, one in found]}
