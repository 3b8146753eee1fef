"""Is a cluster more than chance? Tested against corpora without structure (``CORPORA``) and by resampling.

A group of prompts is measured by its *separation*: how far the datapoints most similar to it stand apart from the rest,
at several shares of the corpus. It does not depend on the scale of the similarities, so that similarities which are
high everywhere do not pass for a group. In a null corpus the prompts stay as they are and are clustered anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.behaviors.matrix import Matrix
from explorer.behaviors.tree import MIN_SPREAD, PromptTree, prompt_tree
from explorer.progress import Progress, silent
from explorer.vectors.cache import cache_path, read_cached, write_cached
from explorer.vectors.index import Index

MAX_P, MIN_STABILITY, MIN_PROMPTS = 0.05, 0.6, 3
"""A cluster is called emergent with at most this null p, at least this stability and at least as many prompts."""
DRAWS, RESAMPLES, SAMPLE = 100, 50, 1_500
"""Corpora drawn from each null; bootstrap resamples; datapoints in each of them."""
MEMBER_QUANTILE = 0.99
"""A datapoint belongs to a cluster only if it is more similar to it than this share of permuted datapoints."""
SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Shares of the datapoints that are tried as the ones that stand apart."""
FOLDER, CODE = "weighed", 1
"""Folder of cached evidence, beside the index; raise the number with every change that changes a measured value."""


@dataclass
class Sample(Index):
    """Some rows of an index, in memory; centred by the means of the whole index, which its folder has.

    ``row_kinds`` (rows,): kind of each; ``vectors``: "<part>.<layer>" → (rows, width) float32.
    """

    row_kinds: Tensor
    vectors: dict[str, Tensor]

    def __post_init__(self) -> None:
        self.kinds = self.row_kinds

    def blocks(self, part: str, layer: int) -> Iterator[tuple[int, Tensor]]:
        """All rows as one block."""
        yield 0, self.vectors[f"{part}.{layer}"]

    def norms(self, part: str, layer: int, centred: bool) -> Tensor:
        """(rows,) lengths of the vectors, as they are or centred."""
        x = self.vectors[f"{part}.{layer}"]
        return (x - self.means(part, layer)[self.row_kinds.long()] if centred else x).norm(dim=1)

    def redrawn(self, draw: "Draw", rng: np.random.Generator) -> "Sample":
        """The same rows with other vectors, drawn for each kind by itself."""
        vectors = {key: x.clone() for key, x in self.vectors.items()}
        for kind in self.row_kinds.unique():
            rows = self.row_kinds == kind
            for x, drawn in zip(vectors.values(), draw([x[rows] for x in vectors.values()], rng), strict=True):
                x[rows] = drawn
        return replace(self, vectors=vectors)


def take_sample(index: Index, matrix: Matrix, rows: np.ndarray) -> Sample:
    """Read some rows of the index, the parts and the layer that the matrix was made of."""
    which = torch.from_numpy(rows)
    vectors = {f"{p}.{matrix.layer}": index.rows(p, matrix.layer, which) for p in matrix.method.parts}
    return Sample(index.folder, index.manifest, index.kinds[which], vectors)


Draw = Callable[[list[Tensor], np.random.Generator], list[Tensor]]
"""From the vectors of a kind, one tensor (rows, width) a part, to as many of a corpus without structure."""


def permuted(parts: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Permute each dimension over the rows by itself: its values stay, its correlations with others go."""
    return [torch.from_numpy(rng.permuted(x.numpy(), axis=0)) for x in parts]


def cloud(parts: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Mix the rows at random, all parts alike: one Gaussian cloud of the same mean and covariance, without groups."""
    n = len(parts[0])
    weights = torch.from_numpy(rng.standard_normal((n, n), dtype=np.float32)) / n**0.5
    return [weights @ (x - x.mean(0)) + x.mean(0) for x in parts]


CORPORA: dict[str, Draw] = {"permuted": permuted, "cloud": cloud}


@dataclass(frozen=True)
class Null:
    """Separations in the corpora of one null.

    Attributes:
        mean, sd: (shares,) over all clusters of all draws.
        greatest: (draws,) the largest z of any cluster in any cut.
    """

    mean: np.ndarray
    sd: np.ndarray
    greatest: np.ndarray

    def z(self, profile: np.ndarray) -> np.ndarray:
        """(…) standard deviations that profiles (…, shares) lie above the mean, each at its most unusual share."""
        return ((profile - self.mean) / self.sd).max(-1) if profile.size else np.zeros(profile.shape[:-1])


@dataclass(frozen=True)
class Evidence:
    """What was measured of every node of a tree.

    Attributes:
        profile: (u, shares) separations in the corpus itself.
        cutoffs: (u,) mean similarity that ``MEMBER_QUANTILE`` of permuted datapoints stay below.
        stability: number of clusters → (u,) mean Jaccard overlap with the closest cluster under resampling; nan for
            nodes that are not in that cut.
        sampled: number of datapoints that the nulls were drawn from, and of all ranked ones.
    """

    profile: np.ndarray
    cutoffs: np.ndarray
    nulls: dict[str, Null]
    stability: dict[int, np.ndarray]
    sampled: tuple[int, int]

    def p(self, node: int) -> float:
        """Share of null corpora with a cluster at least as separate, of the null that has more of them; +1 rule.

        Counts the best of all clusters in all cuts of a draw, which corrects for testing many of them. Nodes of fewer
        than ``MIN_PROMPTS`` prompts can't be tested, as such clusters of the draws are left out.
        """
        return float(max(np.mean([True, *(n.greatest >= n.z(self.profile[node]))]) for n in self.nulls.values()))

    def excess(self, node: int) -> float:
        """Standard deviations that its separation lies above a null's clusters; the smaller one of the nulls."""
        return float(min(null.z(self.profile[node]) for null in self.nulls.values()))

    def tensors(self, tree: PromptTree) -> dict[str, Tensor]:
        """The evidence as a file holds it, with the tree's nodes."""
        arrays = {"nodes": tree.nodes, "profile": self.profile, "cutoffs": self.cutoffs, "sampled": self.sampled}
        arrays |= {f"null.{name}.{key}": x for name, null in self.nulls.items() for key, x in vars(null).items()}
        arrays |= {f"stability.{count}": x for count, x in self.stability.items()}
        return {key: torch.from_numpy(np.array(x)) for key, x in arrays.items()}

    @classmethod
    def parse(cls, tensors: dict[str, Tensor], tree: PromptTree) -> "Evidence":
        """Read ``tensors``; raises ValueError for those of another tree, as another machine's rounding can give."""
        arrays = {key: x.numpy() for key, x in tensors.items()}
        if not np.array_equal(arrays["nodes"], tree.nodes):
            raise ValueError("evidence of another tree")
        nulls = {name: Null(*(arrays[f"null.{name}.{key}"] for key in ("mean", "sd", "greatest"))) for name in CORPORA}
        stable = {count: arrays[f"stability.{count}"] for count in tree.cuts}
        return cls(arrays["profile"], arrays["cutoffs"], nulls, stable, tuple(arrays["sampled"].tolist()))


def evidence_path(index: Index, matrix: Matrix, tree: PromptTree, seed: int, draws: int, resamples: int) -> Path:
    """File that caches the evidence: named by all that it depends on but the tree, which is in it."""
    settings = [CODE, SAMPLE, MEMBER_QUANTILE, SHARES, MIN_PROMPTS, seed, draws, resamples]
    data = [matrix.method.name, [matrix.layer], matrix.centre, len(tree.cuts), [p.digest for p in matrix.rows]]
    return cache_path(index.folder / FOLDER, [settings, data])


def cached_measure(
    index: Index, matrix: Matrix, tree: PromptTree, seed: int, draws: int, resamples: int, progress: Progress = silent
) -> Evidence:
    """``measure``, or read what was measured before of the same tree."""
    path = evidence_path(index, matrix, tree, seed, draws, resamples)
    evidence = read_cached(path, partial(Evidence.parse, tree=tree))
    if evidence is None:
        evidence = measure(index, matrix, tree, seed, draws, resamples, progress)
        write_cached(path, evidence.tensors(tree))
    return evidence


def measure(
    index: Index, matrix: Matrix, tree: PromptTree, seed: int, draws: int, resamples: int, progress: Progress = silent
) -> Evidence:
    """Measure every node of the tree; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    ranked = np.flatnonzero(matrix.ranked)
    rows = np.sort(rng.choice(ranked, SAMPLE, replace=False)) if len(ranked) > SAMPLE else ranked
    sample = take_sample(index, matrix, rows)
    nulls, permuted_means = {}, []
    for number, (name, corpus) in enumerate(CORPORA.items()):
        profiles: list[np.ndarray] = []
        for i in range(draws):
            values = matrix.similarities(sample.redrawn(corpus, rng), matrix.target)
            null_tree = prompt_tree(values, list(tree.cuts))
            profiles.append(profile(null_tree.means(values)[null_tree.sizes >= MIN_PROMPTS]))
            if name == "permuted":
                permuted_means.append(tree.means(values))
            progress("Comparing clusters with chance", number * draws + i + 1, len(CORPORA) * draws)
        nulls[name] = _null(profiles)
    cutoffs = np.quantile(np.concatenate(permuted_means, axis=1), MEMBER_QUANTILE, axis=1)
    values = matrix.values[:, rows]
    stable = stability(values, tree, rng, resamples, progress)
    return Evidence(profile(tree.means(values)), cutoffs, nulls, stable, (len(rows), len(ranked)))


def _null(profiles: list[np.ndarray]) -> Null:
    """From the profiles (u, shares) of each draw's clusters that are large enough to be called emergent."""
    clusters = np.concatenate(profiles)
    if not clusters.size:  # too few prompts or datapoints for any
        return Null(np.zeros(clusters.shape[1]), np.ones(clusters.shape[1]), np.full(len(profiles), np.inf))
    null = Null(clusters.mean(0), np.maximum(clusters.std(0), 1e-3), np.empty(0))
    return replace(null, greatest=np.array([null.z(draw).max(initial=-np.inf) for draw in profiles]))


def profile(means: np.ndarray) -> np.ndarray:
    """(u, shares) how far the most similar datapoints stand apart from the others, from mean similarities (u, n).

    For every share of ``SHARES`` that n allows: the difference of the two groups' means in units of the standard
    deviation within them (Cohen's d). 0 where all similarities are equal; 2.4 to 2.8 for a normal distribution.
    """
    n = means.shape[1]
    ordered = -np.sort(-means.astype(np.float64), axis=1)
    ordered -= ordered.mean(1, keepdims=True)
    total, upper = (ordered**2).mean(1, keepdims=True), ordered.cumsum(1)
    top = np.array(sorted({max(1, round(share * n)) for share in SHARES} & set(range(1, n))), dtype=int)
    share = top / n
    gap = upper.take(top - 1, axis=1) / top / (1 - share)
    within = np.maximum(total - share * (1 - share) * gap**2, 1e-4 * total)
    return np.divide(gap, np.sqrt(within), out=np.zeros_like(gap), where=total > MIN_SPREAD**2)


def stability(
    values: np.ndarray, tree: PromptTree, rng: np.random.Generator, resamples: int, progress: Progress = silent
) -> dict[int, np.ndarray]:
    """Number of clusters → (u,) mean Jaccard overlap of a node with the closest cluster of resampled data.

    Draws prompts and datapoints with replacement and clusters them into as many clusters (Hennig, 2007).
    """
    m, n = values.shape
    overlaps, drawn_times = ({count: np.zeros(len(tree.nodes)) for count in tree.cuts} for _ in range(2))
    for i in range(resamples):
        rows, columns = rng.integers(0, m, m), rng.integers(0, n, n)
        resampled = prompt_tree(values[np.ix_(rows, columns)], list(tree.cuts))
        drawn, first = np.unique(rows, return_index=True)
        for count, cut in tree.cuts.items():
            nodes = list(cut)
            old = tree.nodes[nodes][:, drawn].astype(int)
            new = resampled.nodes[list(resampled.cuts[count])][:, first].astype(int)
            both = old @ new.T
            either = old.sum(1)[:, None] + new.sum(1) - both
            overlaps[count][nodes] += (both / np.maximum(either, 1)).max(1)  # 0 for a node of which none is drawn
            drawn_times[count][nodes] += old.any(1)
        progress("Resampling the clusters", i + 1, resamples)
    with np.errstate(invalid="ignore"):
        return {count: overlaps[count] / drawn_times[count] for count in tree.cuts}
