"""What a picture shows, against brute force: groups, residual runs, halves; and that routes keep edges apart."""

from collections import defaultdict
from dataclasses import replace
from itertools import combinations

import pytest

from explorer.graph.block_parts import vertical_parts
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Node, Pruning
from explorer.graph.routes import LANES, routes
from explorer.graph.scene import Scene, residual_runs, scene_of
from tests.graph.tiny import attribution_graph, chain, tiny

FAMILIES = ("llama", "gpt2", "gemma3")


def sums(graph: AttributionGraph, owner: dict[Node, str]) -> dict[tuple[str, str], float]:
    """Σ of the drawing's edges between owners, edge by edge."""
    totals = defaultdict(float)
    for source, target, weight in graph.drawing.edges:
        totals[owner.get(source, str(source)), owner.get(target, str(target))] += weight
    return totals


def name_of(scene: Scene, number: int) -> str:
    shown = scene.nodes[number]
    return shown.name if shown.part == "group" else str(shown.members[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_group_is_one_node_with_the_sums_of_its_members(family):
    graph = tiny(family)
    plain = attribution_graph(graph, Pruning(mass=0.95))
    nodes = sorted(plain.drawing.nodes)
    first, second = tuple(nodes[1:9:2]), (*nodes[2:9:2], graph.contrast)
    grouped = replace(
        plain, marks=Marks((), (("A", (*first, (2, 99))), ("B", second), ("empty", ((2, 99),)))), beads=True
    )
    scene = scene_of(grouped)
    owner = dict.fromkeys(first, "A") | dict.fromkeys(second, "B")
    wanted = sums(plain, owner)
    shown = {(name_of(scene, s.source), name_of(scene, s.target)): s for s in scene.strokes}
    assert len(shown) == len(scene.strokes)
    assert shown.keys() == {pair for pair in wanted if pair[0] != pair[1]}
    for pair, stroke in shown.items():
        assert stroke.weight == pytest.approx(wanted[pair], rel=1e-12, abs=1e-15)
    groups = {node.name: node for node in scene.nodes if node.part == "group"}
    assert groups.keys() == {"A", "B"}
    for name, members in (("A", first), ("B", second)):
        assert groups[name].relevance == pytest.approx(sum(plain.drawing.nodes[node] for node in members), rel=1e-12)
        assert groups[name].inside == pytest.approx(wanted[name, name], rel=1e-12, abs=1e-15)
        assert set(groups[name].members) == set(members)
    everything = sum(stroke.weight for stroke in scene.strokes) + sum(node.inside for node in scene.nodes)
    assert everything == pytest.approx(sum(weight for *_, weight in plain.drawing.edges), rel=1e-9)
    assert scene.nodes[scene.at[graph.contrast]].name == "B"
    assert len(scene.nodes) == len(nodes) - len(first) - len(second) + 2


def test_a_run_ends_where_an_edge_enters_or_leaves_or_the_sign_turns():
    assert residual_runs(chain("+++++")) == [[(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)]]
    assert residual_runs(chain("++")) == []
    assert residual_runs(chain("+++---")) == [[(0, 2), (1, 2), (2, 2)], [(3, 2), (4, 2), (5, 2)]]
    entered = chain("++++++", (((1, 0), (2, 2), 0.5),))
    assert residual_runs(entered) == [[(0, 2), (1, 2), (2, 2)], [(2, 2), (3, 2), (4, 2), (5, 2)]]
    left = chain("++++++", (((3, 2), (4, 3), 0.5),))
    assert residual_runs(left) == [[(0, 2), (1, 2), (2, 2), (3, 2)], [(3, 2), (4, 2), (5, 2)]]
    assert residual_runs(chain("+++++"), kept=[(2, 2)]) == [[(0, 2), (1, 2), (2, 2)], [(2, 2), (3, 2), (4, 2)]]
    pinned = replace(chain("+++++"), marks=Marks(((2, 2),)))
    assert len(residual_runs(pinned)) == 2
    assert residual_runs(replace(chain("+++++"), halves={1: None})) == [[(2, 2), (3, 2), (4, 2)]]  # type: ignore


def test_a_run_is_one_stroke_as_wide_as_its_relevance():
    graph = chain("++++-")
    scene = scene_of(graph)
    (run,) = [stroke for stroke in scene.strokes if stroke.run]
    assert run.weight == (1 + 2 + 3 + 4) / 4
    assert run.run == ((0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0))
    assert run.sizes == [1.0, 2.0, 3.0, 4.0]
    assert all(stroke.sizes == [stroke.weight] for stroke in scene.strokes if not stroke.run)
    assert [scene.nodes[n].id for n in (run.source, run.target)] == ["0_2", "3_2"]
    assert scene.folded == 2
    assert {node.id for node in scene.nodes} == {"0_2", "3_2", "4_2", "5_3"}
    assert len(scene.strokes) == 3
    beads = scene_of(replace(graph, beads=True))
    assert len(beads.nodes) == len(graph.drawing.nodes)
    assert not any(stroke.run for stroke in beads.strokes)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_edge_is_lost_in_runs(family):
    graph = replace(attribution_graph(tiny(family), Pruning(mass=0.9)), beads=False)
    drawn = [edge for stroke in scene_of(graph).strokes for edge in stroke.edges]
    assert sorted(drawn) == sorted((source, target) for source, target, _ in graph.drawing.edges)


@pytest.mark.parametrize("family", FAMILIES)
def test_halves_hold_what_reaches_the_token_through_them(family):
    graph = tiny(family)
    parts = vertical_parts(graph.view, graph.trace, 1)
    drawn = replace(attribution_graph(graph, Pruning(mass=1.0, max_edges=10_000)), halves={1: parts})
    scene, dense = scene_of(drawn), graph.dense[1]
    halves = {node.id: node for node in scene.nodes if node.part}
    assert {node.part for node in halves.values()} == {"attention", "MLP"}
    for node in halves.values():
        (_, token) = node.members[0]
        arriving = dense[token].sum() - dense[token, token]
        wanted = parts.mlp[token] if node.part == "MLP" else parts.attention[token] + arriving
        assert node.relevance == pytest.approx(wanted, rel=1e-6, abs=1e-12)
    into = {(2, token): 0.0 for token in range(12)}
    for stroke in scene.strokes:
        target = scene.nodes[stroke.target]
        if not target.part and target.members[0] in into and scene.nodes[stroke.source].members[0][0] <= 2:
            into[target.members[0]] += stroke.weight
    for (layer, token), total in into.items():
        own = [weight for _, target, weight in drawn.drawing.edges if target == (layer, token)]
        assert total == pytest.approx(sum(own), rel=1e-6, abs=1e-12)


def test_routes_keep_edges_apart():
    nodes = [(column, row) for row in range(3) for column in range(6)]
    edges = [(*a, *b) for a in nodes for b in nodes if b[1] == a[1] + 1 and b[0] >= a[0]]
    found = dict(zip(edges, routes(edges), strict=True))
    for a, b in combinations(edges, 2):
        bent = a[0] != a[2] and b[0] != b[2]
        if bent and (a[1], a[3]) == (b[1], b[3]):
            assert found[a].lane != found[b].lane
        if a[:2] == b[:2]:
            assert found[a].out != found[b].out
        if a[2:] == b[2:]:
            assert found[a].into != found[b].into
    for edge, route in found.items():
        assert LANES[0] <= route.lane <= LANES[1]
        assert -1 <= route.into <= 0 <= route.out <= 1
        if edge[0] == edge[2]:
            assert (route.out, route.into) == (0, 0)
    assert routes([]) == []
