"""The strongest edges of every layer, and exact sums over all of them, made in one pass over row blocks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.graph.edges import head_inputs, row_blocks
from explorer.limits import STORED_EDGES
from explorer.progress import Progress, silent
from explorer.trace.trace import Trace

_WHAT = "Computing the edges of each layer"


@dataclass(frozen=True)
class LayerEdges:
    """Edges between two layers, strongest |weight| first.

    ``target``, ``source``: (n,) token positions; ``weight``: (n,) logits. The sums are over all edges, stored or not:
    ``total`` Σ|A|, ``vertical`` Σ|A[i,i]|, ``reach`` Σ|A[j,i]|·(j − i) in logit-tokens; ``count`` how many are not 0.
    """

    low: int
    high: int
    target: np.ndarray
    source: np.ndarray
    weight: np.ndarray
    total: float
    vertical: float
    reach: float
    count: int


def collect_edges(
    view: PreTrainedModel, trace: Trace, most: int = STORED_EDGES, progress: Progress = silent
) -> tuple[LayerEdges, ...]:
    """Compute the edges of all neighbouring layers, (0, 1) first, and store the ``most`` strongest of each pair.

    Memory grows with T, not with T².
    """
    pairs, depth = [], len(trace.relevance) - 1
    for layer in range(depth):
        progress(_WHAT, layer, depth)
        pairs.append(_collect(view, trace, layer, most))
    progress(_WHAT, depth, depth)
    return tuple(pairs)


def _collect(view: PreTrainedModel, trace: Trace, layer: int, most: int) -> LayerEdges:
    x = head_inputs(view, trace, layer)
    length = x.query.shape[1]
    column_sums = x.query.new_zeros(length)
    strongest: list[tuple[Tensor, Tensor, Tensor]] = []
    total = reach = 0.0
    count = 0
    for first, last, rows in row_blocks(x):
        positions = torch.arange(first, last, device=rows.device)
        rows[positions - first, positions] = 0  # a token's edge to itself is what is left over, below
        column_sums[:last] += rows.sum(0)
        size = rows.abs()
        total += size.sum(dtype=torch.float64).item()
        count += int(size.count_nonzero())
        distance = positions.unsqueeze(1) - torch.arange(last, device=rows.device)
        reach += (size * distance).sum(dtype=torch.float64).item()
        top = size.flatten().topk(min(most, size.numel())).indices
        strongest.append((top // last + first, top % last, rows.flatten()[top]))
    entering = torch.as_tensor(trace.relevance[layer], device=column_sums.device, dtype=column_sums.dtype)
    diagonal = entering - column_sums
    diagonal[diagonal.abs() < 1e-6 * entering.abs().max()] = 0  # rounding of the difference, not relevance
    tokens = torch.arange(length, device=diagonal.device)
    strongest.append((tokens, tokens, diagonal))
    target, source, weight = (torch.cat(parts) for parts in zip(*strongest, strict=True))
    order = weight.abs().argsort(descending=True, stable=True)[: min(most, int(weight.count_nonzero()))]
    vertical = diagonal.abs().sum(dtype=torch.float64).item()
    target, source, weight = (part[order].cpu().numpy() for part in (target, source, weight.double()))
    count += int(diagonal.count_nonzero())
    return LayerEdges(layer, layer + 1, target, source, weight, total + vertical, vertical, reach, count)


def from_rows(low: int, high: int, targets: list[int], rows: np.ndarray) -> LayerEdges:
    """Make edges over any distance from rows (len(targets), T) of ``skip_edges`` into these targets."""
    target = np.repeat(np.asarray(targets), rows.shape[1])
    source = np.tile(np.arange(rows.shape[1]), len(targets))
    weight = rows.astype(float).ravel()
    size = np.abs(weight)
    order = np.argsort(-size, kind="stable")
    order = order[weight[order] != 0]
    sums = size, size[target == source], size * np.maximum(target - source, 0)
    total, vertical, reach = (float(part.sum()) for part in sums)
    return LayerEdges(low, high, target[order], source[order], weight[order], total, vertical, reach, len(order))
