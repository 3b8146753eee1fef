"""A tiny traced model and its edges, kept and dense, for the tests of the graph."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from transformers import PreTrainedModel

from explorer.graph.collect import LayerEdges, collect_edges
from explorer.graph.edges import edge_matrix
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Pruning, prune
from explorer.model.lrp import lrp_view
from explorer.model.prompts import Token
from explorer.trace.contrast import Contrast
from explorer.trace.explain import Explanation
from explorer.trace.trace import Trace, trace_ids
from tests.model.families import random_ids, tiny_model

HOSTILE = (
    "<|im_start|>",
    "\n",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    '"><b title="href=http://example.com/a">',
    "$a_b$ $\\frac{",
    "&lt;i&gt;",
    "\x1b[31m\x00",
    "<!--",
    "",
    "مرحبا",
    "%%data%%",
)
"""Token texts that must stay texts."""

TARGET, FOIL = 3, 5


@dataclass(frozen=True)
class Tiny:
    """``dense``: (T, T) matrices of all edges, one a layer pair; ``pairs``: the same edges, as kept."""

    view: PreTrainedModel
    trace: Trace
    pairs: tuple[LayerEdges, ...]
    dense: tuple[np.ndarray, ...]

    @property
    def contrast(self) -> tuple[int, int]:
        """The contrast node."""
        return len(self.dense), len(self.trace.ids) - 1


@cache
def tiny(family: str = "llama", length: int = 12, rule: str = "attnlrp", bias_free: bool = False) -> Tiny:
    """A random three-layer model, traced on ``length`` random tokens."""
    view = lrp_view(tiny_model(family, bias_free=bias_free), rule)
    trace = trace_ids(view, random_ids(length, seed=0), TARGET, FOIL, record=True)
    dense = tuple(edge_matrix(view, trace, layer).numpy().astype(float) for layer in range(3))
    return Tiny(view, trace, collect_edges(view, trace), dense)


def explanation(graph: Tiny, texts: tuple[str, ...] = HOSTILE) -> Explanation:
    """The trace as an explanation of a prompt with these token texts."""
    ids = graph.trace.ids
    tokens = tuple(Token(n, id, texts[n % len(texts)], "template" if n == 0 else "user") for n, id in enumerate(ids))
    wrong, right = "<b>$wrong$</b>", "%%script%%</h1><script>alert(3)</script>"
    words = (wrong, right, wrong, right, wrong, right)
    contrast = Contrast(tokens, TARGET, FOIL, *words, (TARGET,), (FOIL,))
    return Explanation("tiny <model>", contrast, graph.trace, graph.trace.rule, 0, False, 0.0)


def attribution_graph(graph: Tiny, pruning: Pruning = Pruning(), marks: Marks = Marks()) -> AttributionGraph:
    """The pruned graph, with hostile token texts."""
    return AttributionGraph(explanation(graph), graph.pairs, prune(graph.trace.relevance, graph.pairs, pruning), marks)


def chain(signs: str, extra: tuple = ()) -> AttributionGraph:
    """A drawing of one column, token 2 from layer 0 up, of nodes with these signs, that leads to token 3 on top."""
    top = len(signs)
    values = [float(f"{sign}{number + 1}") for number, sign in enumerate(signs)]
    nodes = {(layer, 2): value for layer, value in enumerate(values)} | {(top, 3): 1.0}
    nodes |= {node: 1.0 for *ends, _ in extra for node in ends if node not in nodes}
    edges = [((n, 2), (n + 1, 2), values[n]) for n in range(top - 1)] + [((top - 1, 2), (top, 3), 1.0), *extra]
    drawing = Drawing(tuple(range(top + 1)), nodes, tuple(edges), 1.0, 1.0, len(nodes), len(edges))
    long = tiny(length=4)
    trace = replace(explanation(long).trace, relevance=np.zeros((top + 1, 4)))
    return AttributionGraph(replace(explanation(long), trace=trace), (), drawing, beads=False)
