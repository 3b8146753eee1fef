"""What storing vectors in bfloat16 changes in the figures of the demo: ``python -m bench.storage``."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.data.study import BASE
from explorer.demo.build import build_demo, default_folder
from explorer.demo.planted import BEHAVIORS
from explorer.model.load import LoadedModel, load_model
from explorer.ranking.metrics import average_precision
from explorer.ranking.questions import AboutBehavior, question_items
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.index import STATS, Index, Manifest, statistics, write_tensors
from explorer.vectors.items import Item, item_vectors, row_items
from explorer.vectors.methods import METHODS

PARTS = ("state", "gradient", "change", "activation")
USED = [method for method in METHODS.values() if method.parts and set(method.parts) <= set(PARTS)]
LAYER, EACH = 28, 75


@dataclass(frozen=True)
class Stored:
    """Average precision of a method with its defaults, from float32 vectors (``exact``) and from ``rounded`` ones."""

    behavior: str
    method: str
    exact: float
    rounded: float

    @property
    def change(self) -> float:
        """How far the rounded figure is from the exact one."""
        return abs(self.rounded - self.exact)


def bench_storage() -> list[Stored]:
    """75 guilty rows of each behavior of the demo and as many clean ones, at layer 28 of the bare model."""
    study = build_demo(default_folder())
    spec = study.checkpoints()[BASE]
    table = study.datapoints()
    labels = np.array(table["label"].to_pylist(), dtype=object)
    rows = np.concatenate([np.flatnonzero(labels == name)[:EACH] for name in BEHAVIORS])
    clean = np.flatnonzero(labels == "clean")
    rows = np.concatenate([rows, clean[:: len(clean) // len(rows)][: len(rows)]])
    items = row_items(table.take(rows).to_pylist(), raw=False)
    behaviors = {name: question_items(study, AboutBehavior(name)) for name in BEHAVIORS}
    return compare(load_model(spec), items, labels[rows], behaviors, LAYER)


def compare(
    loaded: LoadedModel,
    items: Sequence[Item],
    labels: np.ndarray,
    behaviors: Mapping[str, Sequence[Item]],
    layer: int,
    dtype: torch.dtype = torch.bfloat16,
) -> list[Stored]:
    """Rank n items, with their labels (n,), for behaviors of the same names, from vectors in float32 and in ``dtype``.

    Each behavior is looked for by its items, which all have another answer.
    """
    vectors, kinds = item_vectors(loaded, items, [layer], PARTS)
    table = []
    with tempfile.TemporaryDirectory() as scratch:
        pair = [_index(Path(scratch) / str(kind), vectors, kinds, layer, kind) for kind in (torch.float32, dtype)]
        for name, queries in behaviors.items():
            targets = {kind: encode_target(loaded, queries, PARTS, [layer], kind) for kind in ("bad", "contrast")}
            for method in USED:
                given = (targets[method.query], method, layer, method.centre, method.query)
                precisions = [average_precision(scores(index, *given).numpy(), labels == name) for index in pair]
                table.append(Stored(name, method.name, *precisions))
    return table


def _index(folder: Path, vectors: Mapping[str, Tensor], kinds: Tensor, layer: int, dtype: torch.dtype) -> Index:
    folder.mkdir()
    manifest = Manifest("before", {}, len(kinds), len(kinds), [layer], list(PARTS), layer)
    shard = {key: x.to(dtype) for key, x in vectors.items()} | {"kinds": kinds}
    manifest.files[manifest.shards[0][0]] = write_tensors(folder, manifest.shards[0][0], shard)
    manifest.files[STATS] = write_tensors(folder, STATS, statistics(Index(folder, manifest)))
    return Index(folder, manifest)


if __name__ == "__main__":
    stored = bench_storage()
    for row in stored:
        print(f"{row.behavior:20} {row.method:22} {row.exact:.4f} {row.rounded:.4f}  {row.change:.4f}")
    print(f"largest change {max(row.change for row in stored):.4f}")
