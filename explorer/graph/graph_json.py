"""graph.json: a drawing in the schema of circuit-tracer and Neuronpedia, written and read back."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from explorer.errors import ExplorerError
from explorer.graph.prune import Drawing, Node
from explorer.trace.explain import Explanation

SCHEMA_VERSION = 1
_ID = re.compile(r"([0-9]{1,9})_([0-9]{1,9})")


@dataclass(frozen=True)
class Marks:
    """What a person has marked in a graph: pinned nodes, and named groups of nodes."""

    pinned: tuple[Node, ...] = ()
    groups: tuple[tuple[str, tuple[Node, ...]], ...] = ()


def node_id(node: Node) -> str:
    """``layer_token``, e.g. ``12_40``."""
    return f"{node[0]}_{node[1]}"


def parse_node(text: str) -> Node:
    """The node that ``node_id`` named. Raises ExplorerError for anything else."""
    match = _ID.fullmatch(text)
    if not match:
        raise ExplorerError(f"'{text[:40]}' is not a node id; expected layer_token, e.g. 12_40.")
    return int(match[1]), int(match[2])


def to_graph_json(shown: Explanation, drawing: Drawing, marks: Marks = Marks()) -> dict[str, Any]:
    """The object of ``graph.json``: metadata, qParams (pins and groups), nodes, links.

    Node fields follow circuit-tracer; ``influence`` is relevance in logits, link ``weight`` the edge in logits, both
    + towards the wrong token. ``feature_type`` is ``embedding`` for layer 0, ``logit`` for the contrast, else
    ``residual stream``.
    """
    c, last = shown.contrast, drawing.layers[-1]
    contrast = (last, len(shown.tokens) - 1)
    nodes = []
    for (layer, token), relevance in drawing.nodes.items():
        is_contrast = (layer, token) == contrast
        label = f"{c.wrong_word} instead of {c.right_word}" if is_contrast else shown.tokens[token].text
        kind = "logit" if is_contrast else "embedding" if layer == 0 else "residual stream"
        nodes.append(
            {
                "node_id": node_id((layer, token)),
                "feature": token,
                "layer": str(layer),
                "ctx_idx": token,
                "reverse_ctx_idx": contrast[1] - token,
                "feature_type": kind,
                "jsNodeId": f"{node_id((layer, token))}-0",
                "clerp": label,
                "token_prob": 0.0,
                "is_target_logit": is_contrast,
                "run_idx": 0,
                "influence": relevance,
                "activation": None,
            }
        )
    links = [
        {"source": node_id(source), "target": node_id(target), "weight": weight}
        for source, target, weight in drawing.edges
    ]
    return {
        "metadata": {
            "slug": re.sub(r"[^a-z0-9]+", "-", f"{c.wrong_word}-{c.right_word}".lower()).strip("-") or "graph",
            "scan": shown.model,
            "schema_version": SCHEMA_VERSION,
            "prompt_tokens": [t.text for t in shown.tokens],
            "prompt": "".join(t.text for t in shown.tokens),
            "rule": shown.rule,
            "contrast": {"wrong": c.wrong, "right": c.right, "logit_gap": shown.trace.gap},
            "layers": list(drawing.layers),
            "edge_share": drawing.edge_share,
            "node_share": drawing.node_share,
            "info": {"generator": {"name": "LLM Failure Explorer"}},
        },
        "qParams": {
            "linkType": "both",
            "pinnedIds": [node_id(node) for node in marks.pinned if node in drawing.nodes],
            "clickedId": "",
            "supernodes": [
                [name, *(node_id(node) for node in members if node in drawing.nodes)] for name, members in marks.groups
            ],
            "sg_pos": "",
        },
        "nodes": nodes,
        "links": links,
    }


@dataclass(frozen=True)
class LoadedGraph:
    """A graph.json that was read back: whose it is, what it draws, what was marked in it.

    ``answers``: the wrong and the right one.
    """

    model: str
    rule: str
    answers: tuple[str, str]
    prompt_tokens: tuple[str, ...]
    drawing: Drawing
    marks: Marks


def read_graph_json(data: bytes | str, name: str = "graph.json") -> LoadedGraph:
    """Read a graph that ``to_graph_json`` wrote. Raises ExplorerError that names the field that is wrong."""
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
    return LoadedGraph(model, rule, answers, tokens, drawing, marks)


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


def _links(rows: list[Any], nodes: dict[Node, float], name: str) -> tuple[tuple[Node, Node, float], ...]:
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
        found = tuple(parse_node(str(text)) for text in ids)
        for node in found:
            if node not in nodes:
                raise ExplorerError(f"{name}: qParams names node {node_id(node)}, which does not exist.")
        return found

    groups = params.get("supernodes") or []
    if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
        raise ExplorerError(f"{name}: qParams.supernodes is wrong; expected lists of a name and node ids.")
    return Marks(known(params.get("pinnedIds") or []), tuple((str(group[0]), known(group[1:])) for group in groups))


def check_same(loaded: LoadedGraph, shown: Explanation) -> None:
    """Raise ExplorerError where a read graph is of another model, prompt, rule or contrast than the one on screen."""
    if loaded.model != shown.model:
        raise ExplorerError(f"This graph is of {loaded.model}, but {shown.model} is loaded.")
    if loaded.prompt_tokens != tuple(t.text for t in shown.tokens):
        raise ExplorerError("This graph is of another prompt than the one on screen.")
    if loaded.rule != shown.rule:
        raise ExplorerError(f"This graph was made with the rule {loaded.rule}; choose it, then open the file again.")
    if loaded.answers != (shown.contrast.wrong, shown.contrast.right):
        raise ExplorerError("This graph contrasts other answers than those on screen.")
    depth, length = shown.trace.relevance.shape
    top = (loaded.drawing.layers[-1], length - 1)
    if top[0] != depth - 1 or top not in loaded.drawing.nodes:
        raise ExplorerError(f"This graph lacks the contrast's node, {node_id((depth - 1, length - 1))}.")
    if any(source[1] > target[1] for source, target, _ in loaded.drawing.edges):
        raise ExplorerError("This graph has a link from a later token to an earlier one, which can't be.")
