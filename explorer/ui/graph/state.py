"""What the Graph page remembers, all of it in the link: layers, marks, what is selected; and undo."""

import json
from dataclasses import dataclass
from itertools import pairwise

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.graph.block_parts import VerticalParts, vertical_parts
from explorer.graph.build import distant
from explorer.graph.collect import LayerEdges, collect_edges
from explorer.graph.graph_json import Marks, node_id, parse_node
from explorer.graph.prune import Drawing, Node
from explorer.graph.replay import skip_edges
from explorer.model.load import ModelSpec, load_model
from explorer.trace.explain import Explanation
from explorer.ui.session import MARKS, RECORDED, asked, explained, explained_for_graph, put_query


@dataclass(frozen=True)
class GraphView:
    """The marks in the link."""

    marks: Marks
    hidden: frozenset[int]
    unfolded: frozenset[int]
    halves: frozenset[int]
    layers: tuple[int, ...] | None
    picked: str


def graph_view(depth: int, length: int) -> GraphView:
    """Read the link; what does not fit the model (``depth`` layers) or the prompt (``length`` tokens) is left out."""
    q = st.query_params

    def numbers(name: str, most: int) -> list[int]:
        return [int(part) for part in q.get(name, "").split(".") if part.isdecimal() and int(part) < most]

    def known(ids: list[str]) -> tuple[Node, ...]:
        found = []
        for text in ids:
            try:
                node = parse_node(text)
            except ExplorerError:
                continue
            if node[0] <= depth and node[1] < length:
                found.append(node)
        return tuple(found)

    try:
        rows = json.loads(q.get("groups", "[]"))
        groups = tuple((str(row[0]), known([str(i) for i in row[1:]])) for row in rows if isinstance(row, list) and row)
    except (json.JSONDecodeError, TypeError):
        groups = ()
    layers = tuple(sorted({*numbers("layers", depth + 1), depth})) if q.get("layers") else None
    return GraphView(
        Marks(known(q.get("pins", "").split(".")), groups),
        frozenset(numbers("hide", length)),
        frozenset(numbers("open", length)),
        frozenset(numbers("halves", depth)),
        layers if layers and len(layers) > 1 else None,
        q.get("at", ""),
    )


@dataclass(frozen=True)
class Selection:
    """What is selected in a drawing; at most one of these is not empty."""

    nodes: tuple[Node, ...] = ()
    gap: tuple[int, int] | None = None
    fold: int | None = None


def selection(picked: str, drawing: Drawing) -> Selection:
    """What ``node:12_40``, ``edge:11_40:12_40``, ``gap:11:12`` or ``fold:3`` names; nothing for anything else."""
    kind, *names = picked.split(":")
    if kind in ("node", "edge") and len(names) == (1 if kind == "node" else 2):
        try:  # the halves of a block carry its target's name: 12_40-attention
            nodes = tuple(parse_node(name.partition("-")[0]) for name in names)
        except ExplorerError:
            return Selection()
        nodes = nodes[:1] if len(set(nodes)) == 1 else nodes  # from a half of a block to its own output
        return Selection(nodes) if all(node in drawing.nodes for node in nodes) else Selection()
    numbers = [int(name) for name in names if name.isdecimal()]
    if kind == "gap" and len(numbers) == 2 and (numbers[0], numbers[1]) in set(pairwise(drawing.layers)):
        return Selection(gap=(numbers[0], numbers[1]))
    if kind == "fold" and len(numbers) == 1:
        return Selection(fold=numbers[0])
    return Selection()


def change(**values: object) -> None:
    """Change marks in the link, so that undo can take it back. Iterables of numbers or nodes are written with dots."""
    history = st.session_state.setdefault("graph-history", [])
    history.append({name: st.query_params.get(name) for name in MARKS})
    del history[:-50]
    put_query(**{name: _written(value) for name, value in values.items()})


def _written(value: object) -> str | None:
    if isinstance(value, frozenset | tuple | list | set | range):
        parts = [node_id(part) if isinstance(part, tuple) else str(part) for part in value]
        return ".".join(parts) or None
    return str(value) if value else None


def write_groups(groups: tuple[tuple[str, tuple[Node, ...]], ...]) -> str | None:
    """Groups as they stand in the link."""
    return json.dumps([[name, *map(node_id, members)] for name, members in groups]) if groups else None


def undo() -> None:
    """Take the last change of marks back."""
    history = st.session_state.get("graph-history", [])
    if history:
        put_query(**history.pop())


def recorded(spec: ModelSpec, case: Failure, rule: str) -> Explanation:
    """The case's trace with what the graph needs: the Trace page's own where it kept enough."""
    if len(case.prompt) + len(case.system or "") < 8 * RECORDED:  # a token is rarely longer than 8 characters
        shown = explained(spec, asked(case), rule, False)
        if shown.trace.passes is not None:
            return shown
    return explained_for_graph(spec, asked(case), rule)


@st.cache_resource(max_entries=6, show_spinner=False)
def neighbour_edges(spec: ModelSpec, case: Failure, rule: str) -> tuple[LayerEdges, ...]:
    """All edges of neighbouring layers, with a progress bar."""
    shown = recorded(spec, case, rule)
    bar = st.progress(0.0, "Edges")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, f"Edges of layer {done} of {total}")

    try:
        return collect_edges(load_model(spec).view(rule), shown.trace, progress=show)
    finally:
        bar.empty()


@st.cache_resource(max_entries=64, show_spinner=False)
def distant_edges(spec: ModelSpec, case: Failure, rule: str, low: int, high: int) -> LayerEdges:
    """Exact edges between two layers further apart (``command.distant``), with a progress bar."""
    bar = st.progress(0.0, f"Edges from layer {low} to {high}")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, f"Edges from layer {low} to {high}: {done} of {total} targets")

    try:
        return distant(load_model(spec), recorded(spec, case, rule).trace, low, high, show)
    finally:
        bar.empty()


def edges_between(spec: ModelSpec, case: Failure, rule: str, layers: tuple[int, ...]) -> tuple[LayerEdges, ...]:
    """Edges between consecutive drawn layers."""
    near = neighbour_edges(spec, case, rule)
    return tuple(
        near[low] if high == low + 1 else distant_edges(spec, case, rule, low, high) for low, high in pairwise(layers)
    )


@st.cache_resource(max_entries=32, show_spinner="Looking down from this node")
def seen_from(spec: ModelSpec, case: Failure, rule: str, node: Node) -> list[float]:
    """(T,) what of a node's relevance comes from each token of the prompt, in logits."""
    layer, token = node
    trace = recorded(spec, case, rule).trace
    if layer == 0:
        return [float(trace.relevance[0, token]) if i == token else 0.0 for i in range(len(trace.ids))]
    return skip_edges(load_model(spec).view(rule), trace, 0, layer, [token])[0].tolist()


@st.cache_resource(max_entries=32, show_spinner=False)
def halves_of(spec: ModelSpec, case: Failure, rule: str, layer: int) -> VerticalParts:
    """The same-token edges of a block, by residual connection, attention and MLP."""
    return vertical_parts(load_model(spec).view(rule), recorded(spec, case, rule).trace, layer)
