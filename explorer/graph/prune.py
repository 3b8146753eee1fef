"""From all edges to a drawing that a person can read: thresholds, mass, ancestors of the contrast, caps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import numpy as np

from explorer.graph.collect import LayerEdges

Node = tuple[int, int]
"""(layer, token)."""


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
    """The kept part of the graph.

    ``nodes``: (layer, token) → relevance in logits. ``edges``: (source node, target node, weight in logits), strongest
    first. ``layers``: the drawn layers, lowest first. ``edge_share``: Σ|A| drawn / Σ|A| of all edges between those
    layers; ``node_share``: Σ|R| of drawn nodes / Σ|R| of all nodes on those layers. ``total_nodes``, ``total_edges``:
    how many there are, drawn or not.
    """

    layers: tuple[int, ...]
    nodes: dict[Node, float] = field(repr=False)
    edges: tuple[tuple[Node, Node, float], ...] = field(repr=False)
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

    Args:
        relevance: (L+1, T) of the trace.
        pairs: edges between consecutive drawn layers, lowest first.
    """
    layers = (pairs[0].low, *(pair.high for pair in pairs))
    contrast = (layers[-1], relevance.shape[1] - 1)
    candidates = [edge for pair in pairs for edge in _candidates(relevance, pair, pruning, contrast)]
    edges = _grown(candidates, contrast, pruning)
    kept = {node for edge in edges for node in edge[:2]} | {contrast} | set(pruning.pinned)
    nodes = {
        (layer, token): float(relevance[layer, token])
        for layer, token in sorted(kept)
        if layer in layers and token < relevance.shape[1]
    }
    rows = relevance[list(layers)]
    every = float(np.abs(rows).sum())
    total = sum(pair.total for pair in pairs)
    return Drawing(
        layers=layers,
        nodes=nodes,
        edges=tuple(edges),
        edge_share=sum(abs(weight) for *_, weight in edges) / total if total else 0.0,
        node_share=sum(map(abs, nodes.values())) / every if every else 0.0,
        total_nodes=int(np.count_nonzero(rows)),
        total_edges=sum(pair.count for pair in pairs),
    )


def _candidates(
    relevance: np.ndarray, pair: LayerEdges, pruning: Pruning, contrast: Node
) -> list[tuple[Node, Node, float]]:
    size = np.abs(pair.weight)
    enough = int(np.searchsorted(np.cumsum(size), pruning.mass * pair.total)) + 1
    keep = (np.arange(len(size)) < enough) & (size >= pruning.edge_threshold)
    for layer, tokens in ((pair.high, pair.target), (pair.low, pair.source)):
        strong = np.abs(relevance[layer, tokens]) >= pruning.node_threshold
        fixed = {token for at, token in (pruning.pinned | {contrast}) if at == layer}
        keep &= strong | np.isin(tokens, list(fixed))
        keep &= ~np.isin(tokens, list(pruning.hidden - fixed))
    chosen = np.flatnonzero(keep)
    return [((pair.low, int(pair.source[n])), (pair.high, int(pair.target[n])), float(pair.weight[n])) for n in chosen]


def _grown(edges: list[tuple[Node, Node, float]], contrast: Node, pruning: Pruning) -> list[tuple[Node, Node, float]]:
    """The edges from which a path of edges leads to the contrast node, strongest first, within the caps.

    They are taken from the contrast downwards, always the strongest edge that ends in what has been reached: so a cap
    makes the drawing smaller, but never cuts it off from the contrast.
    """
    into: dict[Node, list[tuple[Node, Node, float]]] = defaultdict(list)
    for edge in edges:
        into[edge[1]].append(edge)
    open_edges: list[tuple[float, Node, Node, float]] = []
    reached: set[Node] = set()
    taken: list[tuple[Node, Node, float]] = []

    def reach(node: Node) -> None:
        reached.add(node)
        for source, target, weight in into[node]:
            heappush(open_edges, (-abs(weight), source, target, weight))

    reach(contrast)
    while open_edges and len(taken) < pruning.max_edges:
        _, source, target, weight = heappop(open_edges)
        if source not in reached:
            if len(reached) >= pruning.max_nodes:
                continue
            reach(source)
        taken.append((source, target, weight))
    return sorted(taken, key=lambda edge: -abs(edge[2]))


def nearest_that_leaves_something(relevance: np.ndarray, pairs: Sequence[LayerEdges], pruning: Pruning) -> Pruning:
    """The same pruning with both thresholds lowered, by halves, until an edge is left."""
    lowered = pruning
    while prune(relevance, pairs, lowered).empty and max(lowered.node_threshold, lowered.edge_threshold) > 1e-12:
        lowered = replace(lowered, node_threshold=lowered.node_threshold / 2, edge_threshold=lowered.edge_threshold / 2)
    return lowered
