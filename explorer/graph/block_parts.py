"""A block taken apart into its attention and its MLP: where a token's edge to itself passes."""

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

    ``residual``: past both halves, by the residual connection. ``attention``: through attention (value, key and query
    path), and on from there in any way. ``mlp``: through the MLP without attention.
    """

    residual: np.ndarray
    attention: np.ndarray
    mlp: np.ndarray


def vertical_parts(view: PreTrainedModel, trace: Trace, layer: int) -> VerticalParts:
    """Split the same-token edges from layer ``layer`` to ``layer`` + 1; the three parts add up to them."""
    passes = passes_of(trace)
    x = head_inputs(view, trace, layer)
    length = x.query.shape[1]
    wide = x.query.dtype
    residual = (passes.states[layer].to(wide) * passes.gradients[layer + 1].to(wide)).sum(-1)
    attention = x.query.new_zeros(length)
    for first, last, rows in row_blocks(x):
        positions = torch.arange(first, last, device=rows.device)
        attention[first:last] = rows[positions - first, positions]
    attention += query_path(x)
    whole = edge_matrix(view, trace, layer).diagonal()
    parts = (part.cpu().double().numpy() for part in (residual, attention, whole - residual - attention))
    return VerticalParts(*parts)
