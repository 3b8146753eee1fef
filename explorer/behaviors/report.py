"""Clusters in writing: a summary in sentences, JSON with every card, CSV with every datapoint; or of a selection."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.behaviors.agreement import LabelAgreement
from explorer.behaviors.cards import Card
from explorer.behaviors.clusters import Cluster, Clusters
from explorer.behaviors.selection import Selection
from explorer.ranking.table import write_rows


def heading(study: str, clusters: Clusters) -> str:
    """The title of every file: the study's name and what was compared."""
    return f"Behaviors of {study}: {_compared(clusters)}"


def _compared(clusters: Clusters) -> str:
    prompts, ranked = clusters.matrix.prompts, clusters.evidence.sampled[1]
    checkpoint = clusters.index.manifest.checkpoint
    return f"{len(prompts.rows)} prompts against {ranked:,} datapoints, in the model '{checkpoint}'"


def summary(clusters: Clusters, cut: Sequence[Cluster], selection: Selection | None = None) -> str:
    """Say what was compared, what was left out, what was computed on a sample, and what is selected."""
    prompts, ranked, none = clusters.matrix.prompts, clusters.evidence.sampled[1], _unassigned(clusters, cut)
    note = f"{_compared(clusters)}. "
    if prompts.models:
        after, before = prompts.models
        note += f"{len(prompts.unchanged)} prompts are left out because '{after}' answers them as '{before}' does. "
    if prompts.wordless:
        note += f"{len(prompts.wordless)} prompts are left out because an answer to them has no words. "
    note += f"{none:,} datapoints ({none / ranked:.0%}) belong to no cluster. {reduction(clusters)}"
    return f"{note.strip()} Selected: {selection.describe()}." if selection else note


def reduction(clusters: Clusters) -> str:
    """Say what was computed on a sample; empty where nothing was."""
    sampled, ranked = clusters.evidence.sampled
    if sampled == ranked:
        return ""
    return f"Nulls and stability are of a sample of {sampled:,} datapoints; similarities and membership are exact."


def to_json(
    clusters: Clusters,
    cut: Sequence[Cluster],
    cards: Sequence[Card],
    agreement: LabelAgreement | None = None,
    selection: Selection | None = None,
) -> dict[str, Any]:
    """The JSON of the command ``cluster``, plain values; ``cards`` of the whole cut, or of what is on screen of it."""
    matrix, prompts = clusters.matrix, clusters.matrix.prompts
    after, before = prompts.models or (None, None)
    vectors = {"method": matrix.method.name, "layer": matrix.layer, "stage": clusters.index.manifest.checkpoint}
    selected = (
        {"prompts": int(selection.prompts.sum()), "datapoints": int(selection.datapoints.sum())} if selection else {}
    )
    return {
        "clusters": [card.to_json() for card in cards],
        **vectors,
        "answers": {"now": after, "before": before},
        "unchanged": list(prompts.unchanged),
        "silhouettes": clusters.silhouettes,
        "unassigned": _unassigned(clusters, cut),
        "reduction": reduction(clusters) or None,
        "note": summary(clusters, cut, selection),
        **({"selected": selected} if selection else {}),
        **({"agreement": agreement.to_json()} if agreement else {}),
    }


def assignment_csv(cards: Sequence[Card], table: pa.Table, rows: np.ndarray | None = None) -> str:
    """One line for each datapoint: id, its cluster with name, tag and note, similarity, whether it is called emergent.

    Fields are empty for datapoints of no cluster, and names, tags and notes where nobody gave any.

    Args:
        rows: (n,) bool, the datapoints that get a line; by default all.
    """
    nothing: tuple[Any, ...] = (None,) * 6
    lines = [nothing] * table.num_rows
    for card in cards:
        c, note = card.cluster, card.note
        for row, value in zip(c.datapoints, c.similarities.tolist(), strict=True):
            lines[row] = c.id, round(value, 4), c.emergent, note.name, note.tag, note.note
    kept = np.flatnonzero(np.ones(table.num_rows, dtype=bool) if rows is None else rows)
    names = ("cluster", "similarity", "emergent", "name", "tag", "note")
    columns = zip(*(lines[i] for i in kept), strict=True) if len(kept) else ((),) * len(names)
    ids = table["id"].take(pa.array(kept))
    return write_rows(pa.table({"id": ids, **dict(zip(names, columns, strict=True))}), "csv").decode()


def _unassigned(clusters: Clusters, cut: Sequence[Cluster]) -> int:
    return clusters.evidence.sampled[1] - sum(len(c.datapoints) for c in cut)
