"""What stands over and under every picture of a graph: model, rule, how much it keeps, what is folded away."""

from dataclasses import replace

from explorer.errors import count
from explorer.figures.caption import Caption, explanation_caption
from explorer.graph.build import TARGET_SHARE
from explorer.graph.layout import AttributionGraph
from explorer.graph.scene import scene_of
from explorer.safe_text import quoted
from explorer.trace.explain import RULES


def graph_caption(graph: AttributionGraph, link: str = "") -> Caption:
    """Return the words of a picture of a graph. ``link``: address of the same drawing in the app."""
    wrong, right = map(quoted, graph.explanation.sides)
    strongest = max((abs(weight) for *_, weight in graph.drawing.edges), default=0.0)
    largest = max(map(abs, graph.drawing.nodes.values()), default=0.0)
    colours = (
        f"Red flows towards {wrong}, blue towards {right}; strongest edge {strongest:.2g}, largest node {largest:.2g}"
    )
    legend = f"{colours} {graph.explanation.unit}. {kept_sentence(graph)}"
    title = f"Attribution graph: {wrong} instead of {right}"
    rule = RULES[graph.explanation.trace.rule]
    verdict = str(graph.faithfulness.get("sentence", ""))
    caption = explanation_caption(graph.explanation, title, legend, link, verdict)
    return replace(caption, rule=rule, path=graph.path_text)


def kept_sentence(graph: AttributionGraph) -> str:
    """Say how much of all relevance and edges the picture keeps, and what it folds away."""
    drawing = graph.drawing
    kept = (
        f"Drawn: {len(drawing.nodes):,} of {drawing.total_nodes:,} nodes with {drawing.node_share:.0%} of |relevance|, "
        f"{len(drawing.edges):,} of {drawing.total_edges:,} edges with {drawing.edge_share:.0%} of Σ|A|"
        f"{drawing.without_caps}."
    )
    return f"{kept} {folded_sentence(graph)}".strip()


def folded_sentence(graph: AttributionGraph) -> str:
    """Say what of nodes, tokens and layers is folded away; empty where nothing is."""
    folded = ", ".join(_folded(graph))
    return f"Folded away: {folded}." if folded else ""


def _folded(graph: AttributionGraph) -> list[str]:
    """Say what is not seen of the drawing's nodes, of tokens and of layers."""
    clauses = []
    if folded := scene_of(graph).folded:
        clauses.append(f"{count(folded, 'node')} in residual runs (strokes as wide as |relevance|)")
    for name, members in graph.marks.drawn_groups(graph.drawing.nodes):
        if members:
            clauses.append(f"{count(len(members), 'node')} in “{name[:40]}”")
    if hidden := len(graph.pruning.hidden):
        clauses.append(count(hidden, "hidden token"))
    depth = len(graph.explanation.trace.relevance)
    if left_out := depth - len(graph.drawing.layers):
        whose = "of tokens outside the template" if graph.without else ""
        of = f"{TARGET_SHARE:.0%} of |relevance| {whose}".strip()
        clauses.append(f"{left_out} of {depth} layers (edges over them counted into the nodes that hold {of})")
    return clauses
