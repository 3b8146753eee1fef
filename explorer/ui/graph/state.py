"""What the link says of a case's graph: view, layers, marks, ablations, what is selected; changes to it, and undo."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, cast, get_args

import streamlit as st

from explorer.errors import ExplorerError
from explorer.graph.ablate import How
from explorer.graph.build import TracedEdges, parse_layers
from explorer.graph.graph_json import node_id, parse_node
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Node, Pruning
from explorer.graph.scene import Scene, Shown, Stroke
from explorer.limits import ABLATIONS
from explorer.reading import as_type, parse_json
from explorer.ui import link
from explorer.ui.progress_bar import progress_bar
from explorer.ui.session import MARKS

PRUNING = ("mass", "edges", "nodes", "least", "leastnode")
"""Keys of the menu of thresholds and caps."""
_HISTORY = "graph-history"
_ALL, _SIX = "all", "six"

Try = tuple[How, tuple[Node, ...]]
"""An ablation: what states are replaced by, and whose."""


@dataclass(frozen=True)
class GraphView:
    """The view and the marks in the link.

    Attributes:
        full: all layers and all tokens, unless the link says otherwise; else the story.
        hide_template: the chat format's tokens are left out.
        beads: every node of a residual run is drawn.
        marks: pinned and grouped nodes.
        hidden: tokens that are left out.
        unfolded: tokens that keep a column of their own.
        halves: blocks (by the layer below them) that are opened into attention and MLP.
        layers: the drawn layers, lowest first; none for all.
        tries: ablations, the oldest first.
        picked: what is selected (see ``selection``).
    """

    full: bool
    hide_template: bool
    beads: bool
    marks: Marks
    hidden: frozenset[int]
    unfolded: frozenset[int]
    halves: frozenset[int]
    layers: tuple[int, ...]
    tries: tuple[Try, ...]
    picked: str


def understand_old_links() -> None:
    """Open a link from before there were views, as far as it says anything of the drawing, in full with every node."""
    if not link.has("graph") and link.has(*MARKS, "template", *PRUNING):
        link.put(graph="full", beads="1")


def keep_view() -> None:
    """Write the view into the link beside what else it says of the drawing, so that it is no link of old."""
    link.put(graph="full" if is_full() else "story")


def is_full() -> bool:
    """Whether the link asks for the full view."""
    return link.get("graph") == "full"


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
    full = is_full()
    return GraphView(
        full=full,
        hide_template=link.flag("template", not full),
        beads=link.flag("beads"),
        marks=Marks(known(link.get("pins").split(".")), tuple((name, known(ids)) for name, *ids in filter(None, rows))),
        hidden=numbers("hide", length),
        unfolded=numbers("open", length),
        halves=numbers("halves", depth),
        layers=_layers(numbers("layers", depth + 1), full, depth),
        tries=tuple(attempt for text in link.get("ablated").split("~") if (attempt := _try(text, known)))[-ABLATIONS:],
        picked=link.get("at"),
    )


def _layers(chosen: frozenset[int], full: bool, depth: int) -> tuple[int, ...]:
    """Return the drawn layers; none for all of them."""
    if chosen - {depth}:
        return tuple(sorted(chosen | {depth}))
    preset = link.get("layers") if link.get("layers") in (_ALL, _SIX) else _ALL if full else _SIX
    return () if preset == _ALL else parse_layers(_SIX, depth)


def _try(text: str, known: Callable[[list[str]], tuple[Node, ...]]) -> Try | None:
    how, *ids = text.split(".")
    nodes = known(ids)
    return (cast(How, how), nodes) if how in get_args(How) and nodes else None


def _node(text: str) -> Node | None:
    try:
        return parse_node(text)
    except ValueError:  # more digits than Python reads, too
        return None


def build_graph(edges: TracedEdges, view: GraphView, pruning: Pruning) -> AttributionGraph:
    """Compute and prune the graph that the link asks for; its drawing may be empty."""
    template = edges.template if view.hide_template else frozenset()
    pinned = frozenset([*view.marks.pinned, *view.marks.group_of])
    pruning = replace(pruning, hidden=view.hidden | template, pinned=pinned)
    with progress_bar() as progress:
        graph = edges.graph(view.layers, pruning, progress, template)
    opened = {layer for layer in view.halves if {layer, layer + 1} <= set(graph.drawing.layers)}
    halves = {layer: edges.halves(layer) for layer in sorted(opened)}
    return replace(graph, marks=view.marks, unfolded=view.unfolded, beads=view.beads, halves=halves)


@dataclass(frozen=True)
class Selection:
    """What is selected in a drawing, at most one of: a node, an edge, the gap between two layers, a folded column."""

    shown: Shown | None = None
    stroke: Stroke | None = None
    gap: tuple[int, int] | None = None
    fold: int | None = None


def selection(picked: str, graph: AttributionGraph, scene: Scene) -> Selection:
    """Return what ``node:12_40``, ``edge:11_40:12_40``, ``gap:11:12`` or ``fold:3`` names; else nothing.

    Nodes and ends of edges are named by their ``Shown.id``, which may be a half or a group.
    """
    kind, *names = picked.split(":")
    index = {shown.id: number for number, shown in enumerate(scene.nodes)}
    if kind == "node" and len(names) == 1 and names[0] in index:
        return Selection(shown=scene.nodes[index[names[0]]])
    if kind == "edge" and len(names) == 2:
        ends = index.get(names[0]), index.get(names[1])
        return Selection(stroke=next((s for s in scene.strokes if (s.source, s.target) == ends), None))
    numbers = [number for name in names if (number := link.whole(name)) is not None]
    if kind == "gap" and len(numbers) == 2 and (numbers[0], numbers[1]) in set(pairwise(graph.drawing.layers)):
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
    keep_view()


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


def write_tries(tries: tuple[Try, ...]) -> str | None:
    """Return ablations as the link holds them, the newest ``ABLATIONS`` of them."""
    return "~".join(".".join([how, *map(node_id, nodes)]) for how, nodes in tries[-ABLATIONS:]) or None


def can_undo() -> bool:
    """Whether a change of marks can be taken back."""
    return bool(st.session_state.get(_HISTORY))


def undo() -> None:
    """Take the last change of marks back."""
    if can_undo():
        link.put(st.session_state[_HISTORY].pop())
        keep_view()
