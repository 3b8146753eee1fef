"""Is a drawing true: does patching its nodes change the gap as their relevance says, more than by chance?

Under two replacements of the prompt's culprit tokens, Pearson's r between relevance and effect over the drawn inner
nodes is held against the same r with relevances exchanged between tokens. The contrast's own column stays in place
there: near the top it is the gap itself under any map.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np

from explorer.errors import ExplorerError, count
from explorer.faithfulness.agreement import Agreement, agreement, pearson
from explorer.faithfulness.operators import OPERATORS, MaskedPrompt
from explorer.faithfulness.patching import Reference, estimated_effects, patch_effects, reference_run
from explorer.faithfulness.verdict import Kind, decide, words
from explorer.graph.build import TracedEdges
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Node
from explorer.model.passes import watched, watcher
from explorer.progress import Progress, silent

SHUFFLES = 2000
"""Draws of the control and of the bootstrap."""
LEAST_TOKENS = 5
"""Tokens with drawn nodes that a replacement must reach; of fewer, all nodes of some drawn layers are patched."""
MOST_LAYERS = 6
"""Of those layers, evenly spaced."""
REPLACEMENTS = ("mean", "likely")
"""The keys of ``OPERATORS`` that keep every token in its place, so that states can be exchanged."""
_UNKNOWN = "too few tokens to tell"


@dataclass(frozen=True)
class PatchTest:
    """Relevance of nodes beside the effect of patching them, under one replacement of the culprit tokens.

    Attributes:
        reference: the run that states were taken from, without them.
        nodes: (n,) the drawn inner nodes that the replacement reaches: at its first token or after it.
        drawn: False where these stand on too few tokens, and all nodes of some drawn layers were patched instead.
        relevance, effect: (n,) logits; the effect is the gap before less the gap after patching that node alone.
        estimate: (n,) logits, RelP's estimate of the effect.
        agreement: of relevance and effect.
    """

    reference: Reference
    nodes: tuple[Node, ...]
    drawn: bool
    relevance: np.ndarray
    effect: np.ndarray
    estimate: np.ndarray
    agreement: Agreement

    @property
    def relp_r(self) -> float:
        """Pearson between RelP's estimate and the effect; nan where either is constant."""
        return float(pearson(self.estimate, self.effect))

    @property
    def tokens(self) -> int:
        """How many tokens the nodes stand on."""
        return len({token for _, token in self.nodes})

    @property
    def name(self) -> str:
        """The replacement, for people."""
        return OPERATORS[self.reference.operator]

    def to_json(self) -> dict[str, Any]:
        """Return the figures without those of each node."""
        return {
            "replacement": self.reference.operator,
            "culprits": list(self.reference.culprits),
            "reference_gap": self.reference.gap,
            "nodes": len(self.nodes),
            "tokens": self.tokens,
            "drawn": self.drawn,
            "r": _finite(self.agreement.r),
            "interval": [_finite(end) for end in self.agreement.interval],
            "control": _finite(self.agreement.control),
            "p": self.agreement.p,
            "relp_r": _finite(self.relp_r),
        }


@dataclass(frozen=True)
class GraphVerdict:
    """Whether a drawing holds, with one test a replacement."""

    tests: tuple[PatchTest, ...]

    @property
    def kind(self) -> Kind | None:
        """The verdict; None where the patched nodes stand on too few tokens to tell."""
        enough = all(test.tokens >= LEAST_TOKENS for test in self.tests)
        return decide([test.agreement.p for test in self.tests]) if enough else None

    @property
    def words(self) -> str:
        """The verdict in words."""
        return words(self.kind, "drawing") if self.kind else _UNKNOWN

    @property
    def figures(self) -> str:
        """The figures that the verdict rests on, in half a sentence."""
        if self.kind is None:
            return f"what is replaced reaches {count(min(test.tokens for test in self.tests), 'token')} only"
        nodes = count(min(len(test.nodes) for test in self.tests), "node")
        what = nodes if all(test.drawn for test in self.tests) else f"all {nodes} of some layers (too few are drawn)"
        each = (f"{_figure(test.agreement.r)} ({test.name})" for test in self.tests)
        controls = " and ".join(_figure(test.agreement.control) for test in self.tests)
        return (
            f"patching {what} one by one, r = {' and '.join(each)} between relevance and effect; "
            f"with relevances exchanged between tokens {controls}"
        )

    @property
    def sentence(self) -> str:
        """The verdict and the figures that it rests on."""
        return f"{self.words[0].upper()}{self.words[1:]}: {self.figures}."

    def table(self) -> str:
        """The verdict as plain text, a line a replacement."""
        rows = [self.sentence]
        for test in self.tests:
            fits, nodes = test.agreement, f"{count(len(test.nodes), 'node')} on {count(test.tokens, 'token')}"
            low, high = map(_figure, fits.interval)
            rows.append(
                f"  {test.name:>14}: r {_figure(fits.r)} [{low}, {high}] over {nodes}, exchanged "
                f"{_figure(fits.control)} (p = {fits.p:.2g}), RelP's estimate {_figure(test.relp_r)}"
            )
        return "\n".join(rows)

    def to_json(self) -> dict[str, Any]:
        """Return the object under ``metadata.faithfulness`` of graph.json."""
        tests = [test.to_json() for test in self.tests]
        return {"verdict": self.kind or "unknown", "sentence": self.sentence, "tests": tests}


def graph_verdict(
    edges: TracedEdges,
    graph: AttributionGraph,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    progress: Progress = silent,
) -> GraphVerdict:
    """Patch every drawn inner node under each replacement, and compare effect with relevance.

    Embeddings and the contrast's node are left out: there the test would be the replacement itself, or the gap. Groups
    count by their members. Costs about half a pass forward a node, and one a token of the prompt, twice.

    Args:
        edges, graph: of the same explanation.
        shuffles: draws of control and bootstrap.
        seed: of both; the same seed gives the same figures.
        progress: told within every pass; it may raise to end the work. By default the thread's own watcher.

    Raises:
        ExplorerError: for a prompt without a token that can be replaced.
    """
    if graph.explanation.trace is not edges.explanation.trace:
        raise ExplorerError("The drawing is of another trace than its edges.")
    prompt, tests = MaskedPrompt(edges.loaded, edges.explanation), []
    progress = watcher() if progress is silent else progress
    for number, operator in enumerate(REPLACEMENTS):
        overall, within = _told(progress, number)
        with watched(within):
            tests.append(_test(edges, graph, prompt, operator, shuffles, seed, overall))
    return GraphVerdict(tuple(tests))


def _told(progress: Progress, number: int) -> tuple[Progress, Callable[..., None]]:
    """Return what is told of all nodes, and within a pass: that again, or whom it waits for; not its single blocks."""
    told: tuple[str, float, float] = (f"Looking for the culprit tokens ({OPERATORS[REPLACEMENTS[number]]})", 0, 0)

    def overall(what: str, done: float = 0, total: float = 0, /) -> None:
        nonlocal told
        told = what, done + number * total, total * len(REPLACEMENTS)
        progress(*told)

    def within(what: str, _done: float = 0, total: float = 0, /) -> None:
        progress(*told) if total else progress(what)

    return overall, within


def _test(
    edges: TracedEdges,
    graph: AttributionGraph,
    prompt: MaskedPrompt,
    operator: str,
    shuffles: int,
    seed: int,
    progress: Progress,
) -> PatchTest:
    trace, c = edges.explanation.trace, edges.explanation.contrast
    view, sides = edges.view, (c.target, c.foil)
    reference = reference_run(view, trace, sides, prompt, operator)
    nodes, drawn = _patched_nodes(graph, min(reference.culprits))
    effect = patch_effects(view, trace, sides, nodes, reference.states, progress)
    estimate = estimated_effects(trace, nodes, reference.states)
    relevance = np.array([trace.relevance[node] for node in nodes], dtype=float)
    hidden = graph.pruning.hidden if drawn else ()
    movable = [token for token in range(len(trace.ids) - 1) if token not in hidden]
    fits = agreement(trace.relevance, nodes, effect, movable, shuffles, seed)
    reference = replace(reference, states=())  # of no more use, and large
    return PatchTest(reference, tuple(nodes), drawn, relevance, effect, estimate, fits)


def _patched_nodes(graph: AttributionGraph, first: int) -> tuple[list[Node], bool]:
    """Return the drawn inner nodes at token ``first`` or after it; where too few, all nodes of some drawn layers."""
    nodes = [node for node in graph.drawing.nodes if node[0] > 0 and node[1] >= first and node != graph.contrast]
    if len({token for _, token in nodes}) >= LEAST_TOKENS:
        return nodes, True
    layers = [layer for layer in graph.drawing.layers if layer > 0]
    some = {layers[round(at)] for at in np.linspace(0, len(layers) - 1, min(MOST_LAYERS, len(layers)))}
    tokens = range(first, graph.contrast[1] + 1)
    return [(layer, token) for layer in sorted(some) for token in tokens if (layer, token) != graph.contrast], False


def _finite(value: float) -> float | None:
    return None if isnan(value) else value


def _figure(value: float) -> str:
    return "undefined" if isnan(value) else f"{value:.2f}"
