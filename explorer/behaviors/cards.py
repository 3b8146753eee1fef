"""Cards: what a cluster is about. Its prompts and answers, strongest datapoints, words, sources, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import CountVectorizer

from explorer.behaviors.clusters import Cluster, Clusters, assignment
from explorer.behaviors.notes import NO_NOTE, Note
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.behaviors.significance import MAX_P, MIN_PROMPTS, MIN_STABILITY, Evidence
from explorer.behaviors.summaries import summary_lines
from explorer.ranking.metrics import Enrichment, enrichment
from explorer.ranking.table import column, texts

STRONGEST, WORDS = 10, 12
"""Datapoints and words on a card."""
_TEXTS, _BACKGROUND = 100, 2_000
"""Datapoints whose words are counted: the strongest of a cluster, and about as many of no cluster."""
MEANING = (
    "A cluster is a group of prompts whose answers moved as the same training examples push. Emergent means more than "
    "chance, and again when the data are resampled. It does not mean bad. Whether it is wanted, the two answers tell."
)
"""What *emergent* means and what it does not; stands above the cards."""


@dataclass(frozen=True)
class Card:
    """A cluster with the texts that say what it is about.

    Attributes:
        ids, similarities: of every datapoint that belongs to it, the most similar first.
        strongest: the most similar datapoints as rows of the study's table, with ``similarity`` and ``text``.
        words: words and word pairs that are frequent in its datapoints and rare in others, the most distinctive first.
        sources, labels: of its datapoints, those over-represented first; empty where the study has none.
        summary: two lines about it, see ``summary_lines``.
        chip, verdict: whether it is more than chance, in a word or two; the same and why, in a sentence.
        note: the name, note and tag that a person gave to it.

    On a card of what is selected (``card_within``), ``ids``, ``similarities``, ``prompts`` and ``strongest`` are those
    selected; ``cluster`` and all else stay the whole cluster's.
    """

    cluster: Cluster
    ids: tuple[str, ...]
    similarities: np.ndarray
    prompts: tuple[AnsweredPrompt, ...]
    strongest: tuple[dict[str, Any], ...]
    words: tuple[str, ...]
    sources: tuple[Enrichment, ...]
    labels: tuple[Enrichment, ...]
    summary: tuple[str, str]
    chip: str
    verdict: str
    note: Note = NO_NOTE

    @property
    def title(self) -> str:
        """The name that a person gave to it, else its number; never a label of the study."""
        return self.note.name or f"Cluster {self.cluster.id}"

    @property
    def sizes(self) -> str:
        """How many prompts and datapoints it has; of a card of what is selected, how many of them."""
        return (
            f"{_of(self.prompts, self.cluster.prompts)} prompts · {_of(self.ids, self.cluster.datapoints)} datapoints"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        members = zip(self.ids, self.similarities.tolist(), strict=True)
        datapoints = [{"id": name, "similarity": round(value, 4)} for name, value in members]
        sources, labels = (
            [{"name": e.source, "hits": e.hits, "total": e.total, "lift": e.lift, "p": e.p} for e in enriched]
            for enriched in (self.sources, self.labels)
        )
        texts = {"verdict": self.verdict, "summary": list(self.summary), "words": list(self.words)}
        lists = {"behaviors": [asdict(p) for p in self.prompts], "datapoints": datapoints}
        return self.cluster.to_json() | vars(self.note) | texts | lists | {"sources": sources, "labels": labels}


def make_cards(clusters: Clusters, cut: Sequence[Cluster], table: pa.Table) -> list[Card]:
    """Make a card for each cluster of a cut, in its order; ``table``: the study's datapoints."""
    cards = []
    for cluster, words in zip(cut, distinctive_words(cut, table), strict=True):
        strongest = strongest_rows(table, cluster.datapoints, cluster.similarities)
        ids = datapoint_ids(table, cluster.datapoints)
        prompts = tuple(clusters.matrix.rows[i] for i in cluster.prompts)
        sources, labels = (_enriched(table, name, cluster) for name in ("source", "label"))
        lines = summary_lines(prompts, [row["text"] for row in strongest], words, sources)
        judged = verdict(cluster, clusters.evidence)
        cards.append(
            Card(cluster, ids, cluster.similarities, prompts, strongest, words, sources, labels, lines, *judged)
        )
    return cards


def annotated(cards: Sequence[Card], notes: Mapping[str, Note]) -> list[Card]:
    """Return the cards with what people wrote on them; ``notes`` by ``Cluster.key``, see ``read_notes``."""
    return [replace(card, note=notes.get(card.cluster.key, NO_NOTE)) for card in cards]


def datapoint_ids(table: pa.Table, rows: np.ndarray) -> tuple[str, ...]:
    """Ids of some rows of the study's table."""
    return tuple(map(str, table["id"].take(pa.array(rows)).to_pylist()))


def strongest_rows(table: pa.Table, members: np.ndarray, similarities: np.ndarray) -> tuple[dict[str, Any], ...]:
    """The first ``STRONGEST`` of some rows of the study's table, with ``similarity`` and ``text``."""
    rows = table.take(pa.array(members[:STRONGEST]))
    return tuple(
        row | {"similarity": float(value), "text": text}
        for row, value, text in zip(rows.to_pylist(), similarities, texts(rows), strict=False)
    )


def _of(inside: Sequence[Any], whole: np.ndarray) -> str:
    return f"{len(inside):,}" if len(inside) == len(whole) else f"{len(inside):,} of {len(whole):,}"


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
