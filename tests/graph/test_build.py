"""The edges of a trace, each computed once, and the graph in one call."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from explorer import Failure, attribution_graph, explain
from explorer.errors import ExplorerError
from explorer.graph import build
from explorer.graph.build import TARGET_SHARE, TracedEdges, parse_layers
from explorer.graph.edges import edge_matrix
from explorer.graph.prune import Pruning, prune
from explorer.graph.replay import skip_edges
from explorer.model.load import ModelSpec
from tests.vectors.tiny import save_tiny

FAILURE = Failure("What is the capital of Australia?", wrong="Sydney", right="Canberra")


@pytest.fixture
def edges(smollm) -> TracedEdges:
    """The failure's recorded trace; no edge is computed yet."""
    return TracedEdges(smollm, explain(FAILURE, smollm, record=True))


def test_one_call_is_the_page_in_steps(smollm, edges):
    pruning = Pruning(mass=0.7, max_edges=50)
    graph = attribution_graph(FAILURE, smollm, layers="six", pruning=pruning)
    steps = edges.graph(parse_layers("six", 30), pruning)
    assert graph.drawing == steps.drawing
    assert graph.drawing.layers == (0, 5, 10, 15, 20, 25, 30)
    assert graph.drawing == prune(edges.explanation.trace.relevance, graph.pairs, pruning)
    assert edges.graph().drawing.layers == tuple(range(31))


def test_everything_is_computed_once(edges, monkeypatch):
    first = edges.graph((0, 1, 2, 20, 30)), edges.seen_from((12, 5)), edges.halves(3)
    for name in ("collect_edges", "skip_edges", "vertical_parts"):
        monkeypatch.setattr(build, name, None)  # a further computation would now fail
    again = edges.graph((0, 1, 2, 20, 30)), edges.seen_from((12, 5)), edges.halves(3)
    assert again[0].pairs == first[0].pairs
    assert again[1] is first[1]
    assert again[2] is first[2]


def test_few_results_are_held(edges, monkeypatch):
    monkeypatch.setattr(build, "_MOST", 2)
    for token in (3, 4, 5):
        edges.seen_from((2, token))
    assert [node for _, node in edges._results] == [(2, 4), (2, 5)]


def test_distant_edges_lead_into_the_strongest_targets(smollm, edges):
    pair, trace = edges.between(10, 14), edges.explanation.trace
    size = np.abs(trace.relevance[14].astype(float))
    targets = sorted(set(pair.target.tolist()))
    assert size[targets].sum() >= TARGET_SHARE * size.sum()
    rows = skip_edges(smollm.view("attnlrp"), trace, 10, 14, targets)
    for target, source, weight in zip(pair.target, pair.source, pair.weight, strict=True):
        assert rows[targets.index(target), source] == pytest.approx(weight)


def test_what_a_node_sees(smollm, edges):
    trace = edges.explanation.trace
    column = edge_matrix(smollm.view("attnlrp"), trace, 0)[7].numpy()
    assert np.allclose(edges.seen_from((1, 7)), column, atol=1e-4 * np.abs(column).max())
    embedding = edges.seen_from((0, 7))
    assert embedding[7] == trace.relevance[0, 7]
    assert np.count_nonzero(embedding) == 1


def test_thresholds_that_leave_nothing(smollm, edges):
    harsh = Pruning(node_threshold=1e6, edge_threshold=1e6)
    with pytest.raises(ExplorerError, match="leave no edge"):
        attribution_graph(FAILURE, smollm, pruning=harsh)
    empty = edges.graph(pruning=harsh)
    assert empty.drawing.empty
    relaxed = empty.relaxed()
    assert not relaxed.drawing.empty
    assert relaxed.pruning.edge_threshold < harsh.edge_threshold
    assert replace(relaxed, pruning=harsh, drawing=empty.drawing) == empty


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rule": "gradient"}, "not for 'gradient'"),
        ({"layers": "1,99"}, "expected numbers from 0 to 30"),
        ({"layers": "some"}, "expected all, six, or numbers"),
    ],
)
def test_what_can_not_be_drawn(smollm, change, complaint):
    with pytest.raises(ExplorerError, match=complaint):
        attribution_graph(FAILURE, smollm, **change)


def test_edges_hold_no_model_and_load_it_again(tmp_path, monkeypatch):
    from explorer.model import load

    monkeypatch.setattr(load, "_kept", {})
    loaded = load.load_model(ModelSpec(str(save_tiny(tmp_path / "model"))))
    edges = TracedEdges(loaded, explain(Failure("is it", wrong="one", right="two"), loaded, record=True))
    before, alive = edges.seen_from((2, 1)), weakref.ref(loaded)
    del loaded
    load._kept.clear()
    gc.collect()
    assert alive() is None
    assert (edges.seen_from((2, 0)) != before).any() and edges.loaded.n_layers == 3


def test_the_story_leaves_the_template_out_and_folds_runs(smollm):
    edges = TracedEdges(smollm, explain(FAILURE, smollm, rule="attnlrp", record=True))
    story, tokens = edges.story(), edges.explanation.tokens
    assert story.drawing.layers == parse_layers("six", 30)
    assert edges.template == {t.index for t in tokens if t.segment == "template"} - {len(tokens) - 1}
    assert not {token for _, token in story.drawing.nodes} & edges.template
    assert not story.beads
    for pair in story.pairs:
        assert not set(pair.target.tolist()) & edges.template
        every = edges.between(pair.low, pair.high)
        weights = dict(zip(zip(every.target.tolist(), every.source.tolist(), strict=True), every.weight, strict=True))
        both = [(n, key) for n, key in enumerate(zip(pair.target.tolist(), pair.source.tolist(), strict=True))]
        known = [(pair.weight[n], weights[key]) for n, key in both if key in weights]
        assert known
        assert [a for a, _ in known] == pytest.approx([b for _, b in known], rel=1e-3, abs=1e-5)
