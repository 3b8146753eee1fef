"""What a drawing keeps, against brute force on dense matrices."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from explorer.graph.collect import LayerEdges
from explorer.graph.prune import Drawing, Edge, Node, Pruning, prune, relax_thresholds_until_nonempty
from explorer.limits import DRAWN_EDGES, DRAWN_NODES
from tests.graph.tiny import Tiny, tiny

EVERYTHING = Pruning(mass=1.0, max_nodes=10_000, max_edges=100_000)
Edges = set[tuple[tuple[int, int], tuple[int, int]]]


def smallest_set(matrix: np.ndarray, low: int, mass: float) -> Edges:
    """The fewest edges that carry ``mass`` of Σ|A|, one by one from the strongest."""
    order = sorted(((-abs(v), j, i) for (j, i), v in np.ndenumerate(matrix) if v), key=lambda entry: entry[0])
    wanted, carried = mass * np.abs(matrix).sum(), 0.0
    edges: Edges = set()
    for size, j, i in order:
        if carried >= wanted:
            break
        carried -= size
        edges.add(((low, i), (low + 1, j)))
    return edges


def leading(edges: Edges, contrast: tuple[int, int]) -> Edges:
    """Those from which the contrast can be reached, by following edges upwards from each of them."""

    def leads(node: tuple[int, int]) -> bool:
        return node == contrast or any(leads(target) for source, target in edges if source == node)

    return {edge for edge in edges if leads(edge[1])}


def drawn(drawing: Drawing) -> Edges:
    return {(source, target) for source, target, _ in drawing.edges}


def nodes_of(edges: Edges, contrast: tuple[int, int]) -> set[tuple[int, int]]:
    return {node for edge in edges for node in edge} | {contrast}


@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
@pytest.mark.parametrize("mass", (0.3, 0.6, 0.85, 0.97))
def test_the_smallest_set_that_reaches_the_mass_of_each_layer_pair(rule, mass):
    graph = tiny(rule=rule)
    candidates = set().union(*(smallest_set(m, low, mass) for low, m in enumerate(graph.dense)))
    drawing = prune(graph.trace.relevance, graph.pairs, replace(EVERYTHING, mass=mass))
    assert drawn(drawing) == leading(candidates, graph.contrast)
    assert set(drawing.nodes) == nodes_of(drawn(drawing), graph.contrast)


def test_all_of_the_mass_is_every_edge_that_leads_to_the_contrast():
    graph = tiny()
    drawing = prune(graph.trace.relevance, graph.pairs, EVERYTHING)
    every = {((low, int(i)), (low + 1, int(j))) for low, m in enumerate(graph.dense) for j, i in np.argwhere(m)}
    wanted = leading(every, graph.contrast)
    weakest = (
        min(abs(graph.dense[s[0]][t[1], s[1]]) for s, t in wanted - drawn(drawing)) if wanted - drawn(drawing) else 0.0
    )
    assert drawn(drawing) <= wanted
    assert weakest < 1e-12  # a sum of floats may reach the whole before its last, tiny terms
    assert drawing.edge_share == pytest.approx(1)


def test_edges_are_the_matrices_own_strongest_first():
    graph = tiny()
    drawing = prune(graph.trace.relevance, graph.pairs, Pruning())
    sizes = [abs(weight) for *_, weight in drawing.edges]
    assert sizes == sorted(sizes, reverse=True)
    for source, target, weight in drawing.edges:
        assert target[0] == source[0] + 1
        assert weight == pytest.approx(graph.dense[source[0]][target[1], source[1]], rel=1e-9)
    for (layer, token), relevance in drawing.nodes.items():
        assert relevance == graph.trace.relevance[layer, token]


def test_shares_are_of_all_there_is():
    graph = tiny()
    drawing = prune(graph.trace.relevance, graph.pairs, Pruning(mass=0.7))
    every = sum(np.abs(m).sum() for m in graph.dense)
    kept = sum(abs(graph.dense[s[0]][t[1], s[1]]) for s, t in drawn(drawing))
    assert drawing.edge_share == pytest.approx(kept / every, rel=1e-9)
    relevance = np.abs(graph.trace.relevance)
    assert drawing.node_share == pytest.approx(sum(relevance[n] for n in drawing.nodes) / relevance.sum(), rel=1e-9)
    assert drawing.total_edges == sum(np.count_nonzero(abs(m) > 1e-12) for m in graph.dense)  # but for rounding
    assert drawing.total_nodes == np.count_nonzero(relevance)
    assert drawing.layers == (0, 1, 2, 3)


def test_thresholds():
    graph = tiny()
    relevance = np.abs(graph.trace.relevance)
    node, edge = float(np.median(relevance[:3])), float(np.median(np.abs(graph.dense[1][graph.dense[1] != 0])))
    by_edge = prune(graph.trace.relevance, graph.pairs, replace(EVERYTHING, edge_threshold=edge))
    by_node = prune(graph.trace.relevance, graph.pairs, replace(EVERYTHING, node_threshold=node))
    strong: Edges = set()
    for low, matrix in enumerate(graph.dense):
        strong |= {((low, int(i)), (low + 1, int(j))) for j, i in np.argwhere(np.abs(matrix) >= edge)}
    assert drawn(by_edge) == leading(strong, graph.contrast)
    assert 0 < len(by_node.edges) < len(prune(graph.trace.relevance, graph.pairs, EVERYTHING).edges)
    assert all(relevance[n] >= node or n == graph.contrast for n in by_node.nodes)


def test_hidden_tokens_are_gone_but_the_contrast_and_pins_stay():
    graph = tiny()
    pin = (1, 4)
    rules = replace(EVERYTHING, hidden=frozenset({0, 4, 7, 11}), pinned=frozenset({pin}))
    drawing = prune(graph.trace.relevance, graph.pairs, rules)
    assert {node for node in drawing.nodes if node[1] in rules.hidden} == {pin, graph.contrast}
    assert not drawing.empty


def test_pins_stay_whatever_the_thresholds_say():
    graph = tiny()
    pins = frozenset({(0, 2), (2, 9)})
    drawing = prune(graph.trace.relevance, graph.pairs, Pruning(node_threshold=1e9, edge_threshold=1e9, pinned=pins))
    assert drawing.empty
    assert set(drawing.nodes) == pins | {graph.contrast}
    outside = Pruning(node_threshold=1e9, edge_threshold=1e9, pinned=frozenset({(9, 0), (0, 99)}))
    assert set(prune(graph.trace.relevance, graph.pairs, outside).nodes) == {graph.contrast}
    weak = min(((layer, t) for layer in (1, 2) for t in range(12)), key=lambda n: abs(graph.trace.relevance[n]))
    level = abs(float(graph.trace.relevance[weak])) * 1.01 + 1e-15
    kept = prune(
        graph.trace.relevance, graph.pairs, replace(EVERYTHING, node_threshold=level, pinned=frozenset({weak}))
    )
    assert any(weak in edge[:2] for edge in kept.edges)  # with its edges


def count(edges: Sequence[Edge], relevance: np.ndarray, fixed: Collection[Node]) -> tuple[int, int]:
    """Nodes that stand and strokes of a picture of these edges, node by node."""
    nodes = {node for *ends, _ in edges for node in ends}
    folded = 0
    for node in nodes - set(fixed):
        into, out = [e for e in edges if e[1] == node], [e for e in edges if e[0] == node]
        if len(into) == len(out) == 1:
            chain = [into[0][0], node, out[0][1]]
            values = [into[0][2], out[0][2], *(float(relevance[n]) for n in chain)]
            folded += len({token for _, token in chain}) == 1 and (min(values) > 0 or max(values) < 0)
    return max(len(nodes), 1) - folded, len(edges) - folded


def grown(edges: Sequence[Edge], contrast: Node, relevance: np.ndarray, rules: Pruning) -> set[Edge]:
    """Edge by edge from the contrast, the strongest of those that can be reached first, each counted anew."""
    taken, left = list[Edge](), set(edges)
    while True:
        reached = {contrast, *(source for source, *_ in taken)}
        waiting = [edge for edge in left if edge[1] in reached]
        if not waiting:
            return set(taken)
        edge = max(waiting, key=lambda edge: abs(edge[2]))
        left.remove(edge)
        nodes, strokes = count([*taken, edge], relevance, {contrast, *rules.pinned})
        if nodes <= rules.max_nodes and strokes <= rules.max_edges:
            taken.append(edge)


CAPS = ((1000, 1), (1000, 3), (1000, 17), (2, 1000), (9, 1000), (6, 8), (14, 30))


@pytest.mark.parametrize(("max_nodes", "max_edges"), CAPS)
@pytest.mark.parametrize("family", ("llama", "gpt2", "gemma3"))
def test_caps_count_what_stands_and_never_cut_the_drawing_off(family, max_nodes, max_edges):
    graph = tiny(family)
    relevance, free = graph.trace.relevance, replace(EVERYTHING, mass=0.8, pinned=frozenset({(1, 11)}))
    rules = replace(free, max_nodes=max_nodes, max_edges=max_edges)
    drawing, every = prune(relevance, graph.pairs, rules), prune(relevance, graph.pairs, free)
    assert set(drawing.edges) == grown(every.edges, graph.contrast, relevance, rules)
    nodes, strokes = count(drawing.edges, relevance, {graph.contrast, (1, 11)})
    assert nodes <= max_nodes and 0 < strokes <= max_edges
    assert drawn(drawing) == leading(drawn(drawing), graph.contrast)
    assert drawing.edges[0] in every.edges
    assert max(every.edges, key=lambda edge: (edge[1] == graph.contrast, abs(edge[2]))) in drawing.edges
    assert drawing.uncapped_share == pytest.approx(every.edge_share, rel=1e-12)
    assert drawing.capped == (len(drawing.edges) < len(every.edges))
    said = f" ({every.edge_share:.0%} without the cap)" if drawing.capped else ""
    share = f"{drawing.edge_share:.0%} of Σ|A|{said}"
    assert drawing.kept == f"drawn: {len(drawing.nodes)} of {drawing.total_nodes} nodes, {share}"


def test_nodes_within_a_run_cost_nothing(monkeypatch):
    """A column of 40 layers and one edge at its top fit where three nodes may stand."""
    depth, ones = 40, np.ones(1)
    pairs = [
        LayerEdges(low, low + 1, np.array([0 if low < depth - 1 else 1]), np.array([0]), ones, 1.0, 1.0, 0.0, 1)
        for low in range(depth)
    ]
    drawing = prune(np.ones((depth + 1, 2)), pairs, Pruning(mass=1.0, max_nodes=3, max_edges=2))
    assert len(drawing.edges) == depth and not drawing.capped
    turned = np.ones((depth + 1, 2))
    turned[20, 0] = -1  # a sign that turns has to be seen
    cut = prune(turned, pairs, Pruning(mass=1.0, max_nodes=3, max_edges=2))
    assert cut.capped and min(cut.nodes) == (21, 0)
    monkeypatch.setattr("explorer.graph.prune.TRACED_NODES", 12)  # and yet all of them can be drawn
    few = prune(np.ones((depth + 1, 2)), pairs, Pruning(mass=1.0))
    assert len(few.nodes) == 12 and few.capped


def test_more_doubles_the_caps_up_to_the_limits_and_less_takes_it_back():
    steps = [Pruning(mass=0.7)]
    while (following := steps[-1].more()) != steps[-1]:
        steps.append(following)
    caps = [(step.max_nodes, step.max_edges) for step in steps]
    assert caps == [(160, 260), (320, 520), (600, 1040), (DRAWN_NODES, DRAWN_EDGES)]
    assert {step.mass for step in steps} == {0.7}
    for low, high in pairwise(steps):
        assert high.less() == low
    assert steps[0].less() == steps[0]
    odd = Pruning(max_nodes=500, max_edges=20)
    assert (odd.more().max_nodes, odd.more().max_edges) == (500, 260)
    assert (odd.less().max_nodes, odd.less().max_edges) == (320, 20)


def test_a_cap_that_is_not_reached_changes_nothing():
    graph = tiny()
    free = prune(graph.trace.relevance, graph.pairs, EVERYTHING)
    tight = replace(EVERYTHING, max_nodes=len(free.nodes), max_edges=len(free.edges))
    assert prune(graph.trace.relevance, graph.pairs, tight) == free


def test_thresholds_are_relaxed_until_an_edge_is_left():
    graph = tiny()
    harsh = Pruning(node_threshold=1e6, edge_threshold=1e6)
    assert prune(graph.trace.relevance, graph.pairs, harsh).empty
    relaxed = relax_thresholds_until_nonempty(graph.trace.relevance, graph.pairs, harsh)
    assert not prune(graph.trace.relevance, graph.pairs, relaxed).empty
    double = replace(relaxed, node_threshold=2 * relaxed.node_threshold, edge_threshold=2 * relaxed.edge_threshold)
    assert prune(graph.trace.relevance, graph.pairs, double).empty
    fine = Pruning(mass=0.5)
    assert relax_thresholds_until_nonempty(graph.trace.relevance, graph.pairs, fine) == fine
    hidden = replace(harsh, hidden=frozenset(range(12)))  # nothing can be left: it must come to an end
    assert prune(graph.trace.relevance, graph.pairs, hidden).empty
    relax_thresholds_until_nonempty(graph.trace.relevance, graph.pairs, hidden)


def test_one_token_is_a_graph(monkeypatch):
    graph: Tiny = tiny(length=1)
    drawing = prune(graph.trace.relevance, graph.pairs, Pruning())
    assert drawn(drawing) == {((layer, 0), (layer + 1, 0)) for layer in range(3)}
