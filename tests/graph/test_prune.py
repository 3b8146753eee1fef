"""What a drawing keeps, against brute force on dense matrices."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.graph.prune import Drawing, Pruning, prune, relax_thresholds_until_nonempty
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


@pytest.mark.parametrize(("max_nodes", "max_edges"), ((1000, 1), (1000, 3), (1000, 17), (2, 1000), (9, 1000), (6, 8)))
def test_caps_are_kept_and_never_cut_the_drawing_off(max_nodes, max_edges):
    for graph in (tiny(), tiny("gpt2"), tiny("gemma3")):
        rules = replace(EVERYTHING, mass=0.9, max_nodes=max_nodes, max_edges=max_edges)
        drawing = prune(graph.trace.relevance, graph.pairs, rules)
        assert 0 < len(drawing.edges) <= max_edges
        assert len(drawing.nodes) <= max_nodes
        assert drawn(drawing) == leading(drawn(drawing), graph.contrast)
        reaching = [edge for edge in graph.dense[2][11] if edge]
        assert max(map(abs, reaching)) in [
            pytest.approx(abs(w)) for *_, w in drawing.edges
        ]  # begins with the strongest


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
