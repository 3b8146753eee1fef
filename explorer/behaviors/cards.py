"""Cards: what a cluster is about. Its prompts and answers, strongest datapoints, words, sources, and a verdict."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import CountVectorizer

from explorer.behaviors.clusters import Cluster, Clusters, assignment
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.behaviors.significance import MAX_P, MIN_PROMPTS, MIN_STABILITY, Evidence
from explorer.ranking.metrics import Enrichment, enrichment
from explorer.ranking.table import column, texts

STRONGEST, WORDS = 10, 12
"""Datapoints and words on a card."""
_TEXTS, _BACKGROUND = 100, 2_000
"""Datapoints whose words are counted: the strongest of a cluster, and about as many of no cluster."""
MEANING = (
    "A cluster is something that training taught: prompts whose answers moved as the same training examples push. "
    "Emergent means more than chance, and again when the data are resampled. It does not mean bad: what training was "
    "meant to teach is emergent too. Whether it is wanted, the two answers tell."
)
"""What *emergent* means and what it does not; stands above the cards."""


@dataclass(frozen=True)
class Card:
    """A cluster with the texts that say what it is about.

    Attributes:
        ids: of every datapoint that belongs to it, the most similar first.
        strongest: the most similar datapoints as rows of the study's table, with ``similarity`` and ``text``.
        words: words and word pairs that are frequent in its datapoints and rare in others, the most distinctive first.
        sources, labels: of its datapoints, those over-represented first; empty where the study has none.
        chip, verdict: whether it is more than chance, in a word or two; the same and why, in a sentence.
    """

    cluster: Cluster
    ids: tuple[str, ...]
    prompts: tuple[AnsweredPrompt, ...]
    strongest: tuple[dict[str, Any], ...]
    words: tuple[str, ...]
    sources: tuple[Enrichment, ...]
    labels: tuple[Enrichment, ...]
    chip: str
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        members = zip(self.ids, self.cluster.similarities.tolist(), strict=True)
        datapoints = [{"id": name, "similarity": round(value, 4)} for name, value in members]
        sources, labels = (
            [{"name": e.source, "hits": e.hits, "total": e.total, "lift": e.lift, "p": e.p} for e in enriched]
            for enriched in (self.sources, self.labels)
        )
        texts = {"verdict": self.verdict, "words": list(self.words), "behaviors": [asdict(p) for p in self.prompts]}
        return self.cluster.to_json() | texts | {"datapoints": datapoints, "sources": sources, "labels": labels}


def make_cards(clusters: Clusters, cut: Sequence[Cluster], table: pa.Table) -> list[Card]:
    """Make a card for each cluster of a cut, in its order; ``table``: the study's datapoints."""
    cards = []
    for cluster, words in zip(cut, distinctive_words(cut, table), strict=True):
        members = pa.array(cluster.datapoints)
        rows = table.take(members[:STRONGEST])
        strongest = tuple(
            row | {"similarity": float(value), "text": text}
            for row, value, text in zip(rows.to_pylist(), cluster.similarities, texts(rows), strict=False)
        )
        ids = tuple(map(str, table["id"].take(members).to_pylist()))
        prompts = tuple(clusters.matrix.rows[i] for i in cluster.prompts)
        sources, labels = (_enriched(table, name, cluster) for name in ("source", "label"))
        chip, sentence = verdict(cluster, clusters.evidence)
        cards.append(Card(cluster, ids, prompts, strongest, words, sources, labels, chip, sentence))
    return cards


def _enriched(table: pa.Table, name: str, cluster: Cluster) -> tuple[Enrichment, ...]:
    return tuple(enrichment(column(table, name), cluster.datapoints)) if name in table.column_names else ()


def verdict(cluster: Cluster, evidence: Evidence) -> tuple[str, str]:
    """Say whether a cluster is called emergent: in a word or two, and in a sentence with both numbers."""
    if isnan(cluster.null_p):
        return "too few prompts to test", f"Not tested: it has fewer than {MIN_PROMPTS} prompts."
    if not len(cluster.datapoints):
        return "no datapoints", "Not called emergent: no datapoint belongs to it."
    draws = len(next(iter(evidence.nulls.values())).greatest)
    chance = f"p = {cluster.null_p:.2g}, {draws} draws of each kind"
    stability = f"under resampling {cluster.stability:.0%} of it comes back"
    if cluster.emergent:
        sentence = f"Emergent: more than chance ({chance}) and stable ({stability})."
        return "emergent", f"{sentence} The answers tell whether it is wanted."
    if cluster.null_p > MAX_P:
        sentence = f"Not called emergent: corpora without structure often show as much ({chance}); {stability}."
        return "like chance", sentence
    sentence = f"Not called emergent: it beats chance ({chance}), but only {stability} ({MIN_STABILITY:.0%} needed)."
    return "beats chance, but unstable", sentence


def distinctive_words(cut: Sequence[Cluster], table: pa.Table) -> list[tuple[str, ...]]:
    """Words of each cluster by class-based TF-IDF (Grootendorst, 2022): frequent in its datapoints, rare in the others.

    A class is the text of a cluster's strongest datapoints; those of no cluster, or a sample of them, are one more.
    """
    outside = np.flatnonzero(assignment(cut, table.num_rows) == 0)
    outside = outside[:: max(1, len(outside) // _BACKGROUND)]
    groups = [*(c.datapoints[:_TEXTS] for c in cut), outside]
    classes = [" \n ".join(texts(table.take(pa.array(group)))) for group in groups]
    counter: Any = CountVectorizer(ngram_range=(1, 2), stop_words="english", token_pattern=r"(?u)\b\w[\w'’]+\b")
    try:
        counts = counter.fit_transform(classes).toarray().astype(float)
    except ValueError:  # no words anywhere
        return [() for _ in cut]
    totals = counts.sum(0)
    scores = counts / counts.sum(1, keepdims=True).clip(min=1) * np.log1p(totals.sum() / len(groups) / totals)
    scores[counts < 2] = 0
    names = counter.get_feature_names_out()
    best = np.argsort(-scores[: len(cut)], axis=1, kind="stable")[:, :WORDS]
    return [tuple(str(names[j]) for j in words if scores[i, j] > 0) for i, words in enumerate(best)]
