"""Corpora without any structure, drawn from a sample of the datapoints: the null hypotheses of the clusters.

- ``permuted``: each dimension of the vectors is permuted over the datapoints of the same kind. Dimensions keep their
  values and lose their correlations.
- ``cloud``: random mixtures of the vectors: one Gaussian cloud of the same mean and covariance, without any group.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from explorer.behaviors.matrix import Matrix
from explorer.vectors.index import UNRANKED, Index


@dataclass
class Sample(Index):
    """Some rows of an index, in memory.

    Attributes:
        row_kinds: (rows,) kind of each.
        vectors: "<part>.<layer>" → (rows, width) float32.
        source: the whole index, whose means centre the vectors.
    """

    row_kinds: Tensor
    vectors: dict[str, Tensor]
    source: Index

    def __post_init__(self) -> None:
        self.kinds = self.row_kinds

    def blocks(self, part: str, layer: int) -> Iterator[tuple[int, Tensor]]:
        """All rows as one block."""
        yield 0, self.vectors[f"{part}.{layer}"]

    def means(self, part: str, layer: int) -> Tensor:
        """The means of the whole index."""
        return self.source.means(part, layer)

    def norms(self, part: str, layer: int, centred: bool) -> Tensor:
        """(rows,) lengths of the vectors, as they are or after the whole index's means are subtracted."""
        x = self.vectors[f"{part}.{layer}"]
        return (x - self.means(part, layer)[self.row_kinds.long()] if centred else x).norm(dim=1)

    @property
    def kind_rows(self) -> list[Tensor]:
        """Row numbers of each kind that is ranked."""
        kinds = self.row_kinds.unique().tolist()
        return [(self.row_kinds == kind).nonzero()[:, 0] for kind in kinds if kind != UNRANKED]


def take_sample(index: Index, matrix: Matrix, rows: np.ndarray) -> Sample:
    """Read some rows of the index, the parts and the layer that the matrix was made of."""
    which = torch.from_numpy(rows)
    vectors = {f"{p}.{matrix.layer}": index.rows(p, matrix.layer, which) for p in matrix.method.parts}
    return Sample(index.folder, index.manifest, index.kinds[which], vectors, index)


def permuted(sample: Sample, rng: np.random.Generator) -> Sample:
    """Permute each dimension over the rows of a kind, independently of the other dimensions."""
    vectors = {key: x.clone() for key, x in sample.vectors.items()}
    for rows in sample.kind_rows:
        for x in vectors.values():
            x[rows] = torch.from_numpy(rng.permuted(x[rows].numpy(), axis=0))
    return replace(sample, vectors=vectors)


def cloud(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw the rows of a kind from a Gaussian with the mean and covariance of that kind, over all parts at once."""
    vectors = {key: x.clone() for key, x in sample.vectors.items()}
    for rows in sample.kind_rows:
        weights = torch.from_numpy(rng.standard_normal((len(rows), len(rows)), dtype=np.float32)) / len(rows) ** 0.5
        for x in vectors.values():
            mean = x[rows].mean(0)
            x[rows] = weights @ (x[rows] - mean) + mean
    return replace(sample, vectors=vectors)


CORPORA: dict[str, Callable[[Sample, np.random.Generator], Sample]] = {"permuted": permuted, "cloud": cloud}
