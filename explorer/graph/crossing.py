"""Where relevance crosses from one token to another: the route that carries most."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from explorer.graph.collect import LayerEdges


@dataclass(frozen=True)
class Crossing:
    """The edges from one token to another, over all layers.

    Attributes:
        source, target: token positions.
        weight: the sum of their stored edges, in logits.
        layer: the state that the strongest of them leads to.
    """

    source: int
    target: int
    weight: float
    layer: int


def strongest_crossing(pairs: Sequence[LayerEdges], without: Collection[int] = ()) -> Crossing | None:
    """Return the pair of different tokens with the largest Σ|A| over all layers; None where there is no such edge.

    Args:
        pairs: the edges between consecutive layers.
        without: tokens that are left out, such as the template's.
    """
    edges: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for pair in pairs:
        for target, source, weight in zip(pair.target, pair.source, pair.weight, strict=True):
            if target != source and source not in without and target not in without:
                edges[int(source), int(target)].append((float(weight), pair.high))
    if not edges:
        return None
    (source, target), weights = max(edges.items(), key=lambda item: sum(abs(weight) for weight, _ in item[1]))
    layer = max(weights, key=lambda one: abs(one[0]))[1]
    return Crossing(source, target, sum(weight for weight, _ in weights), layer)
