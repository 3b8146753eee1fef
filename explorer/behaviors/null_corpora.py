"""Corpora without any structure, made from a sample of the datapoints: what clusters are held against.

- ``permuted``: each dimension of the vectors is permuted over the datapoints (of the same kind), so that dimensions
  keep their values and forget each other.
- ``cloud``: random mixtures of the vectors: one Gaussian cloud of the same mean and covariance, without any group.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.behaviors.matrix import Matrix, against
from explorer.vectors.index import UNRANKED, Index


@dataclass
class Sample(Index):
    """Some rows of an index in memory: ``held`` "<part>.<layer>" → (rows, width) float32, and their kinds ``of``."""

    of: Tensor
    held: dict[str, Tensor]
    base: Index

    def __post_init__(self) -> None:
        self.kinds = self.of

    def blocks(self, part: str, layer: int) -> Iterator[tuple[int, Tensor]]:
        """All rows as one block."""
        yield 0, self.held[f"{part}.{layer}"]

    def means(self, part: str, layer: int) -> Tensor:
        """Those of the whole index."""
        return self.base.means(part, layer)

    def norms(self, part: str, layer: int, centred: bool) -> Tensor:
        """Lengths of these rows as they are, or from the whole index's means."""
        x = self.held[f"{part}.{layer}"]
        return (x - self.means(part, layer)[self.of.long()] if centred else x).norm(dim=1)

    def values(self, matrix: Matrix) -> np.ndarray:
        """(m, rows) similarities with the matrix's subjects, made as the matrix itself."""
        return against(self, matrix.target, matrix.method, matrix.layers, matrix.centre)


def take(index: Index, matrix: Matrix, chosen: np.ndarray) -> Sample:
    """These rows of the index, the parts and layers that the matrix was made of."""
    which = torch.from_numpy(chosen)
    held = {f"{p}.{layer}": index.rows(p, layer, which) for p in matrix.method.parts for layer in matrix.layers}
    return Sample(index.folder, index.manifest, index.kinds[which], held, index)


def permuted(sample: Sample, rng: np.random.Generator) -> Sample:
    """Each dimension permuted over the rows of a kind, on its own."""
    held = {key: x.clone() for key, x in sample.held.items()}
    for rows in _kinds(sample):
        for x in held.values():
            x[rows] = torch.from_numpy(rng.permuted(x[rows].numpy(), axis=0))
    return Sample(sample.folder, sample.manifest, sample.of, held, sample.base)


def cloud(sample: Sample, rng: np.random.Generator) -> Sample:
    """Rows of a kind replaced by Gaussian draws with the mean and covariance of that kind, over all parts at once."""
    held = {key: x.clone() for key, x in sample.held.items()}
    for rows in _kinds(sample):
        mix = torch.from_numpy(rng.standard_normal((len(rows), len(rows)), dtype=np.float32)) / len(rows) ** 0.5
        for x in held.values():
            mean = x[rows].mean(0)
            x[rows] = mix @ (x[rows] - mean) + mean
    return Sample(sample.folder, sample.manifest, sample.of, held, sample.base)


CORPORA: dict[str, Callable[[Sample, np.random.Generator], Sample]] = {"permuted": permuted, "cloud": cloud}


def _kinds(sample: Sample) -> list[Tensor]:
    return [(sample.of == kind).nonzero()[:, 0] for kind in sample.of.unique().tolist() if kind != UNRANKED]
