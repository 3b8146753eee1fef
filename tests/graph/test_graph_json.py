"""graph.json: written, read back, and refused in words where it is broken."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from explorer.errors import ExplorerError
from explorer.graph.graph_json import check_same, differences, node_id, parse_node, read_graph_json, to_json
from explorer.graph.layout import Marks
from explorer.graph.prune import Pruning
from tests.graph.tiny import attribution_graph, tiny

GRAPH = tiny()
MARKS = Marks(((1, 2), GRAPH.contrast), (("</script> “names”", ((1, 2), GRAPH.contrast)), ("none", ())))
DRAWN = attribution_graph(GRAPH, Pruning(pinned=frozenset({(1, 2)})), MARKS)
EXPLANATION, DRAWING = DRAWN.explanation, DRAWN.drawing
WRITTEN = to_json(DRAWN)


def test_round_trip_through_json():
    loaded = read_graph_json(json.dumps(WRITTEN).encode())
    assert loaded.model == EXPLANATION.model
    assert loaded.rule == "attnlrp"
    assert loaded.prompt_tokens == tuple(t.text for t in EXPLANATION.tokens)
    assert loaded.marks == MARKS
    assert loaded.drawing.nodes == DRAWING.nodes
    assert loaded.drawing.edges == DRAWING.edges
    assert loaded.drawing.layers == DRAWING.layers
    assert (loaded.drawing.edge_share, loaded.drawing.node_share) == (DRAWING.edge_share, DRAWING.node_share)
    assert loaded.link == {}
    check_same(loaded, EXPLANATION)


def test_the_link_comes_back_and_figures_that_differ_are_told():
    said = {"graph": "story", "mass": "0.7", "q": "</script> “who”"}
    loaded = read_graph_json(json.dumps(to_json(replace(DRAWN, link=said))))
    assert loaded.link == said
    assert differences(loaded, DRAWING) == 0
    source, target, weight = DRAWING.edges[0]
    assert differences(loaded, replace(DRAWING, edges=((source, target, weight + 0.5), *DRAWING.edges[1:]))) == 0.5
    assert differences(loaded, replace(DRAWING, edges=DRAWING.edges[1:])) == abs(weight)
    more = {**DRAWING.nodes, (9, 9): -3.0}
    assert differences(loaded, replace(DRAWING, nodes=more)) == 3


def test_the_schema_is_circuit_tracers():
    assert set(WRITTEN) == {"metadata", "qParams", "nodes", "links"}
    assert {"slug", "scan", "prompt_tokens", "prompt", "schema_version"} <= set(WRITTEN["metadata"])
    assert {"linkType", "pinnedIds", "clickedId", "supernodes", "sg_pos"} == set(WRITTEN["qParams"])
    ids = [node["node_id"] for node in WRITTEN["nodes"]]
    assert len(set(ids)) == len(ids)
    for node in WRITTEN["nodes"]:
        assert node["node_id"] == f"{node['layer']}_{node['ctx_idx']}"
        assert node["ctx_idx"] + node["reverse_ctx_idx"] == len(EXPLANATION.tokens) - 1
        assert node["feature_type"] in ("embedding", "residual stream", "logit")
    (logit,) = [node for node in WRITTEN["nodes"] if node["is_target_logit"]]
    assert logit["node_id"] == node_id(GRAPH.contrast)
    assert logit["feature_type"] == "logit"
    assert all({link["source"], link["target"]} <= set(ids) for link in WRITTEN["links"])
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", WRITTEN["metadata"]["slug"])


def test_node_ids():
    assert parse_node(node_id((12, 40))) == (12, 40)
    for bad in ("", "12", "12_", "_4", "-1_4", "a_b", "1_2_3", "1_2\n", "x" * 500):
        with pytest.raises(ExplorerError, match="expected layer_token") as caught:
            parse_node(bad)
        assert len(str(caught.value)) < 120


def without(*path: Any) -> Callable[[dict], None]:
    def edit(graph: dict) -> None:
        for step in path[:-1]:
            graph = graph[step]
        del graph[path[-1]]

    return edit


def put(value: Any, *path: Any) -> Callable[[dict], None]:
    def edit(graph: dict) -> None:
        for step in path[:-1]:
            graph = graph[step]
        graph[path[-1]] = value

    return edit


BROKEN: tuple[tuple[Callable[[dict], None], str], ...] = (
    (without("metadata"), "'metadata' is missing; expected an object"),
    (without("qParams"), "'qParams' is missing; expected an object"),
    (without("nodes"), "'nodes' is missing; expected a list"),
    (put({}, "links"), "'links' is missing; expected a list"),
    (put([], "metadata"), "'metadata' is missing; expected an object"),
    (without("metadata", "prompt_tokens"), "metadata lacks 'prompt_tokens'"),
    (without("metadata", "edge_share"), "metadata lacks 'edge_share'"),
    (put(None, "metadata", "layers"), "metadata lacks"),
    (put(["x"], "metadata", "layers"), "metadata lacks"),
    (put("much", "metadata", "node_share"), "metadata lacks"),
    (without("nodes", 0, "node_id"), "node 0 has no usable node_id"),
    (without("nodes", 1, "influence"), "node 1 has no usable node_id"),
    (put("strong", "nodes", 1, "influence"), "node 1 has no usable"),
    (put("text", "nodes", 0), "node 0 has no usable"),
    (put(7, "nodes", 0, "node_id"), "node 0 has no usable"),
    (put("1_x", "nodes", 0, "node_id"), "not a node id"),
    (put("0_99", "nodes", 0, "node_id"), "node 0_99 lies outside the prompt or the layers"),
    (put("9_0", "nodes", 0, "node_id"), "node 9_0 lies outside"),
    (put(float("nan"), "nodes", 0, "influence"), "lies outside|not a number|usable"),
    (without("links", 0, "weight"), "link 0 has no usable source"),
    (put("9_9", "links", 2, "target"), "link 2 names node 9_9, which does not exist"),
    (put(None, "links", 2, "source"), "link 2 has no usable"),
    (put(["9_9"], "qParams", "pinnedIds"), "qParams names node 9_9, which does not exist"),
    (put(["no"], "qParams", "pinnedIds"), "not a node id"),
    (put([["a group", "9_9"]], "qParams", "supernodes"), "qParams names node 9_9"),
    (put({"mass": 3}, "metadata", "link"), "metadata.link: .*expected texts by key"),
    (put(["x"], "metadata", "link"), "metadata.link: .*expected texts by key"),
    (put([[]], "qParams", "supernodes"), "supernodes is wrong"),
    (put(["x"], "qParams", "supernodes"), "supernodes is wrong"),
    (put(5, "qParams", "supernodes"), "supernodes"),
    (put(5, "qParams", "pinnedIds"), "pinnedIds"),
    (put(float("inf"), "links", 0, "weight"), "link 0"),
    (put("5_1", "links", 0, "target"), "link 0 names node 5_1"),
    (put(node_id((0, 0)), "links", 0, "target"), "link 0 (is wrong; expected a finite|names node)"),
    (put([], "metadata", "layers"), "expected layer numbers, lowest first"),
    (put([0, 2, 1, 3], "metadata", "layers"), "expected layer numbers, lowest first"),
    (put([float("inf")], "metadata", "layers"), "metadata lacks"),
    (put(10**400, "nodes", 0, "influence"), "too many digits"),
    (put(["1" * 5000 + "_0"], "qParams", "pinnedIds"), "not a node id"),
)


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_graphs_are_refused_in_one_sentence(number):
    edit, message = BROKEN[number]
    graph = copy.deepcopy(WRITTEN)
    edit(graph)
    with pytest.raises(ExplorerError, match=message) as caught:
        read_graph_json(json.dumps(graph), "mine.json")
    one_sentence(str(caught.value))


@pytest.mark.parametrize("data", (b"", b"{", b"\xff\xfe", "[1]", "null", '"text"', b"\x89PNG", "[" * 100_000))
def test_what_is_no_graph_is_refused(data):
    with pytest.raises(
        ExplorerError, match=r"mine\.json(, line 1)?: (not JSON|not UTF-8|not readable JSON|expected an object)"
    ) as caught:
        read_graph_json(data, "mine.json")
    one_sentence(str(caught.value))


def one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 200
    assert not re.search(r"[.] [A-Z]", text)


def test_a_graph_of_something_else_is_refused():
    loaded = read_graph_json(json.dumps(WRITTEN))
    with pytest.raises(ExplorerError, match="of other, but tiny <model> is loaded"):
        check_same(replace(loaded, model="other"), EXPLANATION)
    with pytest.raises(ExplorerError, match="another prompt"):
        check_same(replace(loaded, prompt_tokens=("x", *loaded.prompt_tokens[1:])), EXPLANATION)
