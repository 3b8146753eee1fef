"""Is a ranking stronger than for unrelated questions? The null that every score and every source is compared with.

The null is the same scores (method, layer, query kind, stage, centre, measure) for unrelated questions
(``unrelated.py``): one prompt each where the question is one prompt, a subject's two where it has several, and as many
drawn at random where the best of several counts (``bank``). The statistic is the mean of the ``TOP`` best scores. Its
p-value is the share of the questions, the ranking's own among them, whose best rows score at least as high (a rank
test: Phipson & Smyth 2010). What it was chosen on stands in docs/training-data.md.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, silent
from explorer.ranking.metrics import Enrichment, enrichment, top
from explorer.ranking.questions import AboutBehavior, AboutFailure
from explorer.ranking.rank import Ranking, scores_choice
from explorer.ranking.recent import Recent
from explorer.ranking.scores import scores
from explorer.ranking.unrelated import unrelated_known, unrelated_vectors
from explorer.vectors.methods import METHODS

TOP, LEVEL = 5, 0.05
"""Best rows whose mean score is compared; a larger p-value than this is no stronger than chance."""
MOST_SOURCE_ROWS = 1000
"""Best rows of each unrelated question that are kept, for the sources among them."""
ROUGH_FROM = 50_000
"""Rows of an index from which the null is multiplied in bfloat16."""
_BINS = 512
STRONGER, NO_STRONGER, UNTRAINED, UNKNOWN = "stronger", "no-stronger", "untrained", "unknown"


@dataclass(frozen=True, eq=False)
class Null:
    """Scores of all datapoints for r unrelated questions, summed up.

    Attributes:
        tops: (r,) mean of the ``TOP`` best scores.
        rows: (K, r) row numbers of the best, best first.
        edges: (bins + 1,) of the histogram ``counts`` (bins, r).
    """

    tops: np.ndarray
    rows: np.ndarray
    edges: np.ndarray
    counts: np.ndarray

    @cached_property
    def usual(self) -> float:
        """Median of ``tops``."""
        return float(np.median(self.tops))

    @cached_property
    def unusual(self) -> float:
        """Least statistic that is stronger than for unrelated questions: fewer than ``LEVEL`` of them reach it."""
        allowed = max(int(LEVEL * (len(self.tops) + 1)) - 1, 0)
        return float(np.sort(self.tops)[::-1][min(allowed, len(self.tops) - 1)])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the statistic of every unrelated question, ascending, and what it is."""
        return {"statistic": f"mean of the {TOP} best scores", "values": np.sort(self.tops).tolist()}

    def p(self, statistic: float) -> float:
        """Share of r + 1 questions, one of them with this statistic, that reach it."""
        return float((1 + (self.tops >= statistic).sum()) / (1 + len(self.tops)))

    def band(self, edges: np.ndarray) -> np.ndarray:
        """Return (3, len(edges) − 1): rows in each bin of a histogram, as 5th, 50th, 95th percentile of questions."""
        below = np.vstack([np.zeros(self.counts.shape[1]), self.counts.cumsum(0)])
        at = np.stack([np.interp(edges, self.edges, column) for column in below.T], axis=1)
        return np.percentile(np.diff(at, axis=0), [5, 50, 95], axis=1)


@dataclass(frozen=True)
class Verdict:
    """Whether a ranking says anything.

    Attributes:
        kind: ``stronger`` or ``no-stronger`` than for unrelated questions, ``untrained`` (the model was not trained on
            these rows, whatever they score), ``unknown`` (there is no null).
        sentence, details: the same in words, and the figures.
        top: mean of the best scores (``TOP`` of them).
        usual, unusual: the null's median, and what fewer than 5 % of unrelated questions reach. None without a null.
        p: see ``Null.p``.
        questions: unrelated questions that it was compared with.
    """

    kind: Literal["stronger", "no-stronger", "untrained", "unknown"]
    sentence: str
    details: str = ""
    top: float | None = None
    usual: float | None = None
    unusual: float | None = None
    p: float | None = None
    questions: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


_nulls: Recent[Null] = Recent(32)


def no_null(ranking: Ranking) -> str:
    """Say why a ranking can't be compared with unrelated questions; empty where it can."""
    if ranking.target is None or ranking.index is None:
        return f"'{ranking.choice.method}' reads the texts alone; its scores have no scale that other questions share."
    if not isinstance(ranking.question, AboutBehavior | AboutFailure):
        return (
            "This question is a datapoint, a state or a direction, not a prompt with a wrong answer: unrelated "
            "prompts are no null for it."
        )
    return ""


def null_scores(study: Study, ranking: Ranking, progress: Progress = silent) -> Null:
    """Score all datapoints for unrelated questions, as the ranking was scored; kept for a while.

    The first call for an index runs its model over the unrelated questions. Raises ExplorerError where there is no null
    (``no_null``).
    """
    if why := no_null(ranking):
        raise ExplorerError(why)
    return _nulls.once(_key(ranking), lambda: _null_scores(study, ranking, progress))


def null_at_hand(study: Study, ranking: Ranking) -> bool:
    """Whether ``null_scores`` takes no longer than the ranking itself: it runs no model."""
    if no_null(ranking):
        return False
    assert ranking.index is not None
    return _nulls.get(_key(ranking)) is not None or unrelated_known(study, ranking.index, _ended(ranking))


def _ended(ranking: Ranking) -> bool:
    return ranking.items[0].ended


def _key(ranking: Ranking) -> tuple[object, ...]:
    assert ranking.index is not None and ranking.target is not None
    prompts = len(ranking.target.kinds)
    size = prompts if ranking.choice.query == "bank" else min(prompts, 2)
    return (ranking.index.key, ranking.choice, _ended(ranking), size)


def _null_scores(study: Study, ranking: Ranking, progress: Progress) -> Null:
    index, target = ranking.index, ranking.target
    assert index is not None and target is not None
    unrelated = unrelated_vectors(study, index, _ended(ranking), progress)
    layer, centre, query, measure = scores_choice(ranking.choice)
    asked, prompts = unrelated.target(query), len(target.kinds)
    single = torch.eye(len(unrelated.subjects))
    bank = query == "bank"
    weights = single if bank or prompts == 1 else _by_subject(unrelated.subjects)
    rough = index.manifest.n > ROUGH_FROM
    method, one = METHODS[ranking.choice.method], "bad" if bank else query
    values = scores(index, asked, method, layer, centre, one, weights, not rough, measure).numpy()
    if bank and prompts > 1:
        values = np.stack([values[:, some].max(1) for some in _groups(values.shape[1], prompts)], axis=1)
    return _summed_up(values[~np.isnan(ranking.scores)], np.flatnonzero(~np.isnan(ranking.scores)))


def _by_subject(subjects: Tensor) -> Tensor:
    """(subjects, k) weights of the mean over each subject's questions."""
    member = (subjects.unique()[:, None] == subjects[None]).float()
    return member / member.sum(1, keepdim=True)


def _groups(k: int, size: int, n: int = 63) -> list[np.ndarray]:
    """Return n seeded draws of ``size`` of k questions."""
    rng = np.random.default_rng(0)
    return [rng.choice(k, min(size, k), replace=False) for _ in range(n)]


def _summed_up(values: np.ndarray, rows: np.ndarray) -> Null:
    """Sum up (n, r) scores of the rows of these numbers."""
    if not len(values):
        raise ExplorerError("No datapoint can be ranked.")
    best = np.stack([top(column, MOST_SOURCE_ROWS) for column in values.T], axis=1)
    tops = np.take_along_axis(values, best[:TOP], 0).mean(0)
    edges = np.linspace(values.min(), np.nextafter(values.max(), np.inf) + 1e-12, _BINS + 1)
    counts = np.stack([np.histogram(column, edges)[0] for column in values.T], axis=1)
    return Null(tops, rows[best], edges, counts)


def trained_on(study: Study, model: ModelSpec) -> bool:
    """Whether a model is one of the study's trained checkpoints; of a study without any, its own model."""
    return model.weights in {spec.weights for spec in study.trained or (study.spec,)}


def significance(study: Study, ranking: Ranking, null: Null | None, model: ModelSpec | None = None) -> Verdict:
    """Compare a ranking with its null.

    Args:
        null: from ``null_scores``; None where there is none.
        model: the model that fails; default the study's. One that was never trained on the rows gets ``untrained``.
    """
    best = ranking.top(TOP)
    statistic = float(ranking.scores[best].mean()) if len(best) else None
    if null is None or statistic is None:
        why = no_null(ranking) or "Unrelated questions were not asked."
        verdict = Verdict(UNKNOWN, "Not compared with unrelated prompts", why, statistic)
    else:
        p = null.p(statistic)
        kind = STRONGER if p <= LEVEL else NO_STRONGER
        sentence = f"{'Stronger' if kind == STRONGER else 'No stronger'} than for unrelated prompts"
        details = _details(ranking, null, statistic, p)
        verdict = Verdict(kind, sentence, details, statistic, null.usual, null.unusual, p, len(null.tops))
    if model is None or trained_on(study, model):
        return verdict
    details = f"{verdict.sentence}: {verdict.details}"
    return replace(verdict, kind=UNTRAINED, sentence=f"{model.title} was not trained on these rows", details=details)


def _details(ranking: Ranking, null: Null, statistic: float, p: float) -> str:
    """Say what was compared with what."""
    return (
        f"by {ranking.choice.method}, the best {TOP} rows score {statistic:.3g}; those of {len(null.tops)} unrelated "
        f"questions {null.usual:.3g}, in 95 % of them at most {null.unusual:.3g} (p = {p:.2g})."
    )


def source_significance(ranking: Ranking, null: Null | None, sources: np.ndarray, k: int) -> list[Enrichment]:
    """Return the sources among the k best rows, each with a p-value that is corrected, the most surprising first.

    Rows are chosen by what a question is about, so that the hypergeometric chance of ``enrichment`` is far too small.
    Here the ranking stands among the unrelated questions: z of a source is how far its rows among the k best lie from
    the mean over all questions, in their standard deviations; p is the share of questions whose largest z of any source
    is at least that (Westfall & Young 1993, single-step maxT: corrected for the number of sources). nan without a null,
    and where k is above what the null keeps.
    """
    found = enrichment(sources, ranking.order[:k])
    if null is None or k > len(null.rows):
        return sorted((replace(e, p=float("nan")) for e in found), key=lambda e: (-e.hits, e.source))
    names, coded = np.unique(sources.astype(str), return_inverse=True)
    asked = np.column_stack([ranking.order[:k], null.rows[:k]])
    hits = np.stack([np.bincount(coded[rows], minlength=len(names)) for rows in asked.T])
    spread = hits.std(0)
    z = np.where(spread > 0, (hits - hits.mean(0)) / np.where(spread > 0, spread, 1), 0.0)
    largest = z.max(1)
    of = {name: float((largest >= value).mean()) for name, value in zip(names, z[0], strict=True)}
    return sorted((replace(e, p=of[e.source]) for e in found), key=lambda e: (e.p, -e.hits))
