"""Is the drawing true: its verdict on the Graph page, computed in the background once the drawing is there."""

from dataclasses import asdict, dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from explorer.data.failures import Failure
from explorer.faithfulness.graph_verdict import GraphVerdict, PatchTest, graph_verdict
from explorer.figures.labels import visible
from explorer.figures.style import ACCENT, GREY
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Pruning
from explorer.model.load import ModelSpec
from explorer.ui.caching import cached
from explorer.ui.components import told
from explorer.ui.explained import edges_of
from explorer.ui.later import awaited
from explorer.ui.picture_table import as_table
from explorer.ui.rail import is_short
from explorer.ui.text import plain
from explorer.ui.verdict import ICONS

_KEY = "graph-verdict"
_UNKNOWN = ":material/help:"
_MARKERS: dict[str, tuple[str, str]] = {"mean": ("circle", ACCENT), "likely": ("diamond-open", GREY)}
_HELP = (
    "Every drawn inner node has its state taken from a run where the tokens that decide most are replaced; its effect "
    "is the gap before less the gap after. A true drawing has r well above the same r with relevances exchanged "
    "between tokens."
)


@cached("Patching the nodes")
def judged(
    spec: ModelSpec, failure: Failure, rule: str, layers: tuple[int, ...], pruning: Pruning, without: frozenset[int]
) -> GraphVerdict:
    """Judge a drawing; see ``graph_verdict``."""
    edges = edges_of(spec, failure, rule)
    graph = edges.graph(layers, pruning, without=without)
    return graph_verdict(edges, graph)


def drawing_of(spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> tuple[Any, ...]:
    """Return what ``judged`` takes."""
    rule = graph.explanation.trace.rule
    return spec, failure.question, rule, graph.drawing.layers, graph.pruning, graph.without


def known_verdict(spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> dict[str, Any]:
    """Return the drawing's verdict for files; empty where it is not known yet."""
    verdict = judged.known(*drawing_of(spec, failure, graph))
    return verdict.to_json() if verdict else {}


@dataclass(frozen=True)
class Told:
    """What the drawing's frame is told of its verdict: which drawing it is of, and a sentence, empty until known."""

    drawing: str
    verdict: str


def told_verdict(spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> Told:
    """Return what the frame is told now."""
    drawing = f"{hash(judged.key(*drawing_of(spec, failure, graph))):x}"
    return Told(drawing, str(known_verdict(spec, failure, graph).get("sentence", "")))


@st.fragment
def show_verdict(spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> None:
    """Draw the verdict's chip, which opens the figures, and tell the drawing's frame; or how far it is, with a stop.

    Of a long prompt a button asks for it.
    """
    hint = "Patch every drawn node: takes as long as some hundred passes over the prompt"
    asks = "Is this drawing true?"
    verdict = awaited(judged, drawing_of(spec, failure, graph), _KEY, asks, failure.prompt, hint, is_short(failure))
    if verdict is None:
        return
    told(key=f"{_KEY}-told", data=asdict(told_verdict(spec, failure, graph)))
    icon, hint = ICONS[verdict.kind] if verdict.kind else _UNKNOWN, "Whether this drawing is true: open its figures"
    with st.popover(chip_label(verdict.words), icon=icon, help=hint, key=_KEY):
        st.markdown(plain(verdict.sentence))
        st.caption(_HELP)
        _figures(verdict, graph)


def chip_label(words: str) -> str:
    """Return a verdict in words without what it advises: the frame says that."""
    short = words.partition(":")[0]
    return short[0].upper() + short[1:]


def _figures(verdict: GraphVerdict, graph: AttributionGraph) -> None:
    """Draw relevance against effect, and the figures of every replacement as a table."""
    tokens = graph.explanation.tokens
    figure = go.Figure()
    for test in verdict.tests:
        symbol, colour = _MARKERS[test.reference.operator]
        figure.add_scatter(
            x=test.relevance,
            y=test.effect,
            mode="markers",
            name=test.name,
            marker={"size": 6, "symbol": symbol, "color": colour, "opacity": 0.8},
            hovertemplate=f"relevance %{{x:+.2f}}, effect %{{y:+.2f}}<extra>{test.name}</extra>",
        )
    figure.update_layout(height=280, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.12})
    figure.update_xaxes(title="relevance, logits", zeroline=True)
    figure.update_yaxes(title="gap lost by patching, logits", zeroline=True)
    st.plotly_chart(figure, key=f"{_KEY}-chart", config={"displayModeBar": False}, alt="Relevance and effect of nodes")
    culprits = [
        "replaced",
        *(" ".join(visible(tokens[t].text) for t in test.reference.culprits) for test in verdict.tests),
    ]
    head = ["", *(test.name for test in verdict.tests)]
    rows = [*zip(*map(_column, verdict.tests), strict=True)]
    names = ("r", "95 % interval", "r with relevances exchanged", "p", "RelP's estimate: r", "nodes", "tokens", "gap")
    table = [culprits, *([name, *row] for name, row in zip(names, rows, strict=True))]
    as_table(_KEY, head, table, "Figures")


def _column(test: PatchTest) -> list[str]:
    fits = test.agreement
    low, high = fits.interval
    return [
        f"{fits.r:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{fits.control:.2f}",
        f"{fits.p:.2g}",
        f"{test.relp_r:.2f}",
        str(len(test.nodes)) + ("" if test.drawn else " (all of some layers)"),
        str(test.tokens),
        f"{test.reference.gap:+.2f} without them",
    ]
