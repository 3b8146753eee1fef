"""The verdict on a drawing: its statistics against slow references, its errors at stated rates, its words."""

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.faithfulness import graph_verdict as module
from explorer.faithfulness.agreement import Agreement, agreement
from explorer.faithfulness.graph_verdict import LEAST_TOKENS, GraphVerdict, PatchTest, graph_verdict
from explorer.faithfulness.patching import Reference
from explorer.faithfulness.verdict import decide
from explorer.figures.graph import export_graph
from explorer.figures.graph_caption import graph_caption
from explorer.graph.build import TracedEdges
from explorer.graph.graph_json import read_graph_json, to_json
from explorer.graph.prune import Pruning
from explorer.trace.explain import explain
from tests.graph.test_build import FAILURE


def test_r_interval_control_and_p_against_loops():
    rng = np.random.default_rng(1)
    relevance, tokens = rng.normal(size=(4, 7)), (1, 2, 3, 4)
    nodes = [(layer, token) for layer in (1, 2, 3) for token in tokens if (layer + token) % 4]
    values = np.array([relevance[node] for node in nodes])
    effect = values + rng.normal(size=len(nodes))
    fits = agreement(relevance, nodes, effect, tokens, 20_000, seed=0)
    r, (low, high), control, p = fits.r, fits.interval, fits.control, fits.p
    assert r == pytest.approx(np.corrcoef(values, effect)[0, 1])
    every = []
    for order in permutations(tokens):
        place = dict(zip(tokens, order, strict=True))
        every.append(np.corrcoef([relevance[layer, place[token]] for layer, token in nodes], effect)[0, 1])
    assert control == pytest.approx(np.mean(every), abs=0.02)
    assert p == pytest.approx(np.mean(np.array(every) >= r - 1e-9), abs=0.02)
    again = []
    for _ in range(4000):
        drawn = [n for token in rng.choice(tokens, len(tokens)) for n, node in enumerate(nodes) if node[1] == token]
        again.append(np.corrcoef(values[drawn], effect[drawn])[0, 1])
    assert (low, high) == pytest.approx(np.nanquantile(again, [0.025, 0.975]), abs=0.05)


def test_only_the_named_columns_are_exchanged():
    relevance = np.zeros((3, 4))
    relevance[:, 3] = 5.0, 6.0, 7.0
    nodes, effect = [(1, 3), (2, 3), (1, 1), (2, 1)], np.array([6.0, 7.0, 0.0, 0.0])
    fits = agreement(relevance, nodes, effect, [0, 1, 2], 200, seed=0)
    assert fits.r == fits.control == pytest.approx(1)
    assert fits.p == 1  # the last column explains it all, and the others were no better than any


def test_nothing_to_correlate_is_no_evidence():
    relevance = np.ones((3, 6))
    fits = agreement(relevance, [(1, t) for t in range(5)], np.arange(5.0), range(5), 100, seed=0)
    assert np.isnan([fits.r, *fits.interval]).all()
    assert fits.p == 1
    assert agreement(relevance, [], np.zeros(0), range(5), 100, seed=0).p == 1


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A relevance of 24 heavy-tailed columns on six layers, and the nodes that a drawing keeps: the strongest."""
    relevance = rng.standard_t(2, size=24) * rng.uniform(0.5, 1.5, size=(7, 24)) + 0.05 * rng.normal(size=(7, 24))
    least = np.sort(np.abs(relevance[1:]).ravel())[-40]
    return relevance, [(int(layer) + 1, int(token)) for layer, token in np.argwhere(np.abs(relevance[1:]) >= least)]


def kinds(shuffled: bool) -> list[str]:
    """200 verdicts on drawings whose effects are their relevance with noise, or that of other tokens."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        relevance, nodes = drawn(rng)
        truth = relevance[:, rng.permutation(24)] if shuffled else relevance
        p_values = []
        for number in range(2):
            effect = np.array([truth[node] for node in nodes])
            effect = effect + 0.3 * effect.std() * rng.normal(size=len(nodes))
            p_values.append(agreement(relevance, nodes, effect, range(24), 200, seed + number).p)
        found.append(decide(p_values))
    return found


def test_a_true_drawing_holds_and_a_shuffled_one_is_chance():
    true, false = kinds(shuffled=False), kinds(shuffled=True)
    assert true.count("holds") >= 190
    assert false.count("chance") >= 182  # both replacements here have the same effects: 5 % and no less
    assert false.count("holds") <= 14


def verdict_on(smollm, **given) -> tuple[TracedEdges, GraphVerdict]:
    edges = TracedEdges(smollm, explain(FAILURE, smollm, record=True))
    return edges, graph_verdict(edges, edges.story(), **given)


@pytest.mark.slow
def test_a_verdict_of_the_embedded_model_is_in_every_file(smollm):
    told = []
    edges, verdict = verdict_on(
        smollm, shuffles=200, progress=lambda what, done=0, total=0: told.append((what, done, total))
    )
    graph = edges.story()
    inner = [node for node in graph.drawing.nodes if node[0] > 0 and node != graph.contrast]
    for test in verdict.tests:
        assert test.drawn
        assert test.nodes == tuple(node for node in inner if node[1] >= min(test.reference.culprits))
        assert test.relevance == pytest.approx([graph.drawing.nodes[node] for node in test.nodes])
        assert test.agreement.r == pytest.approx(np.corrcoef(test.relevance, test.effect)[0, 1])
        assert test.relp_r == pytest.approx(np.corrcoef(test.estimate, test.effect)[0, 1])
        assert all(edges.explanation.tokens[token].segment == "user" for token in test.reference.culprits)
    assert verdict.kind == decide([test.agreement.p for test in verdict.tests])
    counts = [len(test.nodes) for test in verdict.tests]
    assert ("Patching the nodes", counts[1], 2 * counts[1]) in told
    shown = [done / total for what, done, total in told if what == "Patching the nodes"]
    assert shown == sorted(shown) and shown[0] == 0
    assert verdict_on(smollm, shuffles=200)[1].to_json() == verdict.to_json()  # exact repeats
    marked = replace(graph, faithfulness=verdict.to_json())
    written = json.loads(export_graph(marked, "json"))
    assert written["metadata"]["faithfulness"] == json.loads(json.dumps(verdict.to_json()))
    assert read_graph_json(export_graph(marked, "json")).drawing.nodes == graph.drawing.nodes
    assert "faithfulness" not in to_json(graph)["metadata"]
    assert graph_caption(marked).verdict == verdict.sentence
    assert verdict.sentence[:30] in export_graph(marked, "html").decode()


def test_edges_of_another_trace_are_refused(smollm):
    edges, other = (TracedEdges(smollm, explain(FAILURE, smollm, record=True)) for _ in range(2))
    with pytest.raises(ExplorerError, match="another trace"):
        graph_verdict(edges, other.story())


@pytest.mark.slow
def test_few_drawn_tokens_are_helped_by_all_nodes_of_some_layers(smollm, monkeypatch):
    monkeypatch.setattr(module, "MOST_LAYERS", 2)
    edges = TracedEdges(smollm, explain(FAILURE, smollm, record=True))
    few = edges.graph((0, 10, 20, 30), Pruning(max_edges=4))
    (test, _) = graph_verdict(edges, few, shuffles=50).tests
    tokens = range(min(test.reference.culprits), len(edges.explanation.tokens))
    assert not test.drawn
    assert test.nodes == tuple((layer, t) for layer in (10, 30) for t in tokens if (layer, t) != few.contrast)


def told(*figures: tuple[float, float, int], drawn: bool = True) -> GraphVerdict:
    """A verdict with tests of these (r, p, tokens)."""
    tests = []
    for operator, (r, p, tokens) in zip(("mean", "likely"), figures, strict=True):
        nodes = tuple((layer, token) for layer in (1, 2) for token in range(tokens))
        zeros, fits = np.zeros(len(nodes)), Agreement(r, (r, r), 0.1, p)
        tests.append(PatchTest(Reference(operator, (0,), 1.0, ()), nodes, drawn, zeros, zeros, zeros, fits))
    return GraphVerdict(tuple(tests))


def test_the_sentence_says_the_verdict_and_what_it_rests_on():
    holds = told((0.91, 0.001, 6), (0.87, 0.01, 7))
    assert holds.kind == "holds"
    assert holds.sentence.startswith("Holds: patching 12 nodes one by one")
    assert "r = 0.91 (mean embedding) and 0.87 (likely token) between relevance and effect" in holds.sentence
    assert told((0.91, 0.001, 6), (0.1, 0.4, 7)).sentence.startswith("The replacements disagree: ")
    chance = told((float("nan"), 1.0, 6), (0.1, 0.4, 7))
    assert chance.sentence.startswith("No better than chance: do not trust this drawing: ")
    assert "r = undefined (mean embedding) and 0.10 (likely token)" in chance.sentence
    assert json.loads(json.dumps(chance.to_json(), allow_nan=False))["tests"][0]["r"] is None
    unknown = told((0.9, 0.01, LEAST_TOKENS - 1), (0.9, 0.01, 7))
    assert unknown.kind is None
    assert unknown.sentence == "Too few tokens to tell: what is replaced reaches 4 tokens only."
    assert unknown.to_json()["verdict"] == "unknown"
    assert len(unknown.table().split("\n")) == 3
    assert (
        "all 12 nodes of some layers (too few are drawn)" in told((0.9, 0.01, 6), (0.9, 0.01, 6), drawn=False).figures
    )
