"""Statistics of a graph by layer, and the strongest paths through a node."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.graph.collect import LayerEdges
from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Node


def layer_statistics(graph: AttributionGraph) -> pd.DataFrame:
    """Return one row a drawn layer, lowest first.

    Columns:
        layer: 0 (embeddings) to L.
        drawn_nodes, drawn_edges: drawn nodes on it, and drawn edges into it.
        verticality: share of Σ|A| into this layer that stays on the same token, 0..1 (nan for the lowest layer).
        look_back: mean distance in tokens that the relevance comes from, weighted by |A| (nan for the lowest layer).
        gini: concentration of |R| over tokens, 0 (even) to 1 (one token has all).
        tokens_90: how many tokens hold 90 % of Σ|R|.
    """
    layers = list(graph.drawing.layers)
    into = {pair.high: (pair.vertical / pair.total, pair.reach / pair.total) for pair in graph.pairs if pair.total > 0}
    nodes = Counter(layer for layer, _ in graph.drawing.nodes)
    edges = Counter(target[0] for _, target, _ in graph.drawing.edges)
    sizes = -np.sort(-np.abs(graph.explanation.trace.relevance[layers].astype(float)))
    totals = sizes.sum(1, keepdims=True)
    tokens = (sizes.cumsum(1) < 0.9 * totals).sum(1) + (totals[:, 0] > 0)
    rows = [(layer, nodes[layer], edges[layer], *into.get(layer, (np.nan, np.nan))) for layer in layers]
    table = pd.DataFrame(rows, columns=["layer", "drawn_nodes", "drawn_edges", "verticality", "look_back"])
    return table.assign(gini=[gini(size) for size in sizes], tokens_90=tokens)


def gini(values: np.ndarray) -> float:
    """Return the Gini coefficient of values ≥ 0: Σ_ij |x_i − x_j| / (2 n Σ x); 0 for none."""
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


def strongest_paths(pairs: Sequence[LayerEdges], node: Node, contrast: Node, count: int = 3) -> list[Path]:
    """Return the paths through ``node`` with the largest product of shares, from the lowest layer to the contrast.

    Exact over the stored edges: finds the best ``count`` ways to every token, layer by layer, downwards from the
    contrast to the node and from the node on.
    """
    hops = [(pair, *_shares(pair)) for pair in reversed(pairs)]
    above = [(target, source, share) for pair, target, source, share in hops if node[0] <= pair.low < contrast[0]]
    below = [(target, source, share) for pair, target, source, share in hops if pair.high <= node[0]]
    layers = sorted({pair.low for pair in pairs} | {pair.high for pair in pairs})
    both = [
        (high * low, tuple(zip(layers, (*down[::-1], *up[-2::-1]), strict=False)))
        for high, up in _best_ways(above, contrast[1], count, node[1])
        for low, down in _best_ways(below, node[1], count)
    ]
    return [Path(nodes, share) for share, nodes in sorted(both, key=lambda way: -way[0])[:count]]


def _shares(pair: LayerEdges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (targets, sources, shares) of the edges, (n,) each."""
    size = np.abs(pair.weight)
    into = np.bincount(pair.target, size)
    return pair.target, pair.source, size / into[pair.target]


def _best_ways(
    hops: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], start: int, count: int, end: int | None = None
) -> list[tuple[float, tuple[int, ...]]]:
    """Return the ``count`` best (product of shares, tokens from ``start`` down), ending at ``end`` or anywhere.

    ``best[token, rank]`` is the share of the rank-th best way from ``start`` to a token, in the layer that was reached.
    """
    length = 1 + max([start, end or 0, *(int(ends.max(initial=0)) for hop in hops for ends in hop[:2])])
    best = np.zeros((length, count))
    best[start, 0] = 1
    back: list[np.ndarray] = []
    for target, source, share in hops:
        value = (share[:, None] * best[target]).ravel()
        order = np.lexsort((-value, np.repeat(source, count)))
        reached = np.repeat(source, count)[order]
        rank = np.arange(len(order)) - np.searchsorted(reached, reached)
        chosen = (rank < count) & (value[order] > 0)
        best, came = np.zeros((length, count)), np.zeros((length, count), dtype=int)
        best[reached[chosen], rank[chosen]] = value[order[chosen]]
        came[reached[chosen], rank[chosen]] = target[order[chosen] // count] * count + order[chosen] % count
        back.append(came)
    ways = []
    for at in np.argsort(-best, axis=None, kind="stable") if end is None else range(end * count, (end + 1) * count):
        if len(ways) == count or best.flat[at] == 0:
            break
        tokens, step = [int(at) // count], int(at)
        for came in reversed(back):
            step = int(came.flat[step])
            tokens.append(step // count)
        ways.append((float(best.flat[at]), tuple(tokens[::-1])))
    return ways
