"""The similarity matrix: the cosine of every prompt with every datapoint, exact, streamed from the index."""

from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import torch

from explorer.behaviors.prompts import AnsweredPrompt, PromptSet
from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice, settle
from explorer.ranking.scores import Target, scores
from explorer.vectors.index import UNRANKED, Index
from explorer.vectors.methods import METHODS, Method


@dataclass(frozen=True)
class Matrix:
    """Cosines of m prompts with n datapoints under one method at one layer.

    Attributes:
        prompts: ``prompts.rows`` are the m rows.
        values: (m, n) float32 in −1..1; nan in the columns of datapoints that are never ranked.
        target: the vectors of the rows, all parts and layers of the index.
        centre: whether the corpus mean is subtracted before the cosine.
    """

    prompts: PromptSet
    values: np.ndarray
    target: Target
    method: Method
    layer: int
    centre: bool

    @property
    def rows(self) -> tuple[AnsweredPrompt, ...]:
        """The m prompts."""
        return self.prompts.rows

    @property
    def ranked(self) -> np.ndarray:
        """(n,) bool: the datapoints that can be compared."""
        return ~np.isnan(self.values[0])

    def similarities(self, index: Index, target: Target) -> np.ndarray:
        """(k, n) cosines of k vectors with the rows of an index, by the matrix's method; nan where never ranked."""
        each = torch.eye(len(target.kinds)).to_sparse()  # dense, it would cost as much as the similarities
        values = scores(index, target, self.method, self.layer, self.centre, "contrast", each)
        return np.ascontiguousarray(values.numpy().T)


def similarity(
    index: Index, prompts: PromptSet, target: Target, method: str, layer: int | None = None, centre: bool | None = None
) -> Matrix:
    """Compute the matrix; ``target`` is what ``prompt_vectors`` made of ``prompts.rows``.

    Layer and centring default to the index's and the method's. Raises ExplorerError for a method that has no vectors,
    a layer that the index lacks, and prompts none of which has an answer with a token.
    """
    if method in METHODS and not METHODS[method].parts:
        raise ExplorerError(f"Method '{method}' has no vectors to cluster; choose another.")
    by, choice = settle(Choice(method, layer, centre), index, [])
    assert choice.layer is not None and choice.centre is not None  # settle fills them
    has_token = target.kinds != UNRANKED
    if not has_token.any():
        raise ExplorerError("Nothing to cluster: no answer of any behavior prompt has a token.")
    target = Target({k: v[has_token] for k, v in target.vectors.items()}, target.kinds[has_token])
    rows = tuple(compress(prompts.rows, has_token))
    wordless = tuple(prompt.id for prompt in compress(prompts.rows, ~has_token))
    prompts = replace(prompts, rows=rows, wordless=wordless)
    matrix = Matrix(prompts, np.empty(0), target, by, choice.layer, choice.centre)
    return replace(matrix, values=matrix.similarities(index, target))
