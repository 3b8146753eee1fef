"""How well the clusters of a study agree with labels that they were made without; for reports only."""

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

UNFLAGGED = ("", "clean")
"""Labels that flag nothing."""
TOP = 50
"""The most similar datapoints of a cluster that ``Match.precision_top`` looks at."""


@dataclass(frozen=True)
class Match:
    """A label with the cluster that holds most of its datapoints.

    Attributes:
        cluster: that cluster, or None where no cluster holds any.
        own: whether no other label has most of its datapoints there too.
        total: datapoints with the label.
        held: how many of them the cluster has.
        held_top: how many of the cluster's ``TOP`` most similar datapoints have the label.
    """

    label: str
    cluster: Cluster | None
    own: bool
    total: int
    held: int
    held_top: int

    @property
    def recall(self) -> float:
        """Share of the label's datapoints that the cluster has."""
        return self.held / self.total

    @property
    def precision(self) -> float:
        """Share of the cluster's datapoints that have the label; 0 without a cluster."""
        return self.held / len(self.cluster.datapoints) if self.cluster else 0.0

    @property
    def precision_top(self) -> float:
        """The same of its most similar datapoints, at most ``TOP``."""
        return self.held_top / min(TOP, len(self.cluster.datapoints)) if self.cluster else 0.0


@dataclass(frozen=True)
class LabelAgreement:
    """``rand``: adjusted Rand index over the ``flagged`` datapoints; nan without any. ``counts``: cluster id → label →
    datapoints, id 0 for those of no cluster."""

    rand: float
    flagged: int
    matches: tuple[Match, ...]
    counts: dict[int, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "adjusted_rand": None if isnan(self.rand) else round(self.rand, 4),
            "flagged": self.flagged,
            "labels": [_match(m) for m in self.matches],
            "clusters": [{"id": i, "labels": counted} for i, counted in self.counts.items()],
        }

    def table(self) -> str:
        """Markdown: a line a label."""
        lines = [
            "| label | datapoints | cluster | emergent | stability | recall | precision | of its 50 strongest |",
            "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        ]
        for m in self.matches:
            c = m.cluster
            at = f"{c.id}{'' if m.own else ' (shared)'} | {'yes' if c.emergent else 'no'}" if c else "none | no"
            stable = f"{c.stability:.2f}" if c and not isnan(c.stability) else "–"
            figures = f"{m.recall:.2f} | {m.precision:.2f} | {m.precision_top:.2f}"
            lines.append(f"| {' '.join(m.label.split())} | {m.total} | {at} | {stable} | {figures} |")
        return "\n".join(lines)


def require_labels(table: pa.Table, where: Path) -> list[str | None]:
    """The label of every datapoint; raises ExplorerError where none flags anything."""
    labels: list[str | None] = table["label"].to_pylist() if "label" in table.column_names else []
    if all(not label or label in UNFLAGGED for label in labels):
        raise ExplorerError(f"{where}: no datapoint has a label other than clean; expected some to compare with.")
    return labels


def label_agreement(clusters: Sequence[Cluster], labels: Sequence[str | None]) -> LabelAgreement:
    """Hold the clusters of a cut against the label of every datapoint, in the study's order."""
    given = np.array([label or "" for label in labels], dtype=object)
    flagged = ~np.isin(given, np.array(UNFLAGGED, dtype=object))
    of = assignment(clusters, len(given))
    rand = float(adjusted_rand_score(given[flagged].astype(str), of[flagged])) if flagged.any() else float("nan")
    by_id = {c.id: c for c in clusters}
    counts = {i: dict(Counter(given[of == i].tolist()).most_common()) for i in (*by_id, 0)}
    names = sorted(set(given[flagged].tolist()))
    most = {name: max(by_id, key=lambda i: (counts[i].get(name, 0), -i), default=0) for name in names}
    most = {name: i if i and counts[i].get(name) else 0 for name, i in most.items()}
    matches = []
    for name in names:
        cluster, total = by_id.get(most[name]), int((given == name).sum())
        own = cluster is not None and list(most.values()).count(most[name]) == 1
        top = int((given[cluster.datapoints[:TOP]] == name).sum()) if cluster else 0
        held = counts[most[name]].get(name, 0) if cluster else 0
        matches.append(Match(name, cluster, own, total, held, top))
    return LabelAgreement(rand, int(flagged.sum()), tuple(matches), counts)


def _match(m: Match) -> dict[str, Any]:
    c = m.cluster
    shares = {"recall": m.recall, "precision": m.precision, "precision_top_50": m.precision_top}
    return {
        "label": m.label,
        "datapoints": m.total,
        "cluster": c.id if c else None,
        "own": m.own,
        "emergent": bool(c and c.emergent),
        "null_p": None if c is None or isnan(c.null_p) else c.null_p,
        "stability": None if c is None or isnan(c.stability) else c.stability,
        "held": m.held,
        **{name: round(value, 4) for name, value in shares.items()},
    }
