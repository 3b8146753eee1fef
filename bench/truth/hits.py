"""How often a map's strongest words are the ones that decided, with intervals, beside chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bench.truth.cases import Case
from explorer.repair.results import Rate, wilson

RESAMPLES = 1000


def word_values(case: Case, relevance: np.ndarray) -> np.ndarray:
    """(words,) the sum of each word's tokens; relevance: (T,)."""
    return np.array([relevance[list(tokens)].sum() for tokens in case.words])


def hits(cases: Sequence[Case], maps: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return the rates of one map a case, (T,) each, as JSON: [rate, low, high] with 95 % Wilson intervals.

    ``culprit_reddest``: the largest word is the luring one, and positive; ``decider_bluest``: the smallest is the one
    that should have decided, and negative; ``both``: the two at once; ``decider_reddest``: the largest is the one that
    should have decided, a map upside down. Without a lure the first and the third are left out.
    """
    values = [word_values(case, each) for case, each in zip(cases, maps, strict=True)]
    red = [v.argmax() if v.max() > 0 else None for v in values]
    blue = [v.argmin() if v.min() < 0 else None for v in values]
    bluest = [case.decider == word for case, word in zip(cases, blue, strict=True)]
    counted = {"decider_bluest": bluest, "decider_reddest": [c.decider == w for c, w in zip(cases, red, strict=True)]}
    if all(case.culprit is not None for case in cases):
        reddest = [case.culprit == word for case, word in zip(cases, red, strict=True)]
        counted |= {
            "culprit_reddest": reddest,
            "both": [one and other for one, other in zip(reddest, bluest, strict=True)],
        }
    return {name: _shown(wilson(sum(map(bool, found)), len(cases))) for name, found in counted.items()}


def chance(cases: Sequence[Case]) -> dict[str, float]:
    """What words in random order score: one of the n words of each case, or two different ones in a given order."""
    sizes = [len(case.words) for case in cases]
    one = float(np.mean([1 / n for n in sizes]))
    return {"one": round(one, 4), "both": round(float(np.mean([1 / (n * (n - 1)) for n in sizes])), 4)}


def leave_one_out(cases: Sequence[Case], maps: Sequence[np.ndarray], falls: Sequence[np.ndarray]) -> list[float]:
    """Return the mean Spearman correlation of a map's words with what each moves alone: [mean, low, high].

    falls: (prompt's words,) of each case: the gap less the gap without that word. The 95 % interval is a bootstrap over
    cases; a map or case without any difference counts as 0.
    """
    correlations = []
    for case, relevance, fall in zip(cases, maps, falls, strict=True):
        values = word_values(case, relevance)[: len(fall)]
        still = np.ptp(values) == 0 or np.ptp(fall) == 0
        correlations.append(0.0 if still else float(np.corrcoef(rankdata(values), rankdata(fall))[0, 1]))
    drawn = np.random.default_rng(0).choice(correlations, (RESAMPLES, len(cases)))
    low, high = np.percentile(drawn.mean(1), [2.5, 97.5])
    return [round(float(value), 4) for value in (np.mean(correlations), low, high)]


def _shown(rate: Rate) -> list[float]:
    return [round(value, 4) for value in (rate.rate, rate.low, rate.high)]
