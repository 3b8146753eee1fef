"""The similarity matrix: how alike every subject is to every datapoint, exact, streamed from the index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.behaviors.prompts import Subject, Subjects
from explorer.behaviors.vector_cache import keep, read_kept, subject_name, target_of
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.rank import Choice, settle
from explorer.ranking.scores import Target, scores
from explorer.vectors.find import check_index, index_model
from explorer.vectors.fingerprint import unloaded
from explorer.vectors.index import UNRANKED, Index
from explorer.vectors.items import item_vectors
from explorer.vectors.methods import METHODS, Method

CHUNK = 40
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Matrix:
    """Cosines of m subjects with n datapoints under one method at one layer.

    Attributes:
        values: (m, n) float32 in −1..1; nan in the columns of datapoints that are never ranked.
        target: the vectors of the subjects, all parts and layers of the index.
        layers: the layer, or all those whose cosines are averaged.
        silent: ids of subjects without a row: an answer of theirs has no token.
    """

    subjects: tuple[Subject, ...]
    values: np.ndarray
    target: Target
    method: Method
    layers: tuple[int, ...]
    centre: bool
    silent: tuple[str, ...] = ()

    @property
    def ranked(self) -> np.ndarray:
        """(n,) bool: the datapoints that can be compared."""
        return ~np.isnan(self.values[0])


def similarity(index: Index, subjects: Subjects, target: Target, choice: Choice) -> Matrix:
    """S[b, d]: the cosine of subject b with datapoint d, as ``choice`` says (its query kind does not matter).

    ``target``: what ``subject_vectors`` made of the same subjects. Raises ExplorerError for a method that has no
    vectors, a layer that the index lacks, and subjects none of which has an answer.
    """
    if choice.method in METHODS and not METHODS[choice.method].parts:
        raise ExplorerError(f"Method '{choice.method}' has no vectors to cluster; choose another.")
    method, full = settle(choice, index, [])
    spoken = target.kinds != UNRANKED
    if not spoken.any():
        raise ExplorerError("Nothing to cluster: no answer of any behavior prompt has a token.")
    kept = Target({k: v[spoken] for k, v in target.vectors.items()}, target.kinds[spoken])
    layers = tuple(index.manifest.layers) if full.layer is None else (full.layer,)
    values = against(index, kept, method, layers, bool(full.centre))
    rows = [s for s, said in zip(subjects.rows, spoken.tolist(), strict=True) if said]
    silent = tuple(s.id for s, said in zip(subjects.rows, spoken.tolist(), strict=True) if not said)
    return Matrix(tuple(rows), values, kept, method, layers, bool(full.centre), silent)


def against(index: Index, target: Target, method: Method, layers: Sequence[int], centre: bool) -> np.ndarray:
    """(m, n) cosines of each vector of a target with each row of an index; nan where a row is never ranked."""
    each = torch.eye(len(target.kinds)).to_sparse()  # dense, it would cost as much as the similarities
    found = scores(index, target, method, layers, centre, "contrast", each)
    return np.ascontiguousarray(found.numpy().T)


def subject_vectors(study: Study, index: Index, subjects: Subjects, progress: Progress | None = None) -> Target:
    """The subjects' vectors in the index's model, all its parts and layers; kept beside the index once they are made.

    The slow part of clustering; stopped, it goes on where it was. Vectors are rounded to bfloat16, as the index's are.
    The model is loaded only where one is missing. Raises ExplorerError where the model is not the one that the index
    was made in.
    """
    spec = index_model(study, index)
    check_index(index, unloaded(spec))
    names, have = [subject_name(s) for s in subjects.rows], read_kept(index.folder)
    todo = list({name: s for name, s in zip(names, subjects.rows, strict=True) if name not in have}.items())
    for start in range(0, len(todo), CHUNK):
        some = todo[start : start + CHUNK]
        items = [s.item(study.template == "raw") for _, s in some]
        made = item_vectors(load_model(spec), items, index.manifest.layers, index.manifest.parts)
        keep(index.folder, [name for name, _ in some], *made)
        if progress:
            progress(min(start + CHUNK, len(todo)), len(todo))
    return target_of(read_kept(index.folder) if todo else have, names)
