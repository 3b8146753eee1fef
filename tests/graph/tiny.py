"""A tiny traced model and its edges, kept and dense, for the tests of the graph."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from transformers import PreTrainedModel

from explorer.graph.collect import LayerEdges, collect_edges
from explorer.graph.edges import edge_matrix
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Pruning, prune
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
