"""Residual runs: nodes of one token that nothing else enters or leaves, which a drawing shows as one stroke."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from math import copysign

import numpy as np

Node = tuple[int, int]
"""(layer, token)."""
Edge = tuple[Node, Node, float]
"""(source, target, weight in logits)."""


class Runs:
    """The nodes within residual runs of a set of edges that may grow.

    A node lies within a run where one edge enters it and one leaves it, both on its own token, and these edges, the
    node and its two neighbours have one sign: nothing is lost where it is not drawn by itself.

    Args:
        relevance: of every node, in logits; by node or (L+1, T).
        fixed: nodes that lie within none.
    """

    def __init__(self, relevance: Mapping[Node, float] | np.ndarray, fixed: Collection[Node]) -> None:
        self._relevance, self._fixed = relevance, fixed
        self._into, self._out = defaultdict[Node, list[Edge]](list), defaultdict[Node, list[Edge]](list)
        self.inner = set[Node]()

    def add(self, edge: Edge) -> None:
        """Add an edge."""
        self._out[edge[0]].append(edge)
        self._into[edge[1]].append(edge)
        self._look_at(edge)

    def take_back(self, edge: Edge) -> None:
        """Take back the edge that was added last."""
        self._out[edge[0]].pop()
        self._into[edge[1]].pop()
        self._look_at(edge)

    def runs(self) -> list[list[Node]]:
        """Return the nodes of every run, lowest first, with the two at its ends."""
        runs = []
        for node in sorted(self.inner):
            start, run = self._into[node][0][0], [node]
            if start in self.inner:
                continue
            while (following := self._out[run[-1]][0][1]) in self.inner:
                run.append(following)
            runs.append([start, *run, following])
        return runs

    def _look_at(self, edge: Edge) -> None:
        for node in edge[:2]:
            (self.inner.add if self._is_inner(node) else self.inner.discard)(node)

    def _is_inner(self, node: Node) -> bool:
        into, out = self._into[node], self._out[node]
        if len(into) != 1 or len(out) != 1 or node in self._fixed:
            return False
        (below, _, arriving), (_, above, leaving) = into[0], out[0]
        if not below[1] == node[1] == above[1]:
            return False
        values = self._relevance[below], arriving, self._relevance[node], leaving, self._relevance[above]
        return len({copysign(1, value) for value in values}) == 1
