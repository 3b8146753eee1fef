"""Statistics by layer and strongest paths, against textbook formulas and enumeration."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from explorer.graph.layout import AttributionGraph
from explorer.graph.paths import gini, layer_statistics, strongest_paths
from explorer.graph.prune import Pruning
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


def all_paths(dense: tuple[np.ndarray, ...], node: tuple[int, int], contrast: tuple[int, int]) -> dict[tuple, float]:
    """Every way of 3 edges from layer 0 to the contrast through ``node``, with its product of shares."""
    length = len(dense[0])
    shares = [
        np.divide(np.abs(m), s, where=s > 0, out=np.zeros_like(m))
        for m in dense
        if (s := np.abs(m).sum(1, keepdims=True)) is not None
    ]
    ways = {}
    for tokens in product(range(length), repeat=3):
        nodes = (*enumerate(tokens), contrast)
        share = float(np.prod([shares[low][nodes[low + 1][1], nodes[low][1]] for low in range(3)]))
        if node in nodes and share:
            ways[nodes] = share
    return ways


@pytest.mark.parametrize("family", ("llama", "gpt2", "gemma3"))
@pytest.mark.parametrize("node", ((3, 5), (2, 5), (1, 2), (0, 0), (2, 1)))
def test_strongest_paths_against_all_paths(family, node):
    graph = tiny(family, length=6)
    every = all_paths(graph.dense, node, graph.contrast)
    assert every or family == "gemma3"  # a node outside every window leads nowhere
    paths = strongest_paths(graph.pairs, node, graph.contrast, count=10)
    wanted = sorted(every.values(), reverse=True)[:10]
    assert [path.share for path in paths] == pytest.approx(wanted, rel=1e-9)
    for path in paths:
        assert every[path.nodes] == pytest.approx(path.share, rel=1e-9)


def test_a_node_that_leads_nowhere_has_no_paths():
    graph = tiny(length=6)
    assert strongest_paths(graph.pairs, (3, 2), graph.contrast) == []


def test_all_paths_of_the_contrast_add_up_to_one():
    graph = tiny(length=6)
    every = strongest_paths(graph.pairs, graph.contrast, graph.contrast, count=300)
    assert sum(path.share for path in every) == pytest.approx(1)
