"""graph.json: a drawing in the schema of circuit-tracer and Neuronpedia, written and read back."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from explorer.errors import ExplorerError
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Edge, Node
from explorer.limits import JSON_BYTES
from explorer.reading import as_type, parse_json
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


def named_nodes(selected: str) -> list[Node]:
    """Return the nodes that the name of a selection, such as ``node:12_40`` or ``edge:11_40:12_40``, holds."""
    nodes = []
    for name in selected.split(":")[1:]:
        with suppress(ValueError):  # a half, a layer, or nonsense
            nodes.append(parse_node(name))
    return nodes


def to_json(graph: AttributionGraph) -> dict[str, Any]:
    """Return the object of ``graph.json``: metadata, qParams (pins; groups as supernodes), nodes, links.

    Nodes and links are those of the drawing, whatever is folded or grouped in the picture; ``metadata.link`` is what
    the app's link said of the picture, ``metadata.path`` the strongest way in words, ``metadata.faithfulness`` the
    verdict where there is one. Node fields follow circuit-tracer; ``influence`` is relevance in logits, link
    ``weight`` the edge in logits, both + towards the wrong token.
    """
    nodes, marks = graph.drawing.nodes, graph.marks
    pinned, *groups = ([node_id(n) for n in row if n in nodes] for row in (marks.pinned, *(g[1] for g in marks.groups)))
    supernodes = [[name, *members] for (name, _), members in zip(marks.groups, groups, strict=True)]
    return {
        "metadata": _metadata(graph),
        "qParams": {"linkType": "both", "pinnedIds": pinned, "clickedId": "", "supernodes": supernodes, "sg_pos": ""},
        "nodes": [_node(graph, node, relevance) for node, relevance in nodes.items()],
        "links": [
            {"source": node_id(a), "target": node_id(b), "weight": weight} for a, b, weight in graph.drawing.edges
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
        "link": dict(graph.link),
        "path": graph.path_text,
        **({"faithfulness": dict(graph.faithfulness)} if graph.faithfulness else {}),
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

    ``answers``: the wrong and the right one; ``link``: what the app's link said, empty for a file of something else.
    """

    model: str
    rule: str
    answers: tuple[str, str]
    prompt_tokens: tuple[str, ...]
    drawing: Drawing
    marks: Marks
    link: dict[str, str]


def read_graph_json(data: bytes | str, name: str = "graph.json") -> GraphFile:
    """Read a graph that ``to_json`` wrote. Raises ExplorerError that names the field that is wrong."""
    if len(data) > JSON_BYTES:
        raise ExplorerError(f"{name}: {len(data):,} bytes; expected a graph of at most {JSON_BYTES:,}.")
    graph = parse_json(data, name, strict=False)  # what is no finite number is told by its place
    if not isinstance(graph, dict):
        raise ExplorerError(f"{name}: expected an object with metadata, qParams, nodes and links.")
    for part, kind in (("metadata", dict), ("qParams", dict), ("nodes", list), ("links", list)):
        if not isinstance(graph.get(part), kind):
            raise ExplorerError(f"{name}: '{part}' is missing; expected {'an object' if kind is dict else 'a list'}.")
    meta = graph["metadata"]
    link = as_type(meta.get("link") or {}, dict[str, str], f"{name}: metadata.link", "texts by key")
    with _readable(f"{name}: metadata lacks ", ", or it is of the wrong kind."):
        tokens = tuple(str(text) for text in meta["prompt_tokens"])
        layers = tuple(int(layer) for layer in meta["layers"])
        shares = float(meta["edge_share"]), float(meta["node_share"])
        model, rule = str(meta["scan"]), str(meta["rule"])
        answers = str(meta["contrast"]["wrong"]), str(meta["contrast"]["right"])
        "".join([*tokens, model, rule, *answers, *link, *link.values()]).encode()  # half a character can't be shown
    if not layers or list(layers) != sorted(set(layers)):
        raise ExplorerError(f"{name}: metadata.layers is wrong; expected layer numbers, lowest first.")
    nodes = _nodes(graph["nodes"], layers, len(tokens), name)
    edges = _links(graph["links"], nodes, name)
    drawing = Drawing(layers, nodes, edges, *shares, len(nodes), len(edges))
    return GraphFile(model, rule, answers, tokens, drawing, _marks(graph["qParams"], nodes, name), link)


@contextmanager
def _readable(before: str, after: str) -> Iterator[None]:
    """Raise ExplorerError, with the cause between two texts, for a field that is missing or of the wrong kind."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ExplorerError(f"{before}{error}{after}") from error


def _nodes(rows: list[Any], layers: tuple[int, ...], length: int, name: str) -> dict[Node, float]:
    nodes = {}
    for number, row in enumerate(rows):
        with _readable(f"{name}: node {number} has no usable node_id and influence (", ")."):
            node, relevance = parse_node(row["node_id"]), float(row["influence"])
        if node[0] not in layers or node[1] >= length or not math.isfinite(relevance):
            raise ExplorerError(f"{name}: node {node_id(node)} lies outside the prompt or the layers.")
        nodes[node] = relevance
    return nodes


def _links(rows: list[Any], nodes: dict[Node, float], name: str) -> tuple[Edge, ...]:
    edges = []
    for number, row in enumerate(rows):
        link = f"{name}: link {number}"
        with _readable(f"{link} has no usable source, target and weight (", ")."):
            source, target, weight = parse_node(row["source"]), parse_node(row["target"]), float(row["weight"])
        _check_known((source, target), nodes, f"{link} names")
        if source[0] >= target[0] or not math.isfinite(weight):
            raise ExplorerError(f"{link} is wrong; expected a finite weight and a target above its source.")
        edges.append((source, target, weight))
    return tuple(edges)


def _check_known(named: tuple[Node, ...], nodes: dict[Node, float], who: str) -> None:
    for node in named:
        if node not in nodes:
            raise ExplorerError(f"{who} node {node_id(node)}, which does not exist.")


def _marks(params: dict[str, Any], nodes: dict[Node, float], name: str) -> Marks:
    pins, groups = params.get("pinnedIds") or [], params.get("supernodes") or []
    if not isinstance(pins, list):
        raise ExplorerError(f"{name}: qParams.pinnedIds is wrong; expected a list of node ids.")
    if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
        raise ExplorerError(f"{name}: qParams.supernodes is wrong; expected lists of a name and node ids.")
    pinned, *members = (
        tuple(parse_node(str(text)) for text in ids) for ids in (pins, *(group[1:] for group in groups))
    )
    for named in (pinned, *members):
        _check_known(named, nodes, f"{name}: qParams names")
    with _readable(f"{name}: qParams.supernodes has no usable name (", ")."):
        "".join(str(group[0]) for group in groups).encode()
    return Marks(pinned, tuple((str(group[0]), named) for group, named in zip(groups, members, strict=True)))


def differences(file: GraphFile, drawing: Drawing) -> float:
    """Return the largest difference between a file's figures and a drawing's, in logits; what is in one only counts."""
    written, computed = _figures(file.drawing), _figures(drawing)
    keys = written.keys() | computed.keys()
    return max((abs(written.get(key, 0.0) - computed.get(key, 0.0)) for key in keys), default=0.0)


def _figures(drawing: Drawing) -> dict[Any, float]:
    return {**drawing.nodes, **{(source, target): weight for source, target, weight in drawing.edges}}


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
