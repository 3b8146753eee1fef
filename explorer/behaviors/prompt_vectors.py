"""Vectors of prompts, cached beside the index by the digest of their texts: any set of prompts finds its own.

```
vectors/<fingerprint>/subjects/<16 hex>.safetensors
  "<part>.<layer>" (k, width) bfloat16, "kinds" (k,) uint8, "names" (k, 32) uint8: SHA-256 of prompt and answers
```
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.study import Study
from explorer.model.load import load_model
from explorer.progress import Progress, silent
from explorer.ranking.scores import Target
from explorer.vectors.cache import cache_path, read_cached, write_cached
from explorer.vectors.find import check_index, index_model
from explorer.vectors.index import Index
from explorer.vectors.items import item_vectors

FOLDER = "subjects"
CHUNK = 40
"""Prompts in each file; a stopped run loses the file in hand."""


def prompt_vectors(
    study: Study, index: Index, prompts: Sequence[AnsweredPrompt], progress: Progress = silent
) -> Target:
    """Compute the prompts' vectors in the index's model, for all its parts and layers, or read them from the cache.

    They are rounded to bfloat16, as the index's are. Raises ExplorerError where the index was made in another model.
    """
    spec = index_model(study, index)
    check_index(index, spec)
    folder = index.folder / FOLDER
    cached = _read(folder)
    todo = list({p.digest: p for p in prompts if p.digest not in cached}.items())
    for start in range(0, len(todo), CHUNK):
        digests, chunk = zip(*todo[start : start + CHUNK], strict=True)
        items = [prompt.item(study) for prompt in chunk]
        vectors, kinds = item_vectors(load_model(spec), items, index.manifest.layers, index.manifest.parts)
        tensors = {key: value.to(torch.bfloat16) for key, value in vectors.items()}
        names = torch.tensor([list(bytes.fromhex(digest)) for digest in digests], dtype=torch.uint8)
        write_cached(cache_path(folder, digests), tensors | {"kinds": kinds, "names": names})
        progress("Making vectors", start + len(chunk), len(todo))
    if todo:
        cached = _read(folder)
    return _stack([cached[p.digest] for p in prompts])


def _read(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of each cached prompt, by its digest."""
    files = (read_cached(path, _split) or {} for path in sorted(folder.glob("*.safetensors")))
    return {digest: tensors for prompts in files for digest, tensors in prompts.items()}


def _split(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    digests = [bytes(row).hex() for row in tensors.pop("names").tolist()]
    return {digest: {key: value[i] for key, value in tensors.items()} for i, digest in enumerate(digests)}


def _stack(prompts: Sequence[dict[str, Tensor]]) -> Target:
    """The vectors as float32; zeros for a prompt without an answer, which has none."""
    shapes = {key: torch.zeros_like(x) for tensors in prompts for key, x in tensors.items() if key != "kinds"}
    vectors = {key: torch.stack([p.get(key, zero) for p in prompts]).float() for key, zero in shapes.items()}
    return Target(vectors, torch.stack([p["kinds"] for p in prompts]))
