"""From a study to its clusters in one call: what the page and the command line do."""

from collections.abc import Callable
from dataclasses import dataclass

from explorer.behaviors.clusters import Cluster, Clustering, find_clusters
from explorer.behaviors.matrix import similarity, subject_vectors
from explorer.behaviors.prompts import Subjects, Which, study_subjects
from explorer.data.study import Study
from explorer.ranking.rank import Choice
from explorer.vectors.index import Index

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many steps of it are done, of how many."""


@dataclass(frozen=True)
class Found:
    """The clusters of a study, with what they were made from."""

    subjects: Subjects
    clustering: Clustering
    choice: Choice
    checkpoint: str

    def note(self, clusters: list[Cluster]) -> str:
        """What was looked at and what was left out, in sentences."""
        matrix, ranked = self.clustering.matrix, self.clustering.evidence.sampled[1]
        said = [f"{len(matrix.subjects)} prompts against {ranked:,} datapoints, in the model '{self.checkpoint}'."]
        if self.subjects.models:
            after, before = self.subjects.models
            same = len(self.subjects.unchanged)
            said.append(f"{same} prompts are left out because '{after}' answers them as '{before}' does.")
        if matrix.silent:
            said.append(f"{len(matrix.silent)} prompts are left out because an answer to them has no words.")
        none = ranked - sum(len(c.datapoints) for c in clusters)
        said.append(f"{none:,} datapoints ({none / ranked:.0%}) belong to no cluster.")
        return " ".join([*said, self.reduction])

    @property
    def reduction(self) -> str:
        """What was worked out on a sample, in words; empty where nothing was."""
        sampled, ranked = self.clustering.evidence.sampled
        if sampled == ranked:
            return ""
        return f"Nulls and stability are of a sample of {sampled:,} datapoints; similarities and membership are exact."


def reference_for(study: Study, index: Index) -> str:
    """The checkpoint that discovery answers are held against: the one that the vectors were made in.

    So r₁ − r₀ is all that training since then has changed, seen by the model that had it still to learn. With vectors
    of the model under study itself, the one before the last stage.
    """
    name = index.manifest.checkpoint
    return "before" if study.checkpoint(name)[1] == study.spec else name


def discover(
    study: Study,
    index: Index,
    choice: Choice = Choice(),
    which: Which = "all",
    count: int | None = None,
    seed: int = 0,
    reference: str | None = None,
    progress: Progress | None = None,
) -> Found:
    """Generate the answers that are missing, make the vectors, cluster, and weigh every cluster.

    Slow the first time; answers, vectors and figures are kept in the study. Another number of clusters is
    ``found.clustering.cut(count)``, for nothing.
    """
    say = progress or (lambda _what, _done, _of: None)
    before = reference or reference_for(study, index)
    subjects = study_subjects(study, which, before, lambda done, of: say("Asking both models", done, of))
    target = subject_vectors(study, index, subjects, lambda done, of: say("Making vectors", done, of))
    matrix = similarity(index, subjects, target, choice)
    weigh = lambda done, of: say("Weighing clusters against chance", done, of)  # noqa: E731
    clustering = find_clusters(index, matrix, count, seed, progress=weigh, keep=True)
    settled = Choice(choice.method, matrix.layers[0] if len(matrix.layers) == 1 else None, matrix.centre)
    return Found(subjects, clustering, settled, index.manifest.checkpoint)
