"""From all edges to a drawing that a person can read: thresholds, mass, ancestors of the contrast, caps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

import numpy as np

from explorer.graph.collect import LayerEdges

Node = tuple[int, int]
"""(layer, token)."""
Edge = tuple[Node, Node, float]
"""(source, target, weight in logits)."""


@dataclass(frozen=True)
class Pruning:
    """What the drawing keeps.

    Attributes:
        mass: of each layer pair the strongest edges that together carry this share of Σ|A| (CAIW: 0.85).
        node_threshold: drop nodes with |R| below this, in logits.
        edge_threshold: drop edges with |A| below this, in logits.
        max_nodes, max_edges: caps; the strongest edges win, from the contrast downwards.
        hidden: token positions that are left out.
        pinned: nodes that stay whatever the thresholds say.
    """

    mass: float = 0.85
    node_threshold: float = 0.0
    edge_threshold: float = 0.0
    max_nodes: int = 160
    max_edges: int = 260
    hidden: frozenset[int] = frozenset()
    pinned: frozenset[Node] = frozenset()


@dataclass(frozen=True)
class Drawing:
    """What pruning leaves of the graph.

    Attributes:
        layers: the drawn layers, lowest first.
        nodes: node → relevance in logits.
        edges: strongest first.
        edge_share: Σ|A| drawn / Σ|A| of all edges between those layers.
        node_share: Σ|R| of drawn nodes / Σ|R| of all nodes on those layers.
        total_nodes, total_edges: how many there are, drawn or not.
    """

    layers: tuple[int, ...]
    nodes: dict[Node, float] = field(repr=False)
    edges: tuple[Edge, ...] = field(repr=False)
    edge_share: float
    node_share: float
    total_nodes: int
    total_edges: int

    @property
    def empty(self) -> bool:
        """True where no edge is left."""
        return not self.edges


def prune(relevance: np.ndarray, pairs: Sequence[LayerEdges], pruning: Pruning) -> Drawing:
    """Keep what ``pruning`` says, and of that only what leads to the contrast node (top layer, last token).

    ``relevance``: (L+1, T) of the trace; ``pairs``: edges between consecutive drawn layers, lowest first.
    """
    layers = (pairs[0].low, *(pair.high for pair in pairs))
    contrast = (layers[-1], relevance.shape[1] - 1)
    candidates = [edge for pair in pairs for edge in _candidates(relevance, pair, pruning, contrast)]
    edges = _leading_to(contrast, candidates, pruning)
    pinned = {(layer, token) for layer, token in pruning.pinned if layer in layers and token < relevance.shape[1]}
    drawn = {node for edge in edges for node in edge[:2]} | {contrast} | pinned
    nodes = {node: float(relevance[node]) for node in sorted(drawn)}
    rows = relevance[list(layers)]
    all_relevance = float(np.abs(rows).sum())
    all_edges = sum(pair.total for pair in pairs)
    edge_share = sum(abs(weight) for *_, weight in edges) / all_edges if all_edges else 0.0
    node_share = sum(map(abs, nodes.values())) / all_relevance if all_relevance else 0.0
    totals = int(np.count_nonzero(rows)), sum(pair.count for pair in pairs)
    return Drawing(layers, nodes, tuple(edges), edge_share, node_share, *totals)


def _candidates(relevance: np.ndarray, pair: LayerEdges, pruning: Pruning, contrast: Node) -> list[Edge]:
    size = np.abs(pair.weight)
    enough = int(np.searchsorted(np.cumsum(size), pruning.mass * pair.total)) + 1
    keep = (np.arange(len(size)) < enough) & (size >= pruning.edge_threshold)
    for layer, tokens in ((pair.high, pair.target), (pair.low, pair.source)):
        strong = np.abs(relevance[layer, tokens]) >= pruning.node_threshold
        fixed = {token for at, token in (pruning.pinned | {contrast}) if at == layer}
        keep &= strong | np.isin(tokens, list(fixed))
        keep &= ~np.isin(tokens, list(pruning.hidden - fixed))
    return [
        ((pair.low, int(pair.source[n])), (pair.high, int(pair.target[n])), float(pair.weight[n]))
        for n in np.flatnonzero(keep)
    ]


def _leading_to(contrast: Node, edges: list[Edge], pruning: Pruning) -> list[Edge]:
    """Return the edges from which a path of edges leads to the contrast node, strongest first, within the caps.

    Grows from the contrast downwards, always along the strongest edge that ends in a node already reached: a cap makes
    the drawing smaller, but never cuts it off from the contrast.
    """
    into: dict[Node, list[Edge]] = defaultdict(list)
    for edge in edges:
        into[edge[1]].append(edge)
    waiting = [(-abs(edge[2]), edge) for edge in into[contrast]]
    heapify(waiting)
    reached, taken = {contrast}, []
    while waiting and len(taken) < pruning.max_edges:
        _, edge = heappop(waiting)
        source = edge[0]
        if source not in reached:
            if len(reached) >= pruning.max_nodes:
                continue
            reached.add(source)
            for below in into[source]:
                heappush(waiting, (-abs(below[2]), below))
        taken.append(edge)
    return sorted(taken, key=lambda edge: -abs(edge[2]))


def relax_thresholds_until_nonempty(relevance: np.ndarray, pairs: Sequence[LayerEdges], pruning: Pruning) -> Pruning:
    """Halve both thresholds until ``prune`` leaves an edge, or until they are 0 to rounding."""
    while max(pruning.node_threshold, pruning.edge_threshold) > 1e-12 and prune(relevance, pairs, pruning).empty:
        node, edge = pruning.node_threshold / 2, pruning.edge_threshold / 2
        pruning = replace(pruning, node_threshold=node, edge_threshold=edge)
    return pruning
