"""Figures of a graph by layer, and the strongest paths through a node."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.graph.prune import Drawing, Node
from explorer.graph.store import LayerEdges


@dataclass(frozen=True)
class LayerFigures:
    """What a layer looks like: of all its nodes and of all edges into it, and of what is drawn.

    Attributes:
        layer: 0 (embeddings) to L.
        drawn_nodes, drawn_edges: how many of them are in the drawing.
        verticality: share of Σ|A| into this layer that stays on the same token, 0..1 (nan for the lowest layer).
        look_back: mean distance in tokens that the relevance comes from, weighted by |A| (nan for the lowest layer).
        gini: concentration of |R| over tokens, 0 (even) to 1 (one token has all).
        tokens_90: how many tokens hold 90 % of Σ|R|.
    """

    layer: int
    drawn_nodes: int
    drawn_edges: int
    verticality: float
    look_back: float
    gini: float
    tokens_90: int


def layer_figures(relevance: np.ndarray, pairs: Sequence[LayerEdges], drawing: Drawing) -> list[LayerFigures]:
    """One row a drawn layer, lowest first."""
    into = {pair.high: pair for pair in pairs}
    rows = []
    for layer in drawing.layers:
        pair = into.get(layer)
        known = pair is not None and pair.total > 0
        size = np.sort(np.abs(relevance[layer].astype(float)))
        total = size.sum()
        rows.append(
            LayerFigures(
                layer,
                sum(at == layer for at, _ in drawing.nodes),
                sum(target[0] == layer for _, target, _ in drawing.edges),
                pair.vertical / pair.total if known and pair else float("nan"),
                pair.reach / pair.total if known and pair else float("nan"),
                gini(size),
                int(np.searchsorted(np.cumsum(size[::-1]), 0.9 * total) + 1) if total else 0,
            )
        )
    return rows


def gini(values: np.ndarray) -> float:
    """Gini coefficient of values ≥ 0: Σ_ij |x_i − x_j| / (2 n Σ x); 0 for none."""
    ordered = np.sort(values.astype(float))
    total, n = ordered.sum(), len(ordered)
    if total == 0:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


@dataclass(frozen=True)
class Path:
    """A way through the layers: nodes from the lowest to the contrast, and the product of its edges' shares, 0..1.

    The share of an edge is |A| over Σ|A| of all edges into the same target: how much of what reached the target came
    this way.
    """

    nodes: tuple[Node, ...]
    share: float


def strongest_paths(
    pairs: Sequence[LayerEdges], node: Node, contrast: Node, count: int = 3, width: int = 24
) -> list[Path]:
    """The paths through ``node`` with the largest product of shares, up to the contrast and down to the lowest layer.

    A beam search of the given width in both directions over the ``most`` strongest edges of each layer pair.
    """
    incoming: dict[Node, list[tuple[Node, float]]] = defaultdict(list)
    outgoing: dict[Node, list[tuple[Node, float]]] = defaultdict(list)
    for pair in pairs:
        into = np.zeros(int(max(pair.target.max(initial=0), pair.source.max(initial=0))) + 1)
        np.add.at(into, pair.target, np.abs(pair.weight))
        for target, source, weight in zip(
            pair.target.tolist(), pair.source.tolist(), pair.weight.tolist(), strict=True
        ):
            share = abs(weight) / into[target]
            incoming[pair.high, target].append(((pair.low, source), share))
            outgoing[pair.low, source].append(((pair.high, target), share))
    down = _beam(incoming, node, width)
    up = [(nodes, share) for nodes, share in _beam(outgoing, node, width) if nodes[-1] == contrast]
    both = [Path((*low[::-1], *high[1:]), s * t) for low, s in down for high, t in up]
    return sorted(both, key=lambda path: -path.share)[:count]


def _beam(steps: dict[Node, list[tuple[Node, float]]], start: Node, width: int) -> list[tuple[tuple[Node, ...], float]]:
    beam: list[tuple[tuple[Node, ...], float]] = [((start,), 1.0)]
    while any(nodes[-1] in steps for nodes, _ in beam):
        longer = [
            ((*nodes, after), share * part)
            for nodes, share in beam
            for after, part in sorted(steps.get(nodes[-1], []), key=lambda step: -step[1])[:width]
        ]
        beam = sorted(longer, key=lambda item: -item[1])[:width]
    return beam
