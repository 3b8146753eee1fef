"""Clusters in writing: a summary in sentences, JSON with every card, CSV with every datapoint."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from explorer.behaviors.agreement import LabelAgreement
from explorer.behaviors.cards import Card
from explorer.behaviors.clusters import Cluster, Clusters
from explorer.ranking.table import write_rows


def summary(clusters: Clusters, cut: Sequence[Cluster]) -> str:
    """Say in sentences what was compared, what was left out, and what was computed on a sample."""
    prompts, ranked, none = clusters.matrix.prompts, clusters.evidence.sampled[1], _unassigned(clusters, cut)
    checkpoint = clusters.index.manifest.checkpoint
    sentences = [f"{len(prompts.rows)} prompts against {ranked:,} datapoints, in the model '{checkpoint}'."]
    if prompts.models:
        after, before = prompts.models
        same = len(prompts.unchanged)
        sentences.append(f"{same} prompts are left out because '{after}' answers them as '{before}' does.")
    if prompts.wordless:
        sentences.append(f"{len(prompts.wordless)} prompts are left out because an answer to them has no words.")
    sentences.append(f"{none:,} datapoints ({none / ranked:.0%}) belong to no cluster.")
    return " ".join([*sentences, reduction(clusters)])


def reduction(clusters: Clusters) -> str:
    """Say what was computed on a sample; empty where nothing was."""
    sampled, ranked = clusters.evidence.sampled
    if sampled == ranked:
        return ""
    return f"Nulls and stability are of a sample of {sampled:,} datapoints; similarities and membership are exact."


def to_json(clusters: Clusters, cards: Sequence[Card], agreement: LabelAgreement | None = None) -> dict[str, Any]:
    """The JSON of the command ``cluster``, plain values."""
    cut, prompts = [card.cluster for card in cards], clusters.matrix.prompts
    after, before = prompts.models or (None, None)
    values = {
        "clusters": [card.to_json() for card in cards],
        "method": clusters.matrix.method.name,
        "layer": clusters.matrix.layer,
        "stage": clusters.index.manifest.checkpoint,
        "answers": {"now": after, "before": before},
        "unchanged": list(prompts.unchanged),
        "silhouettes": clusters.silhouettes,
        "unassigned": _unassigned(clusters, cut),
        "reduction": reduction(clusters) or None,
        "note": summary(clusters, cut),
    }
    return values | ({"agreement": agreement.to_json()} if agreement else {})


def assignment_csv(cut: Sequence[Cluster], table: pa.Table) -> str:
    """One line for each datapoint: id, cluster (empty for none), similarity to it, whether it is called emergent."""
    members = {
        i: (c, value) for c in cut for i, value in zip(c.datapoints.tolist(), c.similarities.tolist(), strict=True)
    }
    rows = [members.get(i) for i in range(table.num_rows)]
    columns = {
        "id": table["id"],
        "cluster": [row and row[0].id for row in rows],
        "similarity": [row and round(row[1], 4) for row in rows],
        "emergent": [row and row[0].emergent for row in rows],
    }
    return write_rows(pa.table(columns), "csv").decode()


def _unassigned(clusters: Clusters, cut: Sequence[Cluster]) -> int:
    return clusters.evidence.sampled[1] - sum(len(c.datapoints) for c in cut)
