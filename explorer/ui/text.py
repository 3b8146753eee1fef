"""Sentences that the pages say about numbers."""

import math

from explorer.trace.explain import Explanation

RULE_HELP = """**AttnLRP** (Achtibat et al., 2024) sends the gap back layer by layer, through attention patterns too.
**CP-LRP** holds patterns and gates constant; its shares add up to the gap, but for what biases hold.
**Gradient × input** is the first-order change, the plain baseline.
**Representation gradient** (Li et al., RepT) is the same at a layer inside the model."""

SENSITIVITY = """L is −log p(wrong token): the length of ∂L/∂H says how strongly a token's state at this layer could
move the model off its answer, either way. It is no share of the gap; bars and downloads show the signed shares."""

_WHY = {
    "attnlrp": "AttnLRP splits products between their factors, so its shares need not add up to the gap: compare "
    "tokens with each other, not with the gap.",
    "cplrp": "CP-LRP hands on every logit of the gap, so the shares add up to it, but for what biases hold and "
    "rounding.",
    "gradient": "A gradient is a first-order estimate, so its shares need not add up to the gap: far from 100 % means "
    "that the model is far from linear here.",
}


def share_sentence(shown: Explanation) -> str:
    """How much of the gap the shares add up to, and what that means under the rule."""
    share = shown.explained_share
    if math.isnan(share):
        return "The gap is exactly 0: there is nothing to explain."
    total = f"Shares add up to {shown.relevance.sum():+.2f} of {shown.trace.gap:+.2f} {shown.unit} ({share:.0%}). "
    if shown.whole:
        return total + "For whole answers the answers' own tokens carry the rest, and log-probabilities are not linear."
    return total + _WHY[shown.trace.rule]
