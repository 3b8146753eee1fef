"""Agreement of the clusters of a study with labels that they were made without; for reports only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import adjusted_rand_score

from explorer.behaviors.clusters import Cluster, assignment
from explorer.errors import ExplorerError
from explorer.ranking.table import column

UNFLAGGED, TOP = ("", "clean"), 50
"""Labels that flag nothing; most similar datapoints of a cluster that ``precision_top`` is of."""


@dataclass(frozen=True)
class LabelMatch:
    """A label with the cluster that holds most of its datapoints, or None where no cluster holds any.

    Attributes:
        exclusive: whether it is no other label's cluster too.
        total, hits: datapoints with the label, and those of them in the cluster.
        precision, precision_top: share of the cluster's datapoints, and of its ``TOP`` most similar ones, that have
            the label; 0 without a cluster.
    """

    label: str
    cluster: Cluster | None
    exclusive: bool
    total: int
    hits: int
    precision: float
    precision_top: float

    @property
    def recall(self) -> float:
        """Share of the label's datapoints that belong to the cluster."""
        return self.hits / self.total

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        cluster = self.cluster.to_json() if self.cluster else {"emergent": False}
        names = {"label": self.label, "datapoints": self.total, "cluster": cluster.get("id"), "own": self.exclusive}
        figures = {name: cluster.get(name) for name in ("emergent", "null_p", "stability")}
        shares = {"recall": self.recall, "precision": self.precision, "precision_top_50": self.precision_top}
        return names | figures | {"held": self.hits} | {name: round(share, 4) for name, share in shares.items()}


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of a cut with the labels.

    Attributes:
        rand: adjusted Rand index over the ``flagged`` datapoints; nan without any.
        counts: cluster id → label → number of datapoints; id 0 for those of no cluster.
    """

    rand: float
    flagged: int
    matches: tuple[LabelMatch, ...]
    counts: dict[int, dict[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        rand = None if isnan(self.rand) else round(self.rand, 4)
        clusters = [{"id": i, "labels": labels} for i, labels in self.counts.items()]
        labels = [match.to_json() for match in self.matches]
        return {"adjusted_rand": rand, "flagged": self.flagged, "labels": labels, "clusters": clusters}

    def table(self) -> str:
        """Markdown with a line for each label."""
        lines = [
            "| label | datapoints | cluster | emergent | stability | recall | precision | of its 50 strongest |",
            "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        ]
        for m in self.matches:
            c = m.cluster
            name = f"{c.id}{'' if m.exclusive else ' (shared)'} | {'yes' if c.emergent else 'no'}" if c else "none | no"
            stability = f"{c.stability:.2f}" if c and not isnan(c.stability) else "–"
            scores = f"{m.recall:.2f} | {m.precision:.2f} | {m.precision_top:.2f}"
            lines.append(f"| {' '.join(m.label.split())} | {m.total} | {name} | {stability} | {scores} |")
        return "\n".join(lines)


def require_labels(table: pa.Table, where: Path) -> list[str]:
    """Return the label of every datapoint, '' for none; raises ExplorerError where none flags anything."""
    labels = column(table, "label").tolist()
    if set(labels) <= set(UNFLAGGED):
        raise ExplorerError(f"{where}: no datapoint has a label other than clean; expected some to compare with.")
    return labels


def label_agreement(cut: Sequence[Cluster], labels: Sequence[str | None]) -> LabelAgreement:
    """Compare the clusters of a cut with the label of every datapoint, in the study's order."""
    names = np.array([label or "" for label in labels], dtype=object)
    flagged = ~np.isin(names, UNFLAGGED)
    ids = assignment(cut, len(names))
    rand = float(adjusted_rand_score(names[flagged].astype(str), ids[flagged])) if flagged.any() else float("nan")
    counts = {i: dict(Counter(names[ids == i].tolist()).most_common()) for i in (*(c.id for c in cut), 0)}
    best: dict[str, Cluster | None] = {}
    for label in sorted(set(names[flagged])):
        hits = [counts[c.id].get(label, 0) for c in cut]
        best[label] = cut[int(np.argmax(hits))] if any(hits) else None
    shared, matches = Counter(c.id for c in best.values() if c), []
    for label, cluster in best.items():
        members = names[cluster.datapoints] == label if cluster else np.zeros(1)
        exclusive, total = cluster is not None and shared[cluster.id] == 1, int((names == label).sum())
        shares = float(members.mean()), float(members[:TOP].mean())
        matches.append(LabelMatch(label, cluster, exclusive, total, int(members.sum()), *shares))
    return LabelAgreement(rand, int(flagged.sum()), tuple(matches), counts)
