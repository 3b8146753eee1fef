"""Clusters in writing: a summary in sentences, JSON with every card, CSV with every datapoint."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from explorer.behaviors.agreement import LabelAgreement
from explorer.behaviors.cards import Card
from explorer.behaviors.clusters import Cluster, Clusters
from explorer.ranking.table import write_rows


def summary(clusters: Clusters, cut: Sequence[Cluster]) -> str:
    """Say what was compared, what was left out, and what was computed on a sample."""
    prompts, ranked, none = clusters.matrix.prompts, clusters.evidence.sampled[1], _unassigned(clusters, cut)
    checkpoint = clusters.index.manifest.checkpoint
    note = f"{len(prompts.rows)} prompts against {ranked:,} datapoints, in the model '{checkpoint}'. "
    if prompts.models:
        after, before = prompts.models
        note += f"{len(prompts.unchanged)} prompts are left out because '{after}' answers them as '{before}' does. "
    if prompts.wordless:
        note += f"{len(prompts.wordless)} prompts are left out because an answer to them has no words. "
    return f"{note}{none:,} datapoints ({none / ranked:.0%}) belong to no cluster. {reduction(clusters)}"


def reduction(clusters: Clusters) -> str:
    """Say what was computed on a sample; empty where nothing was."""
    sampled, ranked = clusters.evidence.sampled
    if sampled == ranked:
        return ""
    return f"Nulls and stability are of a sample of {sampled:,} datapoints; similarities and membership are exact."


def to_json(clusters: Clusters, cards: Sequence[Card], agreement: LabelAgreement | None = None) -> dict[str, Any]:
    """The JSON of the command ``cluster``, plain values."""
    cut, matrix, prompts = [card.cluster for card in cards], clusters.matrix, clusters.matrix.prompts
    after, before = prompts.models or (None, None)
    vectors = {"method": matrix.method.name, "layer": matrix.layer, "stage": clusters.index.manifest.checkpoint}
    return {
        "clusters": [card.to_json() for card in cards],
        **vectors,
        "answers": {"now": after, "before": before},
        "unchanged": list(prompts.unchanged),
        "silhouettes": clusters.silhouettes,
        "unassigned": _unassigned(clusters, cut),
        "reduction": reduction(clusters) or None,
        "note": summary(clusters, cut),
        **({"agreement": agreement.to_json()} if agreement else {}),
    }


def assignment_csv(cut: Sequence[Cluster], table: pa.Table) -> str:
    """One line for each datapoint: id, cluster (empty for none), similarity to it, whether it is called emergent."""
    rows: list[tuple[int, float, bool] | tuple[None, None, None]] = [(None, None, None)] * table.num_rows
    for c in cut:
        for row, value in zip(c.datapoints, c.similarities.tolist(), strict=True):
            rows[row] = c.id, round(value, 4), c.emergent
    ids, similarities, emergent = zip(*rows, strict=True)
    columns = {"id": table["id"], "cluster": ids, "similarity": similarities, "emergent": emergent}
    return write_rows(pa.table(columns), "csv").decode()


def _unassigned(clusters: Clusters, cut: Sequence[Cluster]) -> int:
    return clusters.evidence.sampled[1] - sum(len(c.datapoints) for c in cut)
