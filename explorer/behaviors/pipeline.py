"""From a study to its clusters in one call."""

from explorer.behaviors.clusters import Clusters, find_clusters
from explorer.behaviors.matrix import similarity
from explorer.behaviors.prompt_vectors import prompt_vectors
from explorer.behaviors.prompts import PromptKind, default_reference, study_prompts
from explorer.data.study import Study
from explorer.progress import Progress, silent
from explorer.vectors.find import pick_index
from explorer.vectors.index import Index


def cluster(
    study: Study,
    *,
    method: str = "explorer",
    layer: int | None = None,
    stage: str | None = None,
    prompts: PromptKind = "all",
    count: int | None = None,
    seed: int = 0,
    reference: str | None = None,
    index: Index | None = None,
    progress: Progress = silent,
) -> Clusters:
    """Group the prompts of a study by the datapoints that explain their answers, and test every group.

    Generates the answers that are missing and computes the prompts' vectors. This is slow the first time; answers,
    vectors and test results are cached in the study. Other numbers of clusters are ``clusters.cut(count)``.

    Args:
        method: what makes a prompt and a datapoint similar (``vectors.methods``).
        layer: 1 to L; by default the one that the index has chosen.
        stage: checkpoint whose vectors are used; by default the earliest one that has vectors.
        count: number of clusters; by default that of the best silhouette.
        seed: of the null corpora and of the resampling.
        reference: checkpoint whose answers count as before training; by default ``default_reference``.
        index: the vectors to use, instead of choosing some by method, layer and stage.

    Raises ExplorerError where vectors or prompts are missing.
    """
    index = index or pick_index(study, method, layer, stage)
    reference = reference or default_reference(study, index.manifest.checkpoint)
    answered = study_prompts(study, prompts, reference, progress)
    target = prompt_vectors(study, index, answered.rows, progress)
    matrix = similarity(index, answered, target, method, layer)
    return find_clusters(index, matrix, count, seed, progress=progress, cached=True)
