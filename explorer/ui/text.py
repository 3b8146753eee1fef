"""Words on the pages: text without markup, sentences about numbers, errors as sentences."""

import math
import re
from collections.abc import Sequence
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.errors import ExplorerError
from explorer.safe_text import hold_direction, shortened
from explorer.trace.explain import Explanation

_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~:$&]")
_INDENT = re.compile(r"^\s+|\s*\n\s*")
_REPLACED = re.compile(
    r"(?<=[-<>=~!])(?=[-<>=~!])|(?<=@)(?=[-\w]+\.)|(?<=:)(?=[a-z])|(?<=http)(?=s?:)|(?<=www)(?=\.)", re.IGNORECASE
)
"""Within addresses, ``->``, ``:material/home:`` and the like: Streamlit replaces them in text, escaped or not."""
_SPLIT = ":small[]"
"""An empty element: text on both sides of it is looked at apart, and copied from the page as it was."""


def plain(text: str) -> str:
    """Text with markdown switched off, for widgets that render it: prompts, answers and file names are hostile."""
    pieces = _REPLACED.split(_INDENT.sub(" ", hold_direction(text)))
    return _SPLIT.join(_MARKUP.sub(r"\\\g<0>", piece) for piece in pieces)


def one_line(text: str, most: int = 90) -> str:
    """Text on one line, cut to ``most`` characters."""
    return shortened(text, most)


def duration(seconds: float) -> str:
    """A time in one or two units."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def show_error(error: Exception | str) -> None:
    """Show a sentence instead of a traceback."""
    st.error(plain(str(error)), icon=":material/error:")


def show_absent(place: DeltaGenerator, sentences: Sequence[str]) -> None:
    """Say what the link names and the study has not."""
    place.warning("  \n".join(map(plain, sentences)), icon=":material/link_off:")


def stop_on(error: ExplorerError) -> NoReturn:
    """Show a sentence instead of a traceback and end the page there."""
    show_error(error)
    st.stop()


RULE_LABELS = {
    "attnlrp": "Through attention",
    "attnlrp-context": "Words in context",
    "cplrp": "Fixed attention",
    "gradient": "Plain gradient",
    "representation-gradient": "Layer gradient",
}
"""Heatmap rules in words, for pickers; ``RULES`` has the methods' names, which maps and files say."""
LRP_LABELS = {rule: RULE_LABELS[rule] for rule in ("attnlrp", "cplrp")}
"""Rules that have edges."""

_RULES_ABOUT = {
    "attnlrp": "**Through attention** is AttnLRP (Achtibat et al., 2024): it sends the gap back layer by layer, "
    "through attention patterns too.",
    "attnlrp-context": "**Words in context** is AttnLRP in context: read two blocks up, where tokens have met their "
    "neighbours, less what the first token gets whatever it is.",
    "cplrp": "**Fixed attention** is CP-LRP: it holds patterns and gates constant; its shares add up to the "
    "gap, but for what biases hold.",
    "gradient": "**Plain gradient** is gradient × input: the first-order change, the plain baseline.",
    "representation-gradient": "**Layer gradient** is RepT's representation gradient (Li et al.): the same at a "
    "layer inside the model.",
}
RULE_HELP = "\n\n".join(["The rule that divides the gap among the tokens.", *_RULES_ABOUT.values()])
LRP_HELP = "\n\n".join(["The rule by which relevance is sent back.", *(_RULES_ABOUT[rule] for rule in LRP_LABELS)])

SENSITIVITY = """L is −log p(wrong token): the length of ∂L/∂H says how strongly a token's state at this layer could
move the model off its answer, either way. It is no share of the gap; the bars show the signed shares."""

_WHY = {
    "attnlrp": "AttnLRP splits products between their factors, so its shares need not add up to the gap: compare "
    "tokens with each other, not with the gap.",
    "cplrp": "CP-LRP hands on every logit of the gap, so the shares add up to it, but for what biases hold and "
    "rounding.",
    "gradient": "A gradient is a first-order estimate, so its shares need not add up to the gap: far from 100 % means "
    "that the model is far from linear here.",
}


def share_sentence(explanation: Explanation) -> str:
    """How much of the gap the shares add up to, and what that means under the rule."""
    share = explanation.explained_share
    if math.isnan(share):
        return "The gap is exactly 0: there is nothing to explain."
    gap = f"{explanation.trace.gap:+.2f} {explanation.unit}"
    total = f"Shares add up to {explanation.relevance.sum():+.2f} of {gap} ({share:.0%}). "
    if explanation.whole:
        return total + "For whole answers the answers' own tokens carry the rest, and log-probabilities are not linear."
    return total + _WHY[explanation.trace.rule]
