"""Statistics of a graph by layer, and the strongest paths through a node."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.graph.layout import AttributionGraph
from explorer.graph.prune import Drawing, Node


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
    """A way of drawn edges: nodes from the lowest to the contrast, and the weights of its edges, in logits."""

    nodes: tuple[Node, ...]
    weights: tuple[float, ...]

    @property
    def thinnest(self) -> float:
        """The weight of its weakest edge, in logits."""
        return min(self.weights, key=abs)


def strongest_paths(drawing: Drawing, members: Collection[Node], contrast: Node, count: int = 3) -> list[Path]:
    """Return the paths through any of ``members`` to the contrast that the drawing shows strongest.

    Of two paths the stronger one has the thicker thinnest edge; where these are equal, the thicker second-thinnest, and
    so on. A path that begins above the lowest drawn layer counts as if edges of 0 led to its beginning.
    """
    into, out = defaultdict(list), defaultdict(list)
    for source, target, weight in drawing.edges:
        into[target].append((source, weight))
        out[source].append((target, weight))
    height = {layer: number for number, layer in enumerate(drawing.layers)}
    below: dict[Node, list[Path]] = {}
    for node in sorted(drawing.nodes):
        ways = [Path((*way.nodes, node), (*way.weights, w)) for source, w in into[node] for way in below[source]]
        start = [] if ways else [Path((node,), (0.0,) * height[node[0]])]
        below[node] = _strongest(ways or start, count)
    above: dict[Node, list[Path]] = {contrast: [Path((contrast,), ())]}
    for node in sorted(drawing.nodes, reverse=True):
        ways = [Path((node, *way.nodes), (w, *way.weights)) for target, w in out[node] for way in above.get(target, ())]
        above[node] = above.get(node, []) + _strongest(ways, count)
    both = {
        (*low.nodes, *high.nodes[1:]): (*low.weights, *high.weights)
        for node in members
        for low in below.get(node, ())
        for high in above.get(node, ())
    }
    ways = _strongest([Path(nodes, weights) for nodes, weights in both.items()], count)
    return [Path(way.nodes, way.weights[-(len(way.nodes) - 1) :]) for way in ways if len(way.nodes) > 1]


def _strongest(paths: list[Path], count: int) -> list[Path]:
    """Return the ``count`` strongest of paths with equally many weights, strongest first."""
    return sorted(paths, key=lambda path: sorted(map(abs, path.weights)), reverse=True)[:count]
