"""The cluster that a failure belongs to: the one that holds its prompt, else most prompts of its behavior."""

from collections.abc import Sequence

from explorer.behaviors.clusters import Cluster, Clusters
from explorer.data.failures import Failure
from explorer.data.study import Study


def cluster_of(clusters: Clusters, cut: Sequence[Cluster], study: Study, failure: Failure) -> Cluster | None:
    """Return the cluster of a cut that a failure belongs to; None where none holds its prompt or its behavior."""
    rows = clusters.matrix.rows
    asked = {(b.prompt, b.system): b.name for b in study.behaviors()}
    name = failure.behavior or asked.get((failure.prompt, failure.system or ""), "")
    own = [any(rows[i].prompt == failure.prompt for i in one.prompts) for one in cut]
    named = [sum(bool(name) and rows[i].name == name for i in one.prompts) for one in cut]
    best = max(range(len(cut)), key=lambda i: (own[i], named[i]), default=None)
    return cut[best] if best is not None and (own[best] or named[best]) else None
