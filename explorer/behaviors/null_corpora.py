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
from explorer.vectors.index import Index


@dataclass
class Sample(Index):
    """Some rows of an index, in memory; centred by the means of the whole index, which its folder has.

    Attributes:
        row_kinds: (rows,) kind of each.
        vectors: "<part>.<layer>" → (rows, width) float32.
    """

    row_kinds: Tensor
    vectors: dict[str, Tensor]

    def __post_init__(self) -> None:
        self.kinds = self.row_kinds

    def blocks(self, part: str, layer: int) -> Iterator[tuple[int, Tensor]]:
        """All rows as one block."""
        yield 0, self.vectors[f"{part}.{layer}"]

    def norms(self, part: str, layer: int, centred: bool) -> Tensor:
        """(rows,) lengths of the vectors, as they are or centred."""
        x = self.vectors[f"{part}.{layer}"]
        return (x - self.means(part, layer)[self.row_kinds.long()] if centred else x).norm(dim=1)

    def redrawn(self, draw: "Draw", rng: np.random.Generator) -> "Sample":
        """The same rows with other vectors, drawn for each kind by itself."""
        vectors = {key: x.clone() for key, x in self.vectors.items()}
        for kind in self.row_kinds.unique():
            rows = self.row_kinds == kind
            for x, drawn in zip(vectors.values(), draw([x[rows] for x in vectors.values()], rng), strict=True):
                x[rows] = drawn
        return replace(self, vectors=vectors)


def take_sample(index: Index, matrix: Matrix, rows: np.ndarray) -> Sample:
    """Read some rows of the index, the parts and the layer that the matrix was made of."""
    which = torch.from_numpy(rows)
    vectors = {f"{p}.{matrix.layer}": index.rows(p, matrix.layer, which) for p in matrix.method.parts}
    return Sample(index.folder, index.manifest, index.kinds[which], vectors)


Draw = Callable[[list[Tensor], np.random.Generator], list[Tensor]]
"""From the vectors of a kind, one tensor (rows, width) a part, to as many of a corpus without structure."""


def permuted(parts: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Permute each dimension over the rows, independently of the other dimensions."""
    return [torch.from_numpy(rng.permuted(x.numpy(), axis=0)) for x in parts]


def cloud(parts: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Draw the rows from a Gaussian with the mean and covariance of the vectors, over all parts at once."""
    n = len(parts[0])
    weights = torch.from_numpy(rng.standard_normal((n, n), dtype=np.float32)) / n**0.5
    return [weights @ (x - x.mean(0)) + x.mean(0) for x in parts]


CORPORA: dict[str, Draw] = {"permuted": permuted, "cloud": cloud}
