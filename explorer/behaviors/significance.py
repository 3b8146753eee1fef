"""Is a cluster more than chance? Against corpora without any structure (``corpora.py``), and under resampling.

A group of subjects is measured by its *separation*: how far the datapoints most similar to it stand apart from the
rest, at several shares of the corpus. It has no unit of similarity, so that broad similarities alone do not pass for a
group. The subjects stay as they are in a null corpus, and are clustered anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from explorer.behaviors.matrix import Matrix
from explorer.behaviors.null_corpora import CORPORA, take
from explorer.behaviors.tree import EQUAL, Tree, grow
from explorer.vectors.index import Index

P_MOST, STABILITY_LEAST, SUBJECTS_LEAST = 0.05, 0.6, 3
"""A cluster is called emergent with a null p of at most, a stability of at least, and at least so many subjects."""
DRAWS, RESAMPLES, SAMPLE = 100, 50, 1_500
"""Corpora drawn from each null; bootstrap resamples; datapoints in each of them."""
BEYOND = 0.99
"""A datapoint belongs to a cluster only if it is more similar to it than this share of permuted datapoints."""
SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Shares of the datapoints that are tried as the ones that stand apart."""
CODE = 1
"""Raised with every change that changes a figure."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Null:
    """Separations in the corpora of one null.

    ``mean`` and ``sd`` (shares,): over all clusters of all draws. ``greatest`` (draws,): the largest z of any cluster
    in any cut.
    """

    mean: np.ndarray
    sd: np.ndarray
    greatest: np.ndarray

    def z(self, profile: np.ndarray) -> np.ndarray:
        """(u,) how many standard deviations a profile (u, shares) lies above the mean, at its most unusual share."""
        return ((profile - self.mean) / self.sd).max(1) if profile.shape[1] else np.zeros(len(profile))


@dataclass(frozen=True)
class Evidence:
    """What was measured of every node of a tree.

    Attributes:
        profile: (u, shares) separations in the corpus itself.
        cutoffs: (u,) mean similarity that ``BEYOND`` of permuted datapoints stay below.
        nulls: by name.
        stability: number of clusters → (u,) mean Jaccard overlap with the likest cluster under resampling; nan outside.
        sampled: how many datapoints the nulls were drawn from, out of how many.
    """

    profile: np.ndarray
    cutoffs: np.ndarray
    nulls: dict[str, Null]
    stability: dict[int, np.ndarray]
    sampled: tuple[int, int]

    def p(self, node: int) -> float:
        """Share of null corpora whose best cluster is at least as separate, of the null that does better; +1 rule.

        Against the best of all clusters in all cuts of a draw, so that looking at many of them is allowed for. Callers
        leave out nodes of fewer than ``SUBJECTS_LEAST`` subjects: their draws are not looked at either.
        """
        z = self.excesses(node)
        drawn = {name: null.greatest for name, null in self.nulls.items()}
        return max((1 + int((drawn[name] >= z[name]).sum())) / (1 + len(drawn[name])) for name in drawn)

    def excess(self, node: int) -> float:
        """How many standard deviations its separation lies above a null's clusters; of the null that does better."""
        return min(self.excesses(node).values())

    def excesses(self, node: int) -> dict[str, float]:
        """The same for each null."""
        return {name: float(null.z(self.profile[node : node + 1])[0]) for name, null in self.nulls.items()}


def gather(
    index: Index,
    matrix: Matrix,
    tree: Tree,
    seed: int = 0,
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Evidence:
    """Measure every node of the tree; the same seed gives the same figures."""
    rng = np.random.default_rng(seed)
    ranked = np.flatnonzero(matrix.ranked)
    chosen = np.sort(rng.choice(ranked, SAMPLE, replace=False)) if len(ranked) > SAMPLE else ranked
    sample, counts = take(index, matrix, chosen), list(tree.cuts)
    steps = len(CORPORA) * draws + resamples
    say = progress or (lambda _done, _of: None)
    nulls, pooled = {}, []
    for number, (name, corpus) in enumerate(CORPORA.items()):
        made: list[np.ndarray] = []
        for i in range(draws):
            values = corpus(sample, rng).values(matrix)
            again = grow(values, counts)
            made.append(profile(again.means(values)[again.sizes >= SUBJECTS_LEAST]))
            if name == "permuted":
                pooled.append(tree.means(values))
            say(number * draws + i + 1, steps)
        nulls[name] = _null(made)
    cutoffs = np.quantile(np.concatenate(pooled, axis=1), BEYOND, axis=1)
    own = matrix.values[:, chosen]
    stable = stability(own, tree, rng, resamples, lambda i: say(len(CORPORA) * draws + i, steps))
    return Evidence(profile(tree.means(own)), cutoffs, nulls, stable, (len(chosen), len(ranked)))


def _null(made: list[np.ndarray]) -> Null:
    """From the profiles (u, shares) of each draw's clusters that are large enough to be called emergent."""
    every = np.concatenate(made)
    if not every.size:  # too few subjects or datapoints for any
        return Null(np.zeros(every.shape[1]), np.ones(every.shape[1]), np.full(len(made), np.inf))
    null = Null(every.mean(0), np.maximum(every.std(0), 1e-3), np.empty(0))
    return replace(null, greatest=np.array([null.z(found).max(initial=-np.inf) for found in made]))


def profile(means: np.ndarray) -> np.ndarray:
    """(u, shares) how far the most similar datapoints stand apart from the others, from mean similarities (u, n).

    For every share of ``SHARES`` that n allows: the difference of the two groups' means in units of the standard
    deviation within them (Cohen's d). 0 where all similarities are equal; 2.4 to 2.8 for a normal distribution.
    """
    n = means.shape[1]
    ordered = -np.sort(-means.astype(np.float64), axis=1)
    ordered -= ordered.mean(1, keepdims=True)
    total, upper = (ordered**2).mean(1), ordered.cumsum(1)
    found = []
    for top in sorted({max(1, round(share * n)) for share in SHARES} & set(range(1, n))):
        share = top / n
        gap = upper[:, top - 1] / top / (1 - share)
        within = np.maximum(total - share * (1 - share) * gap**2, 1e-4 * total)
        found.append(np.divide(gap, np.sqrt(within), out=np.zeros_like(gap), where=total > EQUAL**2))
    return np.stack(found, axis=1) if found else np.zeros((len(means), 0))


def stability(
    values: np.ndarray,
    tree: Tree,
    rng: np.random.Generator,
    resamples: int,
    progress: Callable[[int], None] = lambda _done: None,
) -> dict[int, np.ndarray]:
    """Number of clusters → (u,) mean Jaccard overlap of a node with the likest cluster of resampled data.

    Subjects and datapoints are drawn with replacement, and clustered anew into as many clusters (Hennig, 2007).
    """
    m, n = values.shape
    sums = {count: np.zeros((2, len(tree.nodes))) for count in tree.cuts}
    for i in range(resamples):
        rows, columns = rng.integers(0, m, m), rng.integers(0, n, n)
        again = grow(values[np.ix_(rows, columns)], list(tree.cuts))
        drawn, first = np.unique(rows, return_index=True)
        for count, nodes in tree.cuts.items():
            own = tree.nodes[list(nodes)][:, drawn].astype(int)
            new = again.nodes[list(again.cuts[count])][:, first].astype(int)
            both = own @ new.T
            either = own.sum(1)[:, None] + new.sum(1)[None] - both
            there = own.any(1)
            sums[count][0, list(nodes)] += np.where(there, (both / np.maximum(either, 1)).max(1), 0)
            sums[count][1, list(nodes)] += there
        progress(i + 1)
    return {c: np.divide(s[0], s[1], out=np.full(len(tree.nodes), np.nan), where=s[1] > 0) for c, s in sums.items()}
