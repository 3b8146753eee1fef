"""From all edges to a drawing that a person can read: thresholds, mass, ancestors of the contrast, caps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

import numpy as np

from explorer.graph.collect import LayerEdges
from explorer.graph.runs import Edge, Node, Runs
from explorer.limits import DRAWN_EDGES, DRAWN_NODES, TRACED_NODES


@dataclass(frozen=True)
class Pruning:
    """What the drawing keeps.

    Attributes:
        mass: of each layer pair the strongest edges that together carry this share of Σ|A| (CAIW: 0.85).
        node_threshold: drop nodes with |R| below this, in logits.
        edge_threshold: drop edges with |A| below this, in logits.
        max_nodes, max_edges: caps on what the eye has to read, nodes that stand and strokes: a residual run (see
            ``Runs``) counts as one stroke, and nodes within it count nothing. The strongest edges win, from the
            contrast downwards.
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

    def more(self) -> "Pruning":
        """Return this with the next of the usual caps doubled again and again, up to ``limits.DRAWN_*``."""
        larger = (caps for caps in _caps() if caps[0] > self.max_nodes or caps[1] > self.max_edges)
        nodes, edges = next(larger, (0, 0))
        return replace(self, max_nodes=max(nodes, self.max_nodes), max_edges=max(edges, self.max_edges))

    def less(self) -> "Pruning":
        """Take one ``more`` back, down to the usual caps."""
        smaller = [caps for caps in _caps() if caps[0] < self.max_nodes or caps[1] < self.max_edges]
        nodes, edges = smaller[-1] if smaller else (self.max_nodes, self.max_edges)
        return replace(self, max_nodes=min(nodes, self.max_nodes), max_edges=min(edges, self.max_edges))


def _caps() -> list[tuple[int, int]]:
    """Return the usual caps on nodes and edges, and these doubled until both limits are reached."""
    caps = [(Pruning.max_nodes, Pruning.max_edges)]
    while caps[-1] != (DRAWN_NODES, DRAWN_EDGES):
        nodes, edges = caps[-1]
        caps.append((min(2 * nodes, DRAWN_NODES), min(2 * edges, DRAWN_EDGES)))
    return caps


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
        uncapped_share: ``edge_share`` as it would be without the caps; None where that is not known.
    """

    layers: tuple[int, ...]
    nodes: dict[Node, float] = field(repr=False)
    edges: tuple[Edge, ...] = field(repr=False)
    edge_share: float
    node_share: float
    total_nodes: int
    total_edges: int
    uncapped_share: float | None = None

    @property
    def capped(self) -> bool:
        """Whether the caps left edges out."""
        return self.uncapped_share is not None and self.uncapped_share > self.edge_share + 1e-9

    @property
    def kept(self) -> str:
        """How much of the graph this is, in a short line."""
        share = f"{self.edge_share:.0%} of Σ|A|{self.without_caps}"
        return f"drawn: {len(self.nodes):,} of {self.total_nodes:,} nodes, {share}"

    @property
    def without_caps(self) -> str:
        """What stands behind the share of Σ|A|: what it would be without the caps, where they left edges out."""
        return f" ({self.uncapped_share:.0%} without the cap)" if self.capped else ""

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
    candidates = _leading_to(contrast, relevance, pairs, pruning)
    edges = _within_caps(contrast, candidates, relevance, pruning)
    pinned = {(layer, token) for layer, token in pruning.pinned if layer in layers and token < relevance.shape[1]}
    drawn = {node for edge in edges for node in edge[:2]} | {contrast} | pinned
    nodes = {node: float(relevance[node]) for node in sorted(drawn)}
    rows = relevance[list(layers)]
    all_relevance = float(np.abs(rows).sum())
    all_edges = sum(pair.total for pair in pairs)
    shares = (sum(abs(weight) for *_, weight in some) / all_edges if all_edges else 0.0 for some in (edges, candidates))
    edge_share, uncapped_share = shares
    node_share = sum(map(abs, nodes.values())) / all_relevance if all_relevance else 0.0
    totals = int(np.count_nonzero(rows)), sum(pair.count for pair in pairs)
    return Drawing(layers, nodes, tuple(edges), edge_share, node_share, *totals, uncapped_share)


def _leading_to(contrast: Node, relevance: np.ndarray, pairs: Sequence[LayerEdges], pruning: Pruning) -> list[Edge]:
    """Return the edges that thresholds and mass keep, from which a path of such edges leads to the contrast node."""
    reached, edges = np.array([contrast[1]]), list[Edge]()
    for pair in reversed(pairs):
        keep = _candidates(relevance, pair, pruning, contrast) & np.isin(pair.target, reached)
        reached = np.unique(pair.source[keep])
        rows = (pair.source[keep].tolist(), pair.target[keep].tolist(), pair.weight[keep].tolist())
        edges += [((pair.low, i), (pair.high, j), weight) for i, j, weight in zip(*rows, strict=True)]
    return edges


def _candidates(relevance: np.ndarray, pair: LayerEdges, pruning: Pruning, contrast: Node) -> np.ndarray:
    """Return (n,) whether thresholds, mass and hidden tokens leave each edge of a pair."""
    size = np.abs(pair.weight)
    enough = int(np.searchsorted(np.cumsum(size), pruning.mass * pair.total)) + 1
    keep = (np.arange(len(size)) < enough) & (size >= pruning.edge_threshold)
    for layer, tokens in ((pair.high, pair.target), (pair.low, pair.source)):
        strong = np.abs(relevance[layer, tokens]) >= pruning.node_threshold
        fixed = {token for at, token in (pruning.pinned | {contrast}) if at == layer}
        keep &= strong | np.isin(tokens, list(fixed))
        keep &= ~np.isin(tokens, list(pruning.hidden - fixed))
    return keep


def _within_caps(contrast: Node, edges: list[Edge], relevance: np.ndarray, pruning: Pruning) -> list[Edge]:
    """Return the edges that the caps leave, strongest first.

    Grows from the contrast downwards, always along the strongest edge that ends in a node already reached: a cap makes
    the drawing smaller, but never cuts it off from the contrast. An edge that only makes a residual run longer costs
    nothing, so that what is reached is followed down to where it comes from.
    """
    into: dict[Node, list[Edge]] = defaultdict(list)
    for edge in edges:
        into[edge[1]].append(edge)
    waiting = [(-abs(edge[2]), edge) for edge in into[contrast]]
    heapify(waiting)
    runs = Runs(relevance, pruning.pinned | {contrast})
    reached, taken = {contrast}, list[Edge]()
    while waiting:
        _, edge = heappop(waiting)
        source, target, _ = edge
        strokes = len(taken) - len(runs.inner)
        if strokes >= pruning.max_edges and source[1] != target[1]:
            continue  # no such edge is free
        runs.add(edge)
        nodes, folded = len(reached) + (source not in reached), len(runs.inner)
        if nodes > TRACED_NODES or nodes - folded > pruning.max_nodes or len(taken) + 1 - folded > pruning.max_edges:
            runs.take_back(edge)
            continue
        taken.append(edge)
        if source not in reached:
            reached.add(source)
            for below in into[source]:
                heappush(waiting, (-abs(below[2]), below))
    return sorted(taken, key=lambda edge: -abs(edge[2]))


def relax_thresholds_until_nonempty(relevance: np.ndarray, pairs: Sequence[LayerEdges], pruning: Pruning) -> Pruning:
    """Halve both thresholds until ``prune`` leaves an edge, or until they are 0 to rounding."""
    while max(pruning.node_threshold, pruning.edge_threshold) > 1e-12 and prune(relevance, pairs, pruning).empty:
        node, edge = pruning.node_threshold / 2, pruning.edge_threshold / 2
        pruning = replace(pruning, node_threshold=node, edge_threshold=edge)
    return pruning
