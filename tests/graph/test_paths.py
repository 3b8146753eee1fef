"""Statistics by layer and strongest paths, against textbook formulas and enumeration."""

from collections import defaultdict
from itertools import product
from typing import Any

import numpy as np
import pytest

from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import gini, layer_statistics, strongest_paths
from explorer.graph.prune import Drawing, Node, Pruning
from tests.graph.tiny import attribution_graph, tiny

VALUES = ([1.0, 1, 1, 1], [0.0, 0, 0, 5], [0.3, 2.0, 0.1, 0.0, 7.5], [4.0])


@pytest.mark.parametrize("values", VALUES)
def test_gini_is_the_double_sum(values):
    x = np.array(values)
    wanted = sum(abs(a - b) for a, b in product(x, x)) / (2 * len(x) * x.sum())
    assert gini(x) == pytest.approx(wanted, abs=1e-12)


def test_gini_of_nothing():
    assert gini(np.zeros(3)) == gini(np.array([])) == 0


def statistics(graph: AttributionGraph) -> list[Any]:
    return list(layer_statistics(graph).itertuples())


@pytest.mark.parametrize("family", ("llama", "gpt2"))
def test_statistics_against_dense_matrices(family):
    graph = tiny(family)
    pruned = attribution_graph(graph, Pruning(mass=0.8))
    drawing, rows = pruned.drawing, statistics(pruned)
    assert [row.layer for row in rows] == [0, 1, 2, 3]
    assert np.isnan(rows[0].verticality)
    assert np.isnan(rows[0].look_back)
    for row in rows[1:]:
        size = np.abs(graph.dense[row.layer - 1])
        distance = np.arange(12)[:, None] - np.arange(12)[None]
        assert row.verticality == pytest.approx(np.trace(size) / size.sum(), rel=1e-9)
        assert row.look_back == pytest.approx((size * distance).sum() / size.sum(), rel=1e-9)
    for row in rows:
        assert row.gini == pytest.approx(gini(np.abs(graph.trace.relevance[row.layer])))
        assert row.drawn_nodes == len([n for n in drawing.nodes if n[0] == row.layer])
        assert row.drawn_edges == len([e for e in drawing.edges if e[1][0] == row.layer])
    assert sum(row.drawn_edges for row in rows) == len(drawing.edges)


def test_tokens_that_hold_90_percent():
    graph = tiny()
    for row in statistics(attribution_graph(graph)):
        size = sorted(np.abs(graph.trace.relevance[row.layer]).tolist(), reverse=True)
        wanted = next(n for n in range(1, 13) if sum(size[:n]) >= 0.9 * sum(size) * (1 - 1e-12))
        assert row.tokens_90 == wanted


def all_paths(drawing: Drawing, members: set[Node], contrast: Node) -> list[tuple[tuple[Node, ...], list[float]]]:
    """Every way of drawn edges through a member to the contrast, from as low as it goes, with its sorted |weights|.

    Brute force; what is missing below the beginning of a way counts as edges of 0.
    """
    into = defaultdict(list)
    for source, target, weight in drawing.edges:
        into[target].append((source, weight))

    def ways(node: Node) -> list[tuple[tuple[Node, ...], list[float]]]:
        if not into[node]:
            return [((node,), [0.0] * drawing.layers.index(node[0]))]
        return [((*nodes, node), [*sizes, abs(w)]) for source, w in into[node] for nodes, sizes in ways(source)]

    found = [(nodes, sorted(sizes)) for nodes, sizes in ways(contrast) if members & set(nodes) and len(nodes) > 1]
    return sorted(found, key=lambda way: way[1], reverse=True)


@pytest.mark.parametrize("family", ("llama", "gpt2", "gemma3"))
@pytest.mark.parametrize("mass", (0.3, 0.6, 0.9))
def test_the_strongest_paths_are_those_that_the_drawing_shows_strongest(family, mass):
    graph = tiny(family, length=7)
    drawing = attribution_graph(graph, Pruning(mass=mass, pinned=frozenset({(1, 1)}))).drawing
    nodes = [*drawing.nodes]
    for members in (*([node] for node in nodes), nodes[:2], nodes[1::3]):
        every = all_paths(drawing, set(members), graph.contrast)
        paths = strongest_paths(drawing, members, graph.contrast, count=5)
        assert len(paths) == min(5, len(every))
        for path, (_, sizes) in zip(paths, every, strict=False):
            missing = len(drawing.layers) - len(path.nodes)
            assert sorted([0.0] * missing + [abs(w) for w in path.weights]) == sizes
            assert (path.nodes, sizes) in every
            assert abs(path.thinnest) == min(map(abs, path.weights))


def test_a_node_that_leads_nowhere_has_no_paths():
    graph = tiny(length=6)
    drawing = attribution_graph(graph, Pruning(pinned=frozenset({(3, 2)}))).drawing
    assert (3, 2) in drawing.nodes
    assert strongest_paths(drawing, [(3, 2)], graph.contrast) == []
    assert strongest_paths(drawing, [(9, 9)], graph.contrast) == []
