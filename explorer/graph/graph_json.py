"""graph.json: a drawing in the schema of circuit-tracer and Neuronpedia, written and read back."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from explorer.errors import ExplorerError
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Edge, Node
from explorer.trace.explain import Explanation

SCHEMA_VERSION = 1
_ID = re.compile(r"([0-9]{1,9})_([0-9]{1,9})")


def node_id(node: Node) -> str:
    """Return ``layer_token``, e.g. ``12_40``."""
    return f"{node[0]}_{node[1]}"


def parse_node(text: str) -> Node:
    """Return the node that ``node_id`` named. Raises ExplorerError for anything else."""
    match = _ID.fullmatch(text)
    if not match:
        raise ExplorerError(f"'{text[:40]}' is not a node id; expected layer_token, e.g. 12_40.")
    return int(match[1]), int(match[2])


def to_json(graph: AttributionGraph) -> dict[str, Any]:
    """Return the object of ``graph.json``: metadata, qParams (pins and groups), nodes, links.

    Node fields follow circuit-tracer; ``influence`` is relevance in logits, link ``weight`` the edge in logits, both
    + towards the wrong token.
    """
    drawing, marks = graph.drawing, graph.marks
    return {
        "metadata": _metadata(graph),
        "qParams": {
            "linkType": "both",
            "pinnedIds": [node_id(node) for node in marks.pinned if node in drawing.nodes],
            "clickedId": "",
            "supernodes": [
                [name, *(node_id(node) for node in members if node in drawing.nodes)] for name, members in marks.groups
            ],
            "sg_pos": "",
        },
        "nodes": [_node(graph, node, relevance) for node, relevance in drawing.nodes.items()],
        "links": [
            {"source": node_id(source), "target": node_id(target), "weight": weight}
            for source, target, weight in drawing.edges
        ],
    }


def _metadata(graph: AttributionGraph) -> dict[str, Any]:
    explanation, drawing = graph.explanation, graph.drawing
    c, texts = explanation.contrast, [token.text for token in explanation.tokens]
    return {
        "slug": re.sub(r"[^a-z0-9]+", "-", f"{c.wrong_word}-{c.right_word}".lower()).strip("-") or "graph",
        "scan": explanation.model,
        "schema_version": SCHEMA_VERSION,
        "prompt_tokens": texts,
        "prompt": "".join(texts),
        "rule": explanation.rule,
        "contrast": {"wrong": c.wrong, "right": c.right, "logit_gap": explanation.trace.gap},
        "layers": list(drawing.layers),
        "edge_share": drawing.edge_share,
        "node_share": drawing.node_share,
        "info": {"generator": {"name": "LLM Failure Explorer"}},
    }


def _node(graph: AttributionGraph, node: Node, relevance: float) -> dict[str, Any]:
    layer, token = node
    c = graph.explanation.contrast
    is_contrast = node == graph.contrast
    return {
        "node_id": node_id(node),
        "feature": token,
        "layer": str(layer),
        "ctx_idx": token,
        "reverse_ctx_idx": graph.contrast[1] - token,
        "feature_type": "logit" if is_contrast else "embedding" if layer == 0 else "residual stream",
        "jsNodeId": f"{node_id(node)}-0",
        "clerp": f"{c.wrong_word} instead of {c.right_word}" if is_contrast else graph.explanation.tokens[token].text,
        "token_prob": 0.0,
        "is_target_logit": is_contrast,
        "run_idx": 0,
        "influence": relevance,
        "activation": None,
    }


@dataclass(frozen=True)
class GraphFile:
    """A graph.json that was read: what it is a graph of, what it draws, what is marked in it.

    ``answers``: the wrong and the right one.
    """

    model: str
    rule: str
    answers: tuple[str, str]
    prompt_tokens: tuple[str, ...]
    drawing: Drawing
    marks: Marks


def read_graph_json(data: bytes | str, name: str = "graph.json") -> GraphFile:
    """Read a graph that ``to_json`` wrote. Raises ExplorerError that names the field that is wrong."""
    try:
        graph = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExplorerError(f"{name}: not JSON ({error}).") from error
    if not isinstance(graph, dict):
        raise ExplorerError(f"{name}: expected an object with metadata, qParams, nodes and links.")
    for part, kind in (("metadata", dict), ("qParams", dict), ("nodes", list), ("links", list)):
        if not isinstance(graph.get(part), kind):
            raise ExplorerError(f"{name}: '{part}' is missing; expected {'an object' if kind is dict else 'a list'}.")
    meta = graph["metadata"]
    try:
        tokens = tuple(str(text) for text in meta["prompt_tokens"])
        layers = tuple(int(layer) for layer in meta["layers"])
        shares = float(meta["edge_share"]), float(meta["node_share"])
        model, rule = str(meta["scan"]), str(meta["rule"])
        answers = str(meta["contrast"]["wrong"]), str(meta["contrast"]["right"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ExplorerError(f"{name}: metadata lacks {error}, or it is of the wrong kind.") from error
    if not layers or list(layers) != sorted(set(layers)):
        raise ExplorerError(f"{name}: metadata.layers is wrong; expected layer numbers, lowest first.")
    nodes = _nodes(graph["nodes"], layers, len(tokens), name)
    edges = _links(graph["links"], nodes, name)
    marks = _marks(graph["qParams"], nodes, name)
    drawing = Drawing(layers, nodes, edges, *shares, len(nodes), len(edges))
    return GraphFile(model, rule, answers, tokens, drawing, marks)


def _nodes(rows: list[Any], layers: tuple[int, ...], length: int, name: str) -> dict[Node, float]:
    nodes = {}
    for number, row in enumerate(rows):
        try:
            node, relevance = parse_node(row["node_id"]), float(row["influence"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ExplorerError(f"{name}: node {number} has no usable node_id and influence ({error}).") from error
        if node[0] not in layers or node[1] >= length or not math.isfinite(relevance):
            raise ExplorerError(f"{name}: node {row['node_id']} lies outside the prompt or the layers.")
        nodes[node] = relevance
    return nodes


def _links(rows: list[Any], nodes: dict[Node, float], name: str) -> tuple[Edge, ...]:
    edges = []
    for number, row in enumerate(rows):
        try:
            edge = parse_node(row["source"]), parse_node(row["target"]), float(row["weight"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ExplorerError(f"{name}: link {number} has no usable source, target and weight ({error}).") from error
        for end in edge[:2]:
            if end not in nodes:
                raise ExplorerError(f"{name}: link {number} names node {node_id(end)}, which does not exist.")
        if edge[0][0] >= edge[1][0] or not math.isfinite(edge[2]):
            raise ExplorerError(
                f"{name}: link {number} is wrong; expected a finite weight and a target above its source."
            )
        edges.append(edge)
    return tuple(edges)


def _marks(params: dict[str, Any], nodes: dict[Node, float], name: str) -> Marks:
    def known(ids: Any) -> tuple[Node, ...]:
        if not isinstance(ids, list):
            raise ExplorerError(f"{name}: qParams.pinnedIds is wrong; expected a list of node ids.")
        named = tuple(parse_node(str(text)) for text in ids)
        for node in named:
            if node not in nodes:
                raise ExplorerError(f"{name}: qParams names node {node_id(node)}, which does not exist.")
        return named

    groups = params.get("supernodes") or []
    if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
        raise ExplorerError(f"{name}: qParams.supernodes is wrong; expected lists of a name and node ids.")
    return Marks(known(params.get("pinnedIds") or []), tuple((str(group[0]), known(group[1:])) for group in groups))


def check_same(file: GraphFile, explanation: Explanation) -> None:
    """Raise ExplorerError where a graph file is of another model, prompt, rule or contrast than the one on screen."""
    if file.model != explanation.model:
        raise ExplorerError(f"This graph is of {file.model}, but {explanation.model} is loaded.")
    if file.prompt_tokens != tuple(t.text for t in explanation.tokens):
        raise ExplorerError("This graph is of another prompt than the one on screen.")
    if file.rule != explanation.rule:
        raise ExplorerError(f"This graph was made with the rule {file.rule}; choose it, then open the file again.")
    if file.answers != (explanation.contrast.wrong, explanation.contrast.right):
        raise ExplorerError("This graph contrasts other answers than those on screen.")
    depth, length = explanation.trace.relevance.shape
    top = (depth - 1, length - 1)
    if file.drawing.layers[-1] != depth - 1 or top not in file.drawing.nodes:
        raise ExplorerError(f"This graph lacks the contrast's node, {node_id(top)}.")
    if any(source[1] > target[1] for source, target, _ in file.drawing.edges):
        raise ExplorerError("This graph has a link from a later token to an earlier one, which can't be.")
