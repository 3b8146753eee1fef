"""The figures of a weighing, kept beside the index, so that the same clusters are not held against chance twice.

``vectors/<fingerprint>/weighed/<16 hex>.safetensors``: named by all that the figures hang on, ``Evidence`` as tensors,
and the tree's ``nodes``: a tree that comes out otherwise, on another machine say, is weighed anew.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import from_numpy

from explorer.behaviors import significance as nulls
from explorer.behaviors.matrix import Matrix
from explorer.behaviors.significance import Evidence, Null
from explorer.behaviors.tree import Tree
from explorer.behaviors.vector_cache import put, subject_name

FOLDER = "weighed"


def weighing(index_folder: Path, matrix: Matrix, tree: Tree, seed: int, draws: int, resamples: int) -> Path:
    """Where the figures of this weighing are kept."""
    how = [nulls.CODE, nulls.SAMPLE, nulls.BEYOND, nulls.SHARES, nulls.SUBJECTS_LEAST, seed, draws, resamples]
    of = [matrix.method.name, matrix.layers, matrix.centre, len(tree.cuts), [subject_name(s) for s in matrix.subjects]]
    digest = hashlib.sha256(json.dumps([how, of]).encode()).hexdigest()
    return index_folder / FOLDER / f"{digest[:16]}.safetensors"


def keep_evidence(path: Path, evidence: Evidence, tree: Tree) -> None:
    """Write the figures in one step."""
    held = {"nodes": tree.nodes, "profile": evidence.profile, "cutoffs": evidence.cutoffs}
    held["sampled"] = np.array(evidence.sampled)
    for name, null in evidence.nulls.items():
        held |= {f"null.{name}.{part}": array for part, array in vars(null).items()}
    held |= {f"stability.{count}": array for count, array in evidence.stability.items()}
    put(path, {key: from_numpy(np.array(array)) for key, array in held.items()})


def kept_evidence(path: Path, tree: Tree) -> Evidence | None:
    """The figures; None where there are none, or not of this tree, or the file is damaged."""
    try:
        held = load_file(path)
        if not np.array_equal(held["nodes"], tree.nodes):
            return None
        names = {key.split(".")[1]: None for key in held if key.startswith("null.")}
        found = {n: Null(*(held[f"null.{n}.{part}"] for part in ("mean", "sd", "greatest"))) for n in sorted(names)}
        stable = {count: held[f"stability.{count}"] for count in tree.cuts}
        sampled, ranked = held["sampled"].tolist()
        return Evidence(held["profile"], held["cutoffs"], found, stable, (sampled, ranked))
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
