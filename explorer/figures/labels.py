"""Texts of prompts, tokens and answers as labels of pictures: on one line, printable, cut."""

from explorer.safe_text import printable, quoted
from explorer.trace.explain import Explanation


def visible(text: str, most: int = 80) -> str:
    """Make white space and control characters of a token visible, and cut it to ``most`` characters."""
    text = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣", 1)
    text = printable(text) or "·"
    return text if len(text) <= most else text[: most - 1] + "…"


def gap_label(explanation: Explanation) -> str:
    """Name what an explanation explains: “wrong” over “right”: gap and unit."""
    wrong, right = explanation.sides
    return f"{quoted(wrong)} over {quoted(right)}: {explanation.trace.gap:+.2f} {explanation.unit}"
