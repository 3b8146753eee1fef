"""A graph from nothing but a selection: what the command line and a notebook call."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
from safetensors import SafetensorError
from safetensors.torch import save_file

from explorer.errors import ExplorerError
from explorer.files import writing
from explorer.graph.collect import LayerEdges, collect_edges, from_rows
from explorer.graph.edges import edge_matrix
from explorer.graph.layout import Column, columns
from explorer.graph.prune import Drawing, Pruning, prune
from explorer.graph.replay import skip_edges
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.contrast import make_contrast
from explorer.trace.explain import Explanation, explain_contrast
from explorer.trace.trace import Trace

TARGET_SHARE = 0.95
"""Skip edges are computed for the targets that hold this share of Σ|R| on the upper layer."""


@dataclass(frozen=True)
class Graph:
    """A pruned graph of one failure: what was traced, what is drawn, and in which columns."""

    shown: Explanation
    pairs: tuple[LayerEdges, ...]
    drawing: Drawing
    columns: list[Column]


def explain_graph(
    loaded: LoadedModel,
    prompt: Prompt,
    wrong: str,
    right: str,
    rule: str = "attnlrp",
    layers: str = "all",
    pruning: Pruning = Pruning(),
    progress: Callable[[str], None] = lambda _message: None,
) -> Graph:
    """Trace a failure, compute its edges, and prune them to a drawing.

    Args:
        rule: ``attnlrp`` or ``cplrp``.
        layers: ``all``, ``six`` (embedding and six evenly spaced), or numbers with commas; 0 and L are always drawn.

    Raises:
        ExplorerError: for a selection, rule or layer that can't be used, or pruning that leaves no edge.
    """
    if rule not in ("attnlrp", "cplrp"):
        raise ExplorerError(f"Edges are defined for attnlrp and cplrp, not for '{rule}'.")
    encoded = encode_prompt(loaded, prompt)
    contrast = make_contrast(loaded, encoded, wrong, right)
    drawn = parse_layers(layers, loaded.n_layers)
    progress("Tracing")
    shown = explain_contrast(loaded, encoded, contrast, rule, record=True)
    progress("Computing edges")
    near = collect_edges(loaded.view(rule), shown.trace)
    pairs = tuple(
        near[low] if high == low + 1 else distant(loaded, shown.trace, low, high) for low, high in pairwise(drawn)
    )
    drawing = prune(shown.trace.relevance, pairs, pruning)
    if drawing.empty:
        raise ExplorerError("The thresholds leave no edge that leads to the contrast; lower them.")
    return Graph(shown, pairs, drawing, columns(shown, drawing))


def parse_layers(text: str, depth: int) -> tuple[int, ...]:
    """The layers that ``all``, ``six`` or a list names; 0 and ``depth`` are added. Raises ExplorerError."""
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


def distant(
    loaded: LoadedModel,
    trace: Trace,
    low: int,
    high: int,
    progress: Callable[[int, int], bool | None] = lambda _done, _total: None,
) -> LayerEdges:
    """Exact edges between two layers any distance apart, into the targets that hold ``TARGET_SHARE`` of Σ|R|."""
    size = abs(trace.relevance[high].astype(float))
    order = size.argsort()[::-1]
    enough = int((size[order].cumsum() < TARGET_SHARE * size.sum()).sum()) + 1
    targets = sorted(order[:enough].tolist())
    return from_rows(low, high, targets, skip_edges(loaded.view(trace.rule), trace, low, high, targets, 32, progress))


def write_matrices(loaded: LoadedModel, trace: Trace, path: Path) -> None:
    """All dense edges as safetensors: ``layer.0`` … ``layer.L-1``, (T, T) float32, row = target, column = source."""
    view = loaded.view(trace.rule)
    depth = len(trace.relevance) - 1
    needed = 4 * depth * len(trace.ids) ** 2
    if needed > 0.8 * psutil.virtual_memory().available:
        raise ExplorerError(
            f"All dense edges of {len(trace.ids):,} tokens take {needed / 1e9:.1f} GB of memory; too many."
        )
    if not path.parent.is_dir():
        raise ExplorerError(f"{path} can't be written: no such folder.")
    matrices = {f"layer.{layer}": edge_matrix(view, trace, layer).float().cpu() for layer in range(depth)}
    with writing(path, SafetensorError):
        save_file(matrices, path, metadata={"rule": trace.rule, "rows": "target token", "columns": "source token"})
