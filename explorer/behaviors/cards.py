"""What a cluster is about: its prompts and answers, strongest datapoints, distinctive words, sources, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import CountVectorizer

from explorer.behaviors.clusters import Cluster, Clustering, assignment
from explorer.behaviors.prompts import Subject
from explorer.behaviors.significance import P_MOST, STABILITY_LEAST, SUBJECTS_LEAST, Evidence
from explorer.ranking.metrics import Enrichment, enrichment
from explorer.ranking.table import column, texts, write_rows

STRONGEST, WORDS = 10, 12
"""Datapoints and words shown on a card."""
_TEXTS = 100
"""Strongest datapoints of a cluster whose words are counted."""
_BACKGROUND = 2_000
MEANING = (
    "A cluster is something that training taught: prompts whose answers moved as the same training examples push. "
    "Emergent means more than chance, and again when the data are resampled. It does not mean bad: what training was "
    "meant to teach is emergent too. Whether it is wanted, the two answers tell."
)
"""What the word says and what not, for whoever shows cards."""


@dataclass(frozen=True)
class Card:
    """A cluster for people.

    Attributes:
        cluster: the figures.
        subjects: its prompts with their answers.
        strongest: the most similar datapoints as rows of the study's table, with ``similarity`` and ``text``.
        words: words and word pairs of its datapoints that others use less, the most distinctive first.
        sources, labels: those over-represented among its datapoints first; empty where the study has none.
        verdict: one sentence on whether it is more than chance, and why.
    """

    cluster: Cluster
    ids: tuple[str, ...]
    subjects: tuple[Subject, ...]
    strongest: tuple[dict[str, Any], ...]
    words: tuple[str, ...]
    sources: tuple[Enrichment, ...]
    labels: tuple[Enrichment, ...]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; every datapoint that belongs to the cluster, the most similar first."""
        c = self.cluster
        found: dict[str, Any] = {"id": c.id, "key": c.key, "emergent": c.emergent, "verdict": self.verdict}
        found["behaviors"] = [vars(s) for s in self.subjects]
        own = zip(self.ids, c.similarities.tolist(), strict=True)
        found["datapoints"] = [{"id": name, "similarity": round(value, 4)} for name, value in own]
        found |= {"words": list(self.words), "sources": _shares(self.sources), "labels": _shares(self.labels)}
        return found | {
            "mean_similarity": c.mean_similarity,
            "null_p": None if isnan(c.null_p) else c.null_p,
            "null_excess": c.excess,
            "stability": None if isnan(c.stability) else c.stability,
        }


def cards(clustering: Clustering, clusters: Sequence[Cluster], table: pa.Table) -> list[Card]:
    """A card for each cluster of a cut, in its order; ``table``: the study's datapoints."""
    words = distinctive_words(clusters, table)
    columns = [column(table, n).tolist() if n in table.column_names else [] for n in ("source", "label")]
    made = []
    for cluster, own in zip(clusters, words, strict=True):
        top = cluster.datapoints[:STRONGEST]
        some = table.take(pa.array(top, pa.int64()))
        shown = tuple(
            row | {"similarity": float(value), "text": text}
            for row, value, text in zip(some.to_pylist(), cluster.similarities, texts(some), strict=False)
        )
        members = cluster.datapoints.tolist()
        sources, labels = (tuple(enrichment(of, members)) if of and members else () for of in columns)
        ids = tuple(str(i) for i in table["id"].take(pa.array(members, pa.int64())).to_pylist())
        rows = tuple(clustering.matrix.subjects[i] for i in cluster.subjects)
        made.append(Card(cluster, ids, rows, shown, own, sources, labels, verdict(cluster, clustering.evidence)))
    return made


def verdict(cluster: Cluster, evidence: Evidence) -> str:
    """Whether a cluster is called emergent, in one sentence with both numbers."""
    if isnan(cluster.null_p):
        return f"Not tested: it has fewer than {SUBJECTS_LEAST} prompts."
    if not len(cluster.datapoints):
        return "Not called emergent: no datapoint belongs to it."
    draws = len(next(iter(evidence.nulls.values())).greatest)
    chance = f"p = {cluster.null_p:.2g}, {draws} draws of each kind"
    back = f"under resampling {cluster.stability:.0%} of it comes back"
    if cluster.emergent:
        return f"Emergent: more than chance ({chance}) and stable ({back}). The answers tell whether it is wanted."
    if cluster.null_p > P_MOST:
        return f"Not called emergent: corpora without structure often show as much ({chance}); {back}."
    return f"Not called emergent: it beats chance ({chance}), but only {back} ({STABILITY_LEAST:.0%} needed)."


def distinctive_words(clusters: Sequence[Cluster], table: pa.Table) -> list[tuple[str, ...]]:
    """Words of each cluster by class-based TF-IDF (Grootendorst, 2022): frequent in its datapoints, rare in the others.

    A class is the text of a cluster's strongest datapoints; all of no cluster, or a sample of them, are one more.
    """
    outside = np.flatnonzero(assignment(clusters, table.num_rows) == 0)
    outside = outside[:: max(1, len(outside) // _BACKGROUND)]
    groups = [c.datapoints[:_TEXTS] for c in clusters] + [outside]
    classes = [" \n ".join(texts(table.take(pa.array(group, pa.int64())))) for group in groups]
    counter: Any = CountVectorizer(ngram_range=(1, 2), stop_words="english", token_pattern=r"(?u)\b\w[\w'’]+\b")
    try:
        counts = counter.fit_transform(classes).toarray().astype(float)
    except ValueError:  # no words anywhere
        return [() for _ in clusters]
    totals = counts.sum(0)
    scores = counts / counts.sum(1, keepdims=True).clip(min=1) * np.log1p(totals.sum() / len(groups) / totals)
    scores[counts < 2] = 0
    names = counter.get_feature_names_out()
    best = np.argsort(-scores[: len(clusters)], axis=1, kind="stable")[:, :WORDS]
    return [tuple(str(names[j]) for j in own if scores[i, j] > 0) for i, own in enumerate(best)]


def assignment_csv(clusters: Sequence[Cluster], table: pa.Table) -> str:
    """One line a datapoint: id, cluster (empty for none), similarity to it, whether the cluster is called emergent."""
    number: list[int | None] = [None] * table.num_rows
    value: list[float | None] = [None] * table.num_rows
    called: list[bool | None] = [None] * table.num_rows
    for c in clusters:
        for i, s in zip(c.datapoints.tolist(), c.similarities.tolist(), strict=True):
            number[i], value[i], called[i] = c.id, round(s, 4), c.emergent
    columns = {"id": table["id"], "cluster": number, "similarity": value, "emergent": called}
    return write_rows(pa.table(columns), "csv").decode()


def _shares(found: Sequence[Enrichment]) -> list[dict[str, Any]]:
    return [{"name": e.source, "hits": e.hits, "total": e.total, "lift": e.lift, "p": e.p} for e in found]
