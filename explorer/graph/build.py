"""From a failure to its attribution graph: the edges of a trace, each computed once, and pruned to a drawing."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import PreTrainedModel

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.files import write_whole, writing
from explorer.graph.ablate import Ablation, How, ablate
from explorer.graph.block_parts import VerticalParts, vertical_parts
from explorer.graph.check import check_graph
from explorer.graph.collect import LayerEdges, collect_edges, from_rows
from explorer.graph.edges import edge_matrix, split_edge
from explorer.graph.layout import AttributionGraph
from explorer.graph.path_words import path_words
from explorer.graph.prune import Node, Pruning, prune
from explorer.graph.replay import skip_edges
from explorer.model import memory
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.progress import Progress, silent
from explorer.trace.explain import Explanation, explain, ready_model, trace_rule
from explorer.trace.story import Part

TARGET_SHARE = 0.95
"""Skip edges are computed for the targets that hold this share of Σ|R| on the upper layer."""
_MOST = 64


class TracedEdges:
    """The edges of one recorded explanation, each computed on first use; threads can share it.

    At most ``_MOST`` results are held besides the edges of neighbouring layers. The model is not held: one that was let
    go of is loaded again.
    """

    def __init__(self, loaded: LoadedModel, explanation: Explanation) -> None:
        check_graph(loaded, explanation.trace.rule)
        self.explanation, self._spec, self._loaded = explanation, loaded.spec, ref(loaded)
        self._lock = threading.RLock()
        self._neighbours: tuple[LayerEdges, ...] | None = None
        self._results: dict[tuple, Any] = {}

    def graph(
        self,
        layers: Sequence[int] = (),
        pruning: Pruning = Pruning(),
        progress: Progress = silent,
        without: frozenset[int] = frozenset(),
    ) -> AttributionGraph:
        """Prune the edges between consecutive ``layers`` (default: all) to a drawing, which may be empty.

        ``without``: see ``between``.
        """
        trace = self.explanation.trace
        layers = layers or range(len(trace.relevance))
        pairs = tuple(self.between(low, high, progress, without) for low, high in pairwise(layers))
        drawing = prune(trace.relevance, pairs, pruning)
        path = self.path(progress)
        return AttributionGraph(self.explanation, pairs, drawing, pruning=pruning, without=without, path=path)

    def story(self) -> AttributionGraph:
        """Return what the app draws first: embedding and six layers, without the template, runs as one stroke."""
        layers = parse_layers("six", len(self.explanation.trace.relevance) - 1)
        return self.graph(layers, Pruning(hidden=self.template), without=self.template)

    def path(self, progress: Progress = silent) -> tuple[Part, ...]:
        """Tell the strongest way in words (see ``path_words``)."""
        pairs = [self.between(low, low + 1, progress) for low in range(len(self.explanation.trace.relevance) - 1)]
        return self._once(("path",), lambda: path_words(self.view, self.explanation, pairs))

    @property
    def template(self) -> frozenset[int]:
        """The chat format's tokens, without the one that the contrast follows."""
        return frozenset(t.index for t in self.explanation.tokens[:-1] if t.segment == "template")

    def between(
        self, low: int, high: int, progress: Progress = silent, without: frozenset[int] = frozenset()
    ) -> LayerEdges:
        """Return the exact edges between two layers, 0 ≤ low < high ≤ L.

        Where they are not neighbours, only edges into the targets that hold ``TARGET_SHARE`` of Σ|R| are computed, of
        the tokens that are not in ``without`` (token positions that will not be drawn).
        """
        if high > low + 1:
            return self._once(("edges", low, high, without), lambda: self._distant(low, high, progress, without))
        with self._lock:
            if self._neighbours is None:
                self._neighbours = collect_edges(self.view, self.explanation.trace, progress=progress)
            return self._neighbours[low]

    def seen_from(self, node: Node) -> np.ndarray:
        """Return (T,) what of a node's relevance comes from each token of the prompt, in logits."""
        layer, token = node
        trace = self.explanation.trace
        if layer == 0:
            return np.where(np.arange(len(trace.ids)) == token, trace.relevance[0], 0.0)
        return self._once(("seen", node), lambda: skip_edges(self.view, trace, 0, layer, [token])[0])

    def halves(self, layer: int) -> VerticalParts:
        """Return the same-token edges of a block, split into residual connection, attention and MLP."""
        return self._once(("halves", layer), lambda: vertical_parts(self.view, self.explanation.trace, layer))

    def through_half(self, layer: int, token: int, half: str) -> np.ndarray:
        """Return (T,) what a half of the block below ``layer`` brings to a token there from each token, in logits."""
        parts, values = self.halves(layer - 1), np.zeros(len(self.explanation.trace.ids))
        if half == "attention":
            row = split_edge(self.view, self.explanation.trace, layer - 1, token, token).by_source.sum(0)
            values[: len(row)] = row
            values[token] = parts.attention[token]
        else:
            values[token] = parts.mlp[token]
        return values

    def ablated(self, nodes: tuple[Node, ...], how: How) -> Ablation:
        """Replace the states of nodes and measure the gap (see ``ablate``)."""
        trace, contrast = self.explanation.trace, self.explanation.contrast
        sides = contrast.target, contrast.foil
        return self._once(("ablated", nodes, how), lambda: ablate(self.view, trace, sides, list(nodes), how))

    @property
    def loaded(self) -> LoadedModel:
        """The model of the explanation."""
        loaded = self._loaded()
        if loaded is None:
            loaded = load_model(self._spec)
            self._loaded = ref(loaded)
        return loaded

    @property
    def view(self) -> PreTrainedModel:
        """The view that the edges are computed with."""
        return self.loaded.view(self.explanation.trace.rule, len(self.explanation.trace.ids))

    def _distant(self, low: int, high: int, progress: Progress, without: frozenset[int]) -> LayerEdges:
        trace = self.explanation.trace
        size = abs(trace.relevance[high].astype(float))
        size[list(without)] = 0
        order = size.argsort()[::-1]
        enough = int((size[order].cumsum() < TARGET_SHARE * size.sum()).sum()) + 1
        targets = sorted(order[:enough].tolist())
        rows = skip_edges(self.view, trace, low, high, targets, progress=progress)
        return from_rows(low, high, targets, rows)

    def _once(self, key: tuple, compute: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._results:
                self._results[key] = compute()
                if len(self._results) > _MOST:
                    del self._results[next(iter(self._results))]
            return self._results[key]


def attribution_graph(
    failure: Failure,
    model: str | ModelSpec | LoadedModel = "smollm2",
    *,
    rule: str = "attnlrp",
    layers: str = "all",
    pruning: Pruning = Pruning(),
    hide_template: bool = False,
    progress: Progress = silent,
) -> AttributionGraph:
    """Trace a failure, compute its edges, and prune them to a drawing.

    Args:
        failure, model: see ``explain``.
        rule: ``attnlrp`` or ``cplrp``.
        layers: ``all``, ``six`` (embedding and six evenly spaced), or numbers with commas; 0 and L are always drawn.
        hide_template: leave the chat format's tokens out, as the app's story does.

    Raises:
        ExplorerError: for a failure, rule or layer that can't be used, or pruning that leaves no edge.
    """
    loaded = ready_model(model, progress)
    drawn = parse_layers(layers, loaded.n_layers)
    check_graph(loaded, trace_rule(rule))
    progress("Tracing")
    edges = TracedEdges(loaded, explain(failure, loaded, rule=rule, record=True))
    without = edges.template if hide_template else frozenset()
    graph = edges.graph(drawn, replace(pruning, hidden=pruning.hidden | without), progress, without)
    if graph.drawing.empty:
        raise ExplorerError("The thresholds leave no edge that leads to the contrast; lower them.")
    return graph


def parse_layers(text: str, depth: int) -> tuple[int, ...]:
    """Return the layers that ``all``, ``six`` or a list names, with 0 and ``depth`` added. Raises ExplorerError."""
    if text == "all":
        return tuple(range(depth + 1))
    if text == "six":
        return tuple(sorted({0, *(round(depth * part / 6) for part in range(1, 7))}))
    try:
        chosen = {int(part) for part in text.split(",")}
    except ValueError:
        raise ExplorerError(f"Layers are '{text}'; expected all, six, or numbers such as 0,5,{depth}.") from None
    if not chosen <= set(range(depth + 1)):
        raise ExplorerError(f"Layers are '{text}'; expected numbers from 0 to {depth}.")
    return tuple(sorted(chosen | {0, depth}))


def write_matrices(loaded: LoadedModel, explanation: Explanation, path: Path) -> None:
    """Write all dense edges as safetensors: ``layer.0`` … ``layer.L-1``, (T, T) float32, row = target token."""
    trace = explanation.trace
    view = loaded.view(trace.rule, len(trace.ids))
    depth = len(trace.relevance) - 1
    needed = 4 * depth * len(trace.ids) ** 2
    if needed > 0.8 * memory.free_bytes(torch.device("cpu")):
        size = f"{len(trace.ids):,} tokens take {needed / 1e9:.1f} GB of memory"
        raise ExplorerError(f"All dense edges of {size}; too many.")
    if not path.parent.is_dir():
        raise ExplorerError(f"{path} can't be written: no such folder.")
    matrices = {f"layer.{layer}": edge_matrix(view, trace, layer).float().cpu() for layer in range(depth)}
    about = {"rule": trace.rule, "rows": "target token", "columns": "source token"}
    with writing(path, SafetensorError):
        write_whole(path, lambda scratch: save_file(matrices, scratch, metadata=about))
