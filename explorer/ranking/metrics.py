"""How well a ranking finds the datapoints that are known to be guilty, and how two rankings agree."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, rankdata

KS = (10, 50, 100)


def average_precision(scores: np.ndarray, guilty: np.ndarray) -> float:
    """Return average precision over the full ranking; rows with a nan score come last; nan where nothing is guilty.

    Rows of equal score count as one step, as in scikit-learn, which takes forty times as long over its checks.
    """
    if not guilty.any():
        return float("nan")
    scores = np.nan_to_num(scores, nan=-np.inf).clip(-1e9)
    order = np.argsort(-scores)
    steps = np.flatnonzero(np.append(np.diff(scores[order]), -1))
    hits = np.cumsum(guilty[order])[steps]
    return float((np.diff(hits, prepend=0) * hits / (steps + 1)).sum() / hits[-1])


def precision_at(scores: np.ndarray, guilty: np.ndarray, k: int) -> float:
    """Return the share of guilty rows among the k best (P@k)."""
    return float(guilty[top(scores, k)].mean())


def recall_at(scores: np.ndarray, guilty: np.ndarray, k: int) -> float:
    """Return the share of all guilty rows that are among the k best; nan where nothing is guilty."""
    return float(guilty[top(scores, k)].sum() / guilty.sum()) if guilty.any() else float("nan")


def pooled_auprc_at(scores: np.ndarray, guilty: np.ndarray, k: int) -> float:
    """Return RepT's auPRC@k: average precision over the pooled k best rows of every query; nan without a guilty one.

    ``scores``: (n, m), one column a query, pooled without scaling.
    """
    best = [top(column, k) for column in scores.T]
    pooled = np.concatenate([scores[rows, j] for j, rows in enumerate(best)])
    hits = np.concatenate([guilty[rows] for rows in best])
    return average_precision(pooled, hits)


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the row numbers of the k highest scores, best first, without nan; ties keep the order of the rows."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    k = min(k, int((scores > -np.inf).sum()))
    return np.argsort(-scores, kind="stable")[:k]


def interval(resampled: Sequence[float]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of a figure over resamples, without nan; nan where none is left."""
    values = [value for value in resampled if not np.isnan(value)]
    low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
    return float(low), float(high)


@dataclass(frozen=True)
class Enrichment:
    """How often a source stands among ``k`` chosen rows against the whole corpus of ``n``.

    ``p``: chance of at least ``hits`` of ``total`` rows among k drawn without looking (hypergeometric, one-sided); rows
    that a ranking chose need ``null.source_significance`` instead.
    """

    source: str
    hits: int
    total: int
    k: int
    n: int
    p: float

    @property
    def lift(self) -> float:
        """Share among the chosen rows over the share in the corpus."""
        return (self.hits / self.k) / (self.total / self.n)


def enrichment(sources: Sequence[str] | np.ndarray, chosen: Sequence[int] | np.ndarray) -> list[Enrichment]:
    """Return every source among the chosen rows, the most surprising first."""
    n, k = len(sources), len(chosen)
    totals, hits = Counter(map(str, sources)), Counter(str(sources[i]) for i in chosen)
    rows = [
        Enrichment(name, hit, totals[name], k, n, float(hypergeom.sf(hit - 1, n, totals[name], k)))
        for name, hit in hits.items()
    ]
    return sorted(rows, key=lambda row: (row.p, -row.hits))


@dataclass(frozen=True)
class Agreement:
    """Two rankings compared: ``overlap`` (share of the k best in common) and Spearman's ``rank_correlation``."""

    k: int
    overlap: float
    rank_correlation: float


def agreement(one: np.ndarray, other: np.ndarray, k: int) -> Agreement:
    """Compare two score vectors (n,); the correlation is over the rows that both rank."""
    both = ~(np.isnan(one) | np.isnan(other))
    common = np.intersect1d(top(one, k), top(other, k))
    rho = np.corrcoef(rankdata(one[both]), rankdata(other[both]))[0, 1] if both.sum() > 2 else np.nan
    return Agreement(k, len(common) / max(1, min(k, int(both.sum()))), float(rho))
