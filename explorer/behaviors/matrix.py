"""The similarity matrix: how alike every subject is to every datapoint, exact, streamed from the index."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from explorer.attribution import Choice, index_model, settle
from explorer.behaviors.subjects import Subject, Subjects
from explorer.errors import ExplorerError
from explorer.models import load_model
from explorer.ranking import Target, scores
from explorer.study import Study
from explorer.vectors.build import check_index, item_vectors
from explorer.vectors.methods import METHODS, Method
from explorer.vectors.store import UNRANKED, Index, write_tensors

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
    found = scores(index, target, method, layers, centre, "contrast", torch.eye(len(target.kinds)))
    return np.ascontiguousarray(found.numpy().T)


def subject_vectors(study: Study, index: Index, subjects: Subjects, progress: Progress | None = None) -> Target:
    """The subjects' vectors in the index's model, all its parts and layers; kept beside the index once they are made.

    The slow part of clustering. Raises ExplorerError where the model is not the one that the index was made in.
    """
    loaded = load_model(index_model(study, index))
    check_index(index, loaded)
    told = json.dumps([study.template, index.manifest.fingerprint, *(asdict(s) for s in subjects.rows)])
    path = index.folder / f"subjects-{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        items = [s.item(study.template == "raw") for s in subjects.rows]
        made: list[tuple[dict[str, Tensor], Tensor]] = []
        for start in range(0, len(items), CHUNK):
            made.append(item_vectors(loaded, items[start : start + CHUNK], index.manifest.layers, index.manifest.parts))
            if progress:
                progress(min(start + CHUNK, len(items)), len(items))
        write_tensors(index.folder, path.name, _joined(made))
    found = load_file(path)
    kinds = found.pop("kinds")
    return Target(found, kinds)


def _joined(made: list[tuple[dict[str, Tensor], Tensor]]) -> dict[str, Tensor]:
    """The chunks in a row; a chunk without any answer has no vectors, and gets zeros."""
    widths = {key: v.shape[1] for vectors, _ in made for key, v in vectors.items()}
    whole = {
        key: torch.cat([v[key] if key in v else torch.zeros(len(kinds), width) for v, kinds in made])
        for key, width in widths.items()
    }
    return whole | {"kinds": torch.cat([kinds for _, kinds in made])}
