"""What a drawing of a graph shows: residual runs as one stroke, groups as one node, blocks opened into their halves."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import fsum

from explorer.graph.layout import AttributionGraph
from explorer.graph.routes import Route, routes
from explorer.graph.runs import Node, Runs

HALF_SHIFT = {"attention": -0.22, "MLP": 0.22}
"""Where the halves of a block stand beside their token's column, in columns."""


@dataclass
class Shown:
    """A node on the page: a node of the drawing, a half of its block, or a group.

    Attributes:
        id: ``12_40``, ``12_40-attention``, ``12_40-MLP`` or ``group-0``.
        members: the nodes of the drawing that it stands for.
        column, row: its place; between two columns or rows for halves and groups.
        relevance: in logits; of a half what reaches the token through it, of a group Σ over its members.
        part: ``attention``, ``MLP``, ``group``, or empty for a node.
        name: of a group.
        inside: of a group Σ of the edges between its members, in logits.
    """

    id: str
    members: tuple[Node, ...]
    column: float
    row: float
    relevance: float
    part: str = ""
    name: str = ""
    inside: float = 0.0


@dataclass(frozen=True)
class Stroke:
    """An edge on the page, between two of the scene's nodes by their index.

    Attributes:
        weight: Σ of the edges it stands for, in logits; of a residual run the mean relevance of its nodes.
        edges: the drawing's edges (source, target) that it stands for.
        run: (row, relevance in logits) of every node along a residual run, lowest first; empty for an edge.
        route: how it leads from one to the other, apart from its neighbours.
    """

    source: int
    target: int
    weight: float
    edges: tuple[tuple[Node, Node], ...]
    run: tuple[tuple[float, float], ...] = ()
    route: Route = field(default_factory=Route)

    @property
    def sizes(self) -> list[float]:
        """What its width shows, in logits: the relevance along a run, from below, or the weight of an edge."""
        return [value for _, value in self.run] or [self.weight]


@dataclass(frozen=True)
class Scene:
    """The nodes and strokes of a picture; strokes strongest first; ``at``: index of the node that stands for a node."""

    nodes: list[Shown]
    strokes: list[Stroke]
    at: dict[Node, int]

    @property
    def folded(self) -> int:
        """How many nodes lie within residual runs, and are not drawn."""
        return sum(len(stroke.run) - 2 for stroke in self.strokes if stroke.run)


def scene_of(graph: AttributionGraph, kept: Collection[Node] = ()) -> Scene:
    """Return what a picture of the graph shows; nodes in ``kept`` are drawn even within a residual run."""
    return _Builder(graph, kept).scene()


def residual_runs(graph: AttributionGraph, kept: Collection[Node] = ()) -> list[list[Node]]:
    """Return the drawing's residual runs (see ``Runs``), each of three or more nodes, lowest first.

    Pinned, grouped and ``kept`` nodes, the contrast and the ends of opened blocks lie within none.
    """
    opened = {layer + by for layer in graph.halves for by in (0, 1)}
    nodes = graph.drawing.nodes
    fixed = {*graph.marks.pinned, *graph.marks.group_of, graph.contrast, *kept}
    runs = Runs(nodes, fixed | {node for node in nodes if node[0] in opened})
    for edge in graph.drawing.edges:
        runs.add(edge)
    return runs.runs()


class _Builder:
    def __init__(self, graph: AttributionGraph, kept: Collection[Node]) -> None:
        self._graph, self._nodes, self._at = graph, list[Shown](), dict[Node, int]()
        self._pieces: dict[tuple[int, int], list[tuple[tuple[Node, Node], float]]] = defaultdict(list)
        self._runs = [] if graph.beads else residual_runs(graph, kept)
        self._halves: dict[tuple[Node, str], int] = {}

    def scene(self) -> Scene:
        self._place()
        for source, target, weight in self._graph.drawing.edges:
            self._lead(source, target, weight)
        relevance, strokes = self._graph.drawing.nodes, list[Stroke]()
        for (source, target), pieces in self._pieces.items():
            weight, edges = fsum(weight for _, weight in pieces), tuple(edge for edge, _ in pieces)
            if source == target:
                self._nodes[source].inside = weight
            else:
                strokes.append(Stroke(source, target, weight, edges))
        for run in self._runs:
            weight = fsum(relevance[node] for node in run) / len(run)
            rows = tuple((float(self._graph.positions[node][1]), relevance[node]) for node in run)
            edges = tuple(pairwise(run))
            strokes.append(Stroke(self._at[run[0]], self._at[run[-1]], weight, edges, rows))
        strokes.sort(key=lambda stroke: -abs(stroke.weight))
        ends = [(self._nodes[stroke.source], self._nodes[stroke.target]) for stroke in strokes]
        ways = routes([(a.column, a.row, b.column, b.row) for a, b in ends])
        strokes = [replace(stroke, route=way) for stroke, way in zip(strokes, ways, strict=True)]
        return Scene(self._nodes, strokes, self._at)

    def _place(self) -> None:
        """Place a node for every drawn node that is neither folded away nor in a group, then the groups."""
        graph, relevance = self._graph, self._graph.drawing.nodes
        self._folded = {node for run in self._runs for node in run[1:-1]}
        for node, (column, row) in graph.positions.items():
            if node not in self._folded and node not in graph.marks.group_of:
                self._at[node] = len(self._nodes)
                name = f"{node[0]}_{node[1]}"
                self._nodes.append(Shown(name, (node,), column, row, relevance[node]))
        for number, (name, members) in enumerate(graph.marks.drawn_groups(relevance)):
            if not members:
                continue
            self._at |= dict.fromkeys(members, len(self._nodes))
            columns, rows = zip(*(graph.positions[node] for node in members), strict=True)
            place = sum(columns) / len(members), sum(rows) / len(members)
            total = fsum(relevance[node] for node in members)
            self._nodes.append(Shown(f"group-{number}", members, *place, total, "group", name))

    def _lead(self, source: Node, target: Node, weight: float) -> None:
        """Draw an edge, through the halves of its block where that is opened; those of a run are drawn with the run."""
        if source in self._folded or target in self._folded:
            return
        parts = self._graph.halves.get(source[0]) if target[0] == source[0] + 1 else None
        edge, token = (source, target), source[1]
        if parts is None:
            self._pieces[self._at[source], self._at[target]].append((edge, weight))
        elif token != target[1]:
            self._through(edge, "attention", weight)
        else:
            self._through(edge, "attention", float(parts.attention[token]))
            self._through(edge, "MLP", float(parts.mlp[token]))
            self._pieces[self._at[source], self._at[target]].append((edge, float(parts.residual[token])))

    def _through(self, edge: tuple[Node, Node], half: str, share: float) -> None:
        source, target = edge
        if (target, half) not in self._halves:
            column, row = self._graph.positions[target]
            reaching = self._graph.halves[source[0]].through(half, target[1])
            self._halves[target, half] = len(self._nodes)
            name = f"{target[0]}_{target[1]}-{half}"
            place = column + HALF_SHIFT[half], row - 0.5
            self._nodes.append(Shown(name, (target,), *place, reaching, half))
        at = self._halves[target, half]
        self._pieces[self._at[source], at].append((edge, share))
        self._pieces[at, self._at[target]].append((edge, share))
