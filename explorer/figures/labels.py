"""Texts of prompts, tokens and answers as labels of pictures: on one line, printable, cut."""

from explorer.graph.layout import AttributionGraph
from explorer.trace.explain import RULES, Explanation


def printable(text: str) -> str:
    """Replace control characters by dots: they are invisible, and an SVG with them is not valid XML."""
    return "".join(c if c.isprintable() else "·" for c in text)


def quoted(text: str, most: int = 28) -> str:
    """Put text in quotation marks, on one line, cut to ``most`` characters."""
    text = printable(" ".join(text.split()))
    return "“" + (text if len(text) <= most else text[: most - 1] + "…") + "”"


def visible(text: str, most: int = 80) -> str:
    """Make white space and control characters of a token visible, and cut it to ``most`` characters."""
    text = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣", 1)
    text = printable(text) or "·"
    return text if len(text) <= most else text[: most - 1] + "…"


def gap_label(explanation: Explanation) -> str:
    """Name what an explanation explains: “wrong” over “right”: gap and unit."""
    wrong, right = explanation.sides
    return f"{quoted(wrong)} over {quoted(right)}: {explanation.trace.gap:+.2f} {explanation.unit}"


def graph_caption(graph: AttributionGraph) -> str:
    """Say model, rule, and how much of all relevance the drawing keeps."""
    explanation, drawing = graph.explanation, graph.drawing
    return (
        f"{explanation.model} · {RULES[explanation.trace.rule]} · edges carry {100 * drawing.edge_share:.0f} % of |A|, "
        f"nodes {100 * drawing.node_share:.0f} % of |R| · {len(drawing.edges):,} of {drawing.total_edges:,} edges, "
        f"{len(drawing.nodes):,} of {drawing.total_nodes:,} nodes"
    )
