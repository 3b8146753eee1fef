"""How edges lead over the page so that each can be pointed at: ports beside each other, lanes above each other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

LANES = (0.22, 0.78)
"""Lowest and highest lane, as shares of the way from the source's row to the target's."""
_ROOM = 4
"""So many edges at one side of a node lie a full step apart; more of them share the same room."""


@dataclass(frozen=True)
class Route:
    """Where an edge leaves and arrives, and how high it turns.

    Attributes:
        out, into: ports beside the middle of source and target, −1 (left) to 1.
        lane: height at which it runs sideways, as a share of the way from the source's row to the target's.
    """

    out: float = 0.0
    into: float = 0.0
    lane: float = 0.5


def routes(edges: Sequence[tuple[float, float, float, float]]) -> list[Route]:
    """Return a route for each edge (source column, source row, target column, target row).

    No two edges between the same two rows have the same lane, none at one side of a node the same port. Edges to the
    right cross as rarely as they can: what goes farther leaves lower and more to the right, what comes from farther
    arrives higher and more to the left. Straight edges stay in the middle.
    """
    out: dict[int, float] = {}
    into: dict[int, float] = {}
    for ends, ports in ((0, out), (2, into)):
        sides = defaultdict(list)
        for number, edge in enumerate(edges):
            other = edge[2 - ends]
            if other != edge[ends]:
                sides[edge[ends : ends + 2], other > edge[ends]].append((other, edge[3 - ends], number))
        for (_, right), found in sides.items():
            step = 1 / max(len(found), _ROOM)
            for rank, (*_, number) in enumerate(sorted(found, reverse=not right), 1):
                ports[number] = rank * step if right else -rank * step
    gaps = defaultdict(list)
    for number, (column, row, to, top) in enumerate(edges):
        if column != to:
            gaps[row, top].append((-to, -column, number))
    lanes = {}
    for found in gaps.values():
        for rank, (*_, number) in enumerate(sorted(found), 1):
            lanes[number] = LANES[0] + (LANES[1] - LANES[0]) * rank / (len(found) + 1)
    return [Route(out.get(n, 0.0), into.get(n, 0.0), lanes.get(n, 0.5)) for n in range(len(edges))]
