"""The strongest edges of every layer, and exact sums over all of them, made in one pass over row blocks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.graph.edges import head_inputs, row_blocks
from explorer.graph.replay import Cancelled, Progress
from explorer.trace.trace import Trace

KEPT = 16_384
"""Edges kept per layer pair: all of them up to about 180 tokens."""


@dataclass(frozen=True)
class LayerEdges:
    """Edges between two layers, strongest |weight| first.

    ``target``, ``source``: (n,) token positions; ``weight``: (n,) logits. The sums are over all edges, kept or not:
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
    view: PreTrainedModel, trace: Trace, kept: int = KEPT, progress: Progress = lambda _done, _total: None
) -> tuple[LayerEdges, ...]:
    """The edges of all neighbouring layers, (0, 1) first; memory grows with T, not with T².

    ``progress`` gets (blocks done, blocks); returning False raises Cancelled.
    """
    found = []
    depth = len(trace.relevance) - 1
    for layer in range(depth):
        if progress(layer, depth) is False:
            raise Cancelled("Stopped: the graph was not built.")
        found.append(_collect(view, trace, layer, kept))
    progress(depth, depth)
    return tuple(found)


def _collect(view: PreTrainedModel, trace: Trace, layer: int, kept: int) -> LayerEdges:
    x = head_inputs(view, trace, layer)
    length = x.query.shape[1]
    columns = x.query.new_zeros(length)
    best: list[tuple[Tensor, Tensor, Tensor]] = []
    total = reach = 0.0
    count = 0
    for first, last, rows in row_blocks(x):
        positions = torch.arange(first, last, device=rows.device)
        rows[positions - first, positions] = 0  # a token's edge to itself is what is left over, below
        columns[:last] += rows.sum(0)
        size = rows.abs()
        total += size.sum(dtype=torch.float64).item()
        count += int(size.count_nonzero())
        distance = positions.unsqueeze(1) - torch.arange(last, device=rows.device)
        reach += (size * distance).sum(dtype=torch.float64).item()
        top = size.flatten().topk(min(kept, size.numel())).indices
        best.append((top // last + first, top % last, rows.flatten()[top]))
    entering = torch.as_tensor(trace.relevance[layer], device=columns.device, dtype=columns.dtype)
    own = entering - columns
    own[own.abs() < 1e-6 * entering.abs().max()] = 0  # rounding of the difference, not relevance
    everyone = torch.arange(length, device=columns.device)
    best.append((everyone, everyone, own))
    target, source, weight = (torch.cat(parts) for parts in zip(*best, strict=True))
    order = weight.abs().argsort(descending=True, stable=True)
    order = order[: min(kept, int((weight != 0).sum()))]
    vertical = own.abs().sum(dtype=torch.float64).item()
    return LayerEdges(
        layer,
        layer + 1,
        target[order].cpu().numpy(),
        source[order].cpu().numpy(),
        weight[order].cpu().double().numpy(),
        total + vertical,
        vertical,
        reach,
        count + int(own.count_nonzero()),
    )


def from_rows(low: int, high: int, targets: list[int], rows: np.ndarray) -> LayerEdges:
    """Edges over any distance from rows (len(targets), T) of ``skip_edges``, for the targets that were asked for."""
    target = np.repeat(np.asarray(targets), rows.shape[1])
    source = np.tile(np.arange(rows.shape[1]), len(targets))
    weight = rows.astype(float).ravel()
    order = np.argsort(-np.abs(weight), kind="stable")
    order = order[weight[order] != 0]
    size = np.abs(weight)
    vertical = float(size[target == source].sum())
    reach = float((size * np.maximum(target - source, 0)).sum())
    return LayerEdges(
        low, high, target[order], source[order], weight[order], float(size.sum()), vertical, reach, len(order)
    )
