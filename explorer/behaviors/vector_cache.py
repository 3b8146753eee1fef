"""Vectors of subjects, kept beside the index one subject at a time, so that every set of subjects finds its own.

```
vectors/<fingerprint>/subjects/<16 hex>.safetensors
  "<part>.<layer>" (k, width) bfloat16, "kinds" (k,) uint8, "names" (k, 32) uint8: SHA-256 of prompt and answers
```

Files are only added, whole; one that is damaged is passed over, and what it held is made again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from explorer.behaviors.prompts import Subject
from explorer.errors import ExplorerError
from explorer.ranking.scores import Target
from explorer.vectors.index import write_tensors

FOLDER = "subjects"
Rows = Mapping[str, Mapping[str, Tensor]]


def subject_name(subject: Subject) -> str:
    """What a subject's vector is kept under: it hangs on the prompt and the answers alone."""
    told = json.dumps([subject.prompt, subject.answer, subject.other], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()


def keep(index_folder: Path, names: Sequence[str], vectors: Mapping[str, Tensor], kinds: Tensor) -> None:
    """Write the vectors of some subjects; ``vectors`` is empty where none of them has an answer."""
    digests = torch.tensor([list(bytes.fromhex(name)) for name in names], dtype=torch.uint8)
    held = {key: value.to(torch.bfloat16) for key, value in vectors.items()} | {"kinds": kinds, "names": digests}
    name = hashlib.sha256("".join(names).encode()).hexdigest()[:16]
    put(index_folder / FOLDER / f"{name}.safetensors", held)


def put(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file in one step, and its folder before; raises ExplorerError where that can't be."""
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise ExplorerError(f"{path.parent}: can't be made ({error.strerror}).") from error
    write_tensors(path.parent, path.name, tensors)


def read_kept(index_folder: Path) -> Rows:
    """Name → the tensors of one subject, of all that are there."""
    found: dict[str, dict[str, Tensor]] = {}
    for path in sorted((index_folder / FOLDER).glob("*.safetensors")):
        try:
            held = load_file(path)
            names = [bytes(row).hex() for row in held.pop("names").tolist()]
            found |= {name: {key: value[i] for key, value in held.items()} for i, name in enumerate(names)}
        except (SafetensorError, OSError, KeyError, IndexError):
            continue
    return found


def target_of(rows: Rows, names: Sequence[str]) -> Target:
    """The vectors of these subjects in their order, float32; zeros for one without an answer."""
    own = [rows[name] for name in names]
    like = {key: value for row in own for key, value in row.items() if key != "kinds"}
    vectors = {
        key: torch.stack([row.get(key, torch.zeros_like(value)) for row in own]).float() for key, value in like.items()
    }
    return Target(vectors, torch.stack([row["kinds"] for row in own]))
