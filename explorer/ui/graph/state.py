"""What the link says of a case's graph: layers, marks, what is selected; changes to it, and undo."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import streamlit as st

from explorer.errors import ExplorerError
from explorer.graph.build import TracedEdges
from explorer.graph.graph_json import node_id, parse_node
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Node, Pruning
from explorer.reading import as_type, parse_json
from explorer.ui import link
from explorer.ui.progress_bar import progress_bar
from explorer.ui.session import MARKS

_HISTORY = "graph-history"


@dataclass(frozen=True)
class GraphView:
    """The marks in the link.

    Attributes:
        marks: pinned and grouped nodes.
        hidden: tokens that are left out.
        unfolded: tokens that keep a column of their own.
        halves: blocks (by the layer below them) that are opened into attention and MLP.
        layers: the drawn layers, lowest first; none for all.
        picked: what is selected (see ``selection``).
    """

    marks: Marks
    hidden: frozenset[int]
    unfolded: frozenset[int]
    halves: frozenset[int]
    layers: tuple[int, ...]
    picked: str


def read_view(depth: int, length: int) -> GraphView:
    """Read the link, leaving out what does not fit the model (``depth`` layers) or the prompt (``length`` tokens)."""

    def numbers(name: str, most: int) -> frozenset[int]:
        parts = map(link.whole, link.get(name).split("."))
        return frozenset(part for part in parts if part is not None and part < most)

    def known(ids: list[str]) -> tuple[Node, ...]:
        nodes = (_node(text) for text in ids)
        return tuple(node for node in nodes if node and node[0] <= depth and node[1] < length)

    try:
        rows: list[list[str]] = as_type(parse_json(link.get("groups", "[]"), "groups"), list[list[str]], "", "groups")
    except ExplorerError:
        rows = []
    layers = tuple(sorted(numbers("layers", depth + 1) | {depth}))
    return GraphView(
        marks=Marks(known(link.get("pins").split(".")), tuple((name, known(ids)) for name, *ids in filter(None, rows))),
        hidden=numbers("hide", length),
        unfolded=numbers("open", length),
        halves=numbers("halves", depth),
        layers=layers if len(layers) > 1 else (),
        picked=link.get("at"),
    )


def _node(text: str) -> Node | None:
    try:
        return parse_node(text)
    except ValueError:  # more digits than Python reads, too
        return None


def build_graph(edges: TracedEdges, view: GraphView, pruning: Pruning, hide_template: bool) -> AttributionGraph:
    """Compute and prune the graph that the link asks for; its drawing may be empty."""
    tokens = edges.explanation.tokens
    template = {t.index for t in tokens if t.segment == "template"} - {len(tokens) - 1} if hide_template else set()
    pinned = frozenset([*view.marks.pinned, *view.marks.group_of])
    pruning = replace(pruning, hidden=view.hidden | template, pinned=pinned)
    with progress_bar() as progress:
        graph = edges.graph(view.layers, pruning, progress)
    return replace(graph, marks=view.marks, unfolded=view.unfolded)


@dataclass(frozen=True)
class Selection:
    """What is selected in a drawing, at most one of: one or two nodes, the gap between two layers, a folded column."""

    nodes: tuple[Node, ...] = ()
    gap: tuple[int, int] | None = None
    fold: int | None = None


def selection(picked: str, drawing: Drawing) -> Selection:
    """Return what ``node:12_40``, ``edge:11_40:12_40``, ``gap:11:12`` or ``fold:3`` names; else nothing."""
    kind, *names = picked.split(":")
    if kind in ("node", "edge") and len(names) == (1 if kind == "node" else 2):
        nodes = [_node(name.partition("-")[0]) for name in names]  # a half of a block: 12_40-attention
        nodes = nodes[:1] if len(set(nodes)) == 1 else nodes  # from a half of a block to its own output
        drawn = tuple(node for node in nodes if node in drawing.nodes)
        return Selection(drawn) if len(drawn) == len(nodes) else Selection()
    numbers = [number for name in names if (number := link.whole(name)) is not None]
    if kind == "gap" and len(numbers) == 2 and (numbers[0], numbers[1]) in set(pairwise(drawing.layers)):
        return Selection(gap=(numbers[0], numbers[1]))
    if kind == "fold" and len(numbers) == 1:
        return Selection(fold=numbers[0])
    return Selection()


def change(**values: object) -> None:
    """Change marks in the link, so that undo can take it back. Iterables of numbers or nodes are written with dots."""
    history = st.session_state.setdefault(_HISTORY, [])
    history.append({name: link.get(name) or None for name in MARKS})
    del history[:-50]
    link.put({name: _written(value) for name, value in values.items()})


def change_button(
    label: str, key: str, width: Literal["stretch", "content"] = "stretch", help: str | None = None, **values: object
) -> None:
    """Draw a button that changes marks in the link; ``values`` as in ``change``."""
    st.button(label, f"graph-{key}", help, on_click=change, kwargs=values, width=width)


def _written(value: object) -> str | None:
    if isinstance(value, frozenset | tuple | list | set | range):
        parts = [node_id(part) if isinstance(part, tuple) else str(part) for part in value]
        return ".".join(parts) or None
    return str(value) if value else None


def write_groups(groups: tuple[tuple[str, tuple[Node, ...]], ...]) -> str | None:
    """Return groups as the link holds them."""
    return json.dumps([[name, *map(node_id, members)] for name, members in groups]) if groups else None


def can_undo() -> bool:
    """Whether a change of marks can be taken back."""
    return bool(st.session_state.get(_HISTORY))


def undo() -> None:
    """Take the last change of marks back."""
    if can_undo():
        link.put(st.session_state[_HISTORY].pop())
