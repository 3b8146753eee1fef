"""The edges of each token to itself through one block, split into residual connection, attention and MLP."""

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from explorer.graph.edges import edge_matrix, head_inputs, query_path, row_blocks
from explorer.graph.replay import passes_of
from explorer.trace.trace import Trace


@dataclass(frozen=True)
class VerticalParts:
    """Each token's edge to itself, A[i,i] of a block, in three parts, (T,) each, in logits.

    Attributes:
        residual: by the residual connection, past both halves of the block.
        attention: through attention (value, key and query path), and on from there in any way.
        mlp: through the MLP without attention.
        arriving: what attention brings from all other tokens, Σ_{i≠j} A[j,i]; no part of A[i,i].
    """

    residual: np.ndarray
    attention: np.ndarray
    mlp: np.ndarray
    arriving: np.ndarray

    def through(self, half: str, token: int) -> float:
        """Return what reaches a token through a half of the block, ``attention`` or ``MLP``, from every token."""
        return float(self.mlp[token] if half == "MLP" else self.attention[token] + self.arriving[token])


def vertical_parts(view: PreTrainedModel, trace: Trace, layer: int) -> VerticalParts:
    """Split the same-token edges from layer ``layer`` to ``layer`` + 1; the three parts add up to them."""
    passes = passes_of(trace)
    x = head_inputs(view, trace, layer)
    length = x.query.shape[1]
    wide = x.query.dtype
    residual = (passes.states[layer].to(wide) * passes.gradients[layer + 1].to(wide)).sum(-1)
    attention, arriving = x.query.new_zeros(length), x.query.new_zeros(length)
    for first, last, rows in row_blocks(x):
        positions = torch.arange(first, last, device=rows.device)
        attention[first:last] = rows[positions - first, positions]
        arriving[first:last] = rows.sum(1) - attention[first:last]
    attention += query_path(x)
    whole = edge_matrix(view, trace, layer).diagonal()
    mlp = whole - residual - attention
    parts = (part.cpu().double().numpy() for part in (residual, attention, mlp, arriving))
    return VerticalParts(*parts)
