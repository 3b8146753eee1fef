"""The verdict on a map, below it: computed in the background, with what it rests on, and the rule that does best."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.faithfulness.curves import CurveTest
from explorer.faithfulness.operators import OPERATORS
from explorer.faithfulness.verdict import Kind, MapVerdict, best, verdicts
from explorer.figures.style import BLUE_HEX, RED_HEX
from explorer.model.load import ModelSpec, load_model
from explorer.trace.explain import RULES, Explanation, default_layer
from explorer.ui import link
from explorer.ui.caching import Kept, cached
from explorer.ui.explained import explained
from explorer.ui.later import awaited
from explorer.ui.picture_table import as_table
from explorer.ui.rail import is_short
from explorer.ui.text import RULE_LABELS, plain

ICONS: dict[Kind, str] = {"holds": ":material/verified:", "disagree": ":material/rule:", "chance": ":material/warning:"}
HELP = """Words are replaced, the reddest first and the bluest first, and the gap is measured after each step; the same
in 50 random orders. A map **holds** where its order moves the gap more than random orders do under both replacements
(p ≤ 0.05, Benjamini–Hochberg over the two). One replacement alone can mislead: an embedding that no text has and a word
that is missing do different things to a model."""


@cached("Checking the maps")
def judged(spec: ModelSpec, failure: Failure, whole: bool) -> tuple[MapVerdict, ...]:
    """Judge the map of every rule that the model has, each at the layer it opens with."""
    maps: list[Explanation] = []
    for rule in RULES:
        try:
            maps.append(explained(spec, failure, rule, whole=whole))
        except ExplorerError:
            continue
    return tuple(verdicts(maps, load_model(spec)))


@cached("Checking the map")
def judged_at(spec: ModelSpec, failure: Failure, rule: str, layer: int, whole: bool) -> tuple[MapVerdict, ...]:
    """Judge a map at another layer than the one it opens with."""
    return tuple(verdicts([explained(spec, failure, rule, layer, whole)], load_model(spec)))


Call = tuple[Kept[..., tuple[MapVerdict, ...]], tuple[Any, ...]]


def _call(spec: ModelSpec, failure: Failure, explanation: Explanation) -> Call:
    """The function that judges a map, and its arguments."""
    e, question = explanation, failure.question
    if e.layer == default_layer(len(e.trace.relevance) - 1, e.rule):
        return judged, (spec, question, e.whole)
    return judged_at, (spec, question, e.rule, e.layer, e.whole)


def known_verdict(spec: ModelSpec, failure: Failure, explanation: Explanation) -> MapVerdict | None:
    """Return the verdict on a map if it is known, and compute nothing."""
    return next((v for v in known_verdicts(spec, failure, explanation) if v.rule == explanation.rule), None)


def known_verdicts(spec: ModelSpec, failure: Failure, explanation: Explanation) -> tuple[MapVerdict, ...]:
    """Return the verdicts on a map, and on those of other rules that are judged with it, if they are known."""
    function, given = _call(spec, failure, explanation)
    return function.known(*given) or ()


def compute_verdicts(spec: ModelSpec, failure: Failure, explanation: Explanation) -> tuple[MapVerdict, ...]:
    """Return the verdicts on a map, and on those of other rules that are judged with it; computed where not known."""
    function, given = _call(spec, failure, explanation)
    return function(*given)


@st.fragment
def show_verdict(spec: ModelSpec, failure: Failure, explanation: Explanation, key: str, number: str = "") -> None:
    """Draw the verdict on a map, or how far it is; it comes by itself, and can be stopped.

    Args:
        key: of the widgets.
        number: what the link key of this map's rule ends in.
    """
    call = _call(spec, failure, explanation)
    hint = "Replace words in the map's order and in random ones: minutes for a long prompt"
    maps = awaited(*call, key, "Is this map true?", failure.prompt, hint, is_short(failure))
    if maps is None:
        return
    verdict = next(each for each in maps if each.rule == explanation.rule)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"**{verdict.words[0].upper()}{verdict.words[1:]}**"
        with st.popover(label, icon=ICONS[verdict.kind], help=HELP, key=f"{key}-popover"):
            _details(verdict, maps, key)
        if (winner := best(maps)).rule != verdict.rule:
            put = {"on_click": link.put, "kwargs": {f"rule{number}": winner.rule}}
            text = f"{RULE_LABELS[winner.rule]} does best here"
            hint = f"Show the map of {RULES[winner.rule]}: {winner.sentence}"
            st.button(text, key=f"{key}-best", type="tertiary", icon=":material/arrow_forward:", help=hint, **put)
    st.caption(f"{verdict.figures[0].upper()}{verdict.figures[1:]}.")


def _details(verdict: MapVerdict, all_rules: Sequence[MapVerdict], key: str) -> None:
    """What the verdict rests on: curves a replacement, and every rule's figures."""
    st.markdown(f"**{plain(RULES[verdict.rule])}** · {plain(verdict.sentence)}")
    for test in verdict.tests:
        operator = test.reference.operator
        about = f"The gap while words are replaced ({OPERATORS[operator]})"
        chart = curves_chart(test, verdict.unit)
        st.plotly_chart(chart, key=f"{key}-{operator}", config={"displayModeBar": False}, alt=about)
    head = [head.format(unit=verdict.unit) for head in _HEAD]
    as_table(
        f"{key}-rules", head, [_row(each, test) for each in all_rules for test in each.tests], "All rules, figures"
    )
    st.caption(
        f"{verdict.players} tokens were replaced, never the chat format. Large comprehensiveness and small sufficiency "
        "are good. Picking the best of several rules is a choice after the fact: docs/faithfulness.md."
    )


_HEAD = (
    "rule",
    "replacement",
    "verdict on the map",
    "random orders beaten",
    "p",
    "effect in sd [95 %]",
    "comprehensiveness ({unit})",
    "sufficiency ({unit})",
    "random orders ({unit}) [90 %]",
    "leave-one-out ρ (shuffled, 95 %)",
)


def _row(verdict: MapVerdict, test: CurveTest) -> tuple[str, ...]:
    """A rule's figures under one replacement, in the order of ``_HEAD``."""
    effect, low, high = test.effect
    fall, least, most = test.random_fall
    alone = "" if test.leave_one_out is None else f"{test.leave_one_out:+.2f} ({test.leave_one_out_random:+.2f})"
    return (
        RULE_LABELS[verdict.rule],
        OPERATORS[test.reference.operator],
        verdict.words.partition(":")[0],
        f"{100 * test.beaten:.0f} %",
        f"{test.p:.2g}",
        f"{effect:.1f} [{low:.1f}, {high:.1f}]",
        f"{test.comprehensiveness:+.2f}",
        f"{test.sufficiency:+.2f}",
        f"{fall:+.2f} [{least:+.2f}, {most:+.2f}]",
        alone,
    )


def curves_chart(test: CurveTest, unit: str) -> go.Figure:
    """The gap while words are replaced: the map's order both ways, in the band of the random orders."""
    reference = test.reference
    shares = [100 * size / reference.sizes[-1] for size in reference.sizes]
    low, middle, high = (reference.random_quantile(q).tolist() for q in (0.05, 0.5, 0.95))
    figure = go.Figure()
    grey = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=shares, y=high, showlegend=False, **grey)
    band = "rgba(128, 128, 128, .25)"
    figure.add_scatter(x=shares, y=low, fill="tonexty", fillcolor=band, name="random orders, 90 %", **grey)
    figure.add_scatter(x=shares, y=middle, mode="lines", line={"color": "grey", "dash": "dot"}, name="random, median")
    lines = {"mode": "lines+markers"}
    figure.add_scatter(x=shares, y=test.most_first, line={"color": RED_HEX}, name="reddest first", **lines)
    figure.add_scatter(x=shares, y=test.least_first, line={"color": BLUE_HEX}, name="bluest first", **lines)
    figure.add_hline(0, line_width=1, line_color="grey")
    figure.update_xaxes(title=f"tokens replaced, % ({OPERATORS[reference.operator]})")
    figure.update_yaxes(title=f"gap, {unit}")
    figure.update_layout(height=230, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.2})
    return figure
