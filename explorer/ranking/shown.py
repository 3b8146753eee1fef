"""How a ranking's figures are shown, on a page and in a file: scores, percentiles, the scale of colours."""

from collections.abc import Mapping

import numpy as np

from explorer.ranking.null import Null
from explorer.ranking.rank import Ranking
from explorer.ranking.token_evidence import SHARES, TokenEvidence

END = " ◼"
"""How the token that ends an answer is drawn."""


def score_text(score: float) -> str:
    """Return a score with three decimals; without any where dot products are long."""
    return f"{score:.3f}" if abs(score) < 100 or np.isnan(score) else f"{score:,.0f}"


def percentile(ranking: Ranking, row: int) -> str:
    """Return the share of the corpus that scores lower, rounded down so that only the best row may say 100."""
    return f"{np.floor(10 * ranking.percentiles[row]) / 10:.1f} %"


def colour_scale(evidence: Mapping[int, TokenEvidence], null: Null | None) -> float:
    """Return where colours saturate: the largest |score| of a token among the rows.

    Exact shares have the unit of the scores: their scale is at least half of what few unrelated questions exceed, so
    that the words of a weak ranking look pale.
    """
    tokens = (t for row in evidence.values() for t in (*row.prompt, *row.answer, *row.rejected))
    largest = max((abs(token.score) for token in tokens), default=0.0)
    shares = any(row.kind == SHARES for row in evidence.values())
    return max(largest, null.unusual / 2) if largest and null is not None and shares else largest
