"""A pruned graph and where its nodes stand: tokens as columns, layers as rows; runs of unused tokens fold into one."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from explorer.graph.block_parts import VerticalParts
from explorer.graph.collect import LayerEdges
from explorer.graph.prune import Drawing, Node, Pruning, prune, relax_thresholds_until_nonempty
from explorer.trace.explain import Explanation
from explorer.trace.story import Part

LEAST_FOLDED = 3
"""Shorter runs of tokens without nodes stay columns of their own."""


@dataclass(frozen=True)
class Marks:
    """What a person has marked in a graph: pinned nodes, and groups of nodes by name."""

    pinned: tuple[Node, ...] = ()
    groups: tuple[tuple[str, tuple[Node, ...]], ...] = ()

    @cached_property
    def group_of(self) -> dict[Node, int]:
        """Index of the group that each grouped node belongs to; of several the last."""
        return {node: number for number, (_, members) in enumerate(self.groups) for node in members}

    def drawn_groups(self, nodes: Collection[Node]) -> list[tuple[str, tuple[Node, ...]]]:
        """Return each group's name with those of its own members that are in ``nodes``, lowest first."""
        members = defaultdict(list)
        for node in sorted(self.group_of):
            if node in nodes:
                members[self.group_of[node]].append(node)
        return [(name, tuple(members[number])) for number, (name, _) in enumerate(self.groups)]


@dataclass(frozen=True)
class Column:
    """One column: a token, or a folded run of tokens first..last (both included) without nodes."""

    first: int
    last: int
    text: str
    segment: str

    @property
    def folded(self) -> bool:
        """True for a run of tokens."""
        return self.last > self.first


@dataclass(frozen=True)
class AttributionGraph:
    """A pruned graph of one failure, as it is drawn.

    Attributes:
        explanation: the recorded trace.
        pairs: edges between consecutive drawn layers, lowest first.
        drawing: what pruning leaves of them.
        marks: pinned and grouped nodes.
        unfolded: tokens that keep a column of their own without a node.
        pruning: what the drawing was pruned by.
        beads: draw every node of a residual run, not the run as one stroke.
        halves: layer below a block → its parts, for blocks that are opened into attention and MLP.
        without: tokens whose edges were not computed over layers left out (see ``TracedEdges.between``).
        link: what the app's link says of the picture, for ``graph.json``.
        path: the strongest way in words (see ``path_words``), the same for every drawing of these edges.
        faithfulness: what ``GraphVerdict.to_json`` says of this drawing; empty where it was not measured.
    """

    explanation: Explanation
    pairs: tuple[LayerEdges, ...]
    drawing: Drawing
    marks: Marks = Marks()
    unfolded: frozenset[int] = frozenset()
    pruning: Pruning = field(default_factory=Pruning)
    beads: bool = False
    halves: Mapping[int, VerticalParts] = field(default_factory=dict)
    without: frozenset[int] = frozenset()
    link: Mapping[str, str] = field(default_factory=dict)
    path: tuple[Part, ...] = ()
    faithfulness: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        drawing, explanation = self.drawing, self.explanation
        size = f"{len(drawing.nodes)} nodes, {len(drawing.edges)} edges"
        return f"AttributionGraph({explanation.model}, {explanation.sides[0]!r} over {explanation.sides[1]!r}: {size})"

    def relaxed(self) -> "AttributionGraph":
        """Return the graph pruned by the nearest thresholds that leave an edge, where there are any."""
        relevance = self.explanation.trace.relevance
        pruning = relax_thresholds_until_nonempty(relevance, self.pairs, self.pruning)
        return replace(self, drawing=prune(relevance, self.pairs, pruning), pruning=pruning)

    @property
    def path_text(self) -> str:
        """The way in words, as one text."""
        return "".join(text for text, _ in self.path)

    @property
    def contrast(self) -> Node:
        """The node that all edges lead to: the last token on the top layer."""
        return self.drawing.layers[-1], len(self.explanation.tokens) - 1

    @cached_property
    def columns(self) -> list[Column]:
        """The columns from left to right; runs of ``LEAST_FOLDED`` or more tokens without nodes are folded."""
        tokens = self.explanation.tokens
        used = {token for _, token in self.drawing.nodes} | self.unfolded
        columns: list[Column] = []
        for in_use, group in groupby(tokens, lambda token: token.index in used):
            run = list(group)
            if in_use or len(run) < LEAST_FOLDED:
                columns += [Column(token.index, token.index, token.text, token.segment) for token in run]
            else:
                columns.append(Column(run[0].index, run[-1].index, f"… {len(run)}", "folded"))
        return columns

    @cached_property
    def positions(self) -> dict[Node, tuple[int, int]]:
        """(column, row) of every node; row 0 is the lowest drawn layer."""
        column_of = {column.first: n for n, column in enumerate(self.columns) if not column.folded}
        row_of = {layer: n for n, layer in enumerate(self.drawing.layers)}
        return {(layer, token): (column_of[token], row_of[layer]) for layer, token in self.drawing.nodes}
