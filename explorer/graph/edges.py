"""Exact edges between neighbouring layers, all of them, from one recorded trace.

Only attention moves relevance from one token to another, so for a block with attention probabilities a, queries q,
keys k, values v and u = ∂gap/∂(attention output), per head:

    S[j,i] = u_j · v_i
    value path  V[j,i] = a[j,i] · (u_j · v'_i) / 2
    key path    K[j,i] = a[j,i] · (S[j,i] − Σ_m a[j,m] S[j,m]) · scale · (q_j · k'_i) / 4
    A[j,i] = Σ_heads V + K for j ≠ i;   A[i,i] = R_in[i] − Σ_{j≠i} A[j,i]

j is the target token (after the block), i the source token (before it), v' and k' the parts of v and k that are linear
in the block's input. Under CP-LRP the key path is 0 and the value path is not halved. A soft cap on the scores puts its
act(x)/x to the scale; a sink takes its share of a, and no edge. This is CAIW's edge matrix (arXiv 2604.17761), which
back-propagates once per target token instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.graph.replay import attention_of, linear_parts
from explorer.model.lrp import masked
from explorer.model.residual import wide
from explorer.trace.trace import Layer, Trace

_BLOCK = 6_000_000
"""Numbers in one (heads, rows, columns) array while edges are computed: about 24 MB each in float32."""


@dataclass(frozen=True)
class HeadInputs(Layer):
    """One block's attention with keys and values repeated to one per head, in float32 or wider.

    All tensors are (heads, T, d); the ``linear_`` ones are without what biases add.
    """

    linear_query: Tensor
    linear_key: Tensor
    linear_value: Tensor
    rule: str


def head_inputs(view: PreTrainedModel, trace: Trace, layer: int) -> HeadInputs:
    """Return what the edges from layer ``layer`` to ``layer`` + 1 need. Raises ExplorerError for a gradient trace."""
    if trace.rule not in ("attnlrp", "cplrp"):
        raise ExplorerError(f"Edges are defined for AttnLRP and CP-LRP, not for '{trace.rule}'.")
    attention = attention_of(view, trace, layer)
    query, key, value = linear_parts(view, trace, layer, attention)
    groups = attention.query.shape[0] // attention.key.shape[0]

    def repeated(x: Tensor) -> Tensor:
        return wide(x).repeat_interleave(groups, 0) if groups > 1 else wide(x)

    whole_key, whole_value = repeated(attention.key), repeated(attention.value)
    return HeadInputs(
        query=wide(attention.query),
        key=whole_key,
        value=whole_value,
        upstream=wide(attention.upstream),
        linear_query=wide(query),
        linear_key=whole_key if key is attention.key else repeated(key),
        linear_value=whole_value if value is attention.value else repeated(value),
        mask=attention.mask,
        scale=attention.scale,
        softcap=attention.softcap,
        sinks=None if attention.sinks is None else wide(attention.sinks),
        rule=trace.rule,
    )


class Attended(NamedTuple):
    """Attention of some target tokens, (heads, rows, last).

    ``scores`` before the mask; they are q·k times ``slope``: the scale, under a soft cap with its act(x)/x.
    ``probabilities``: of what stands at the tokens; with a sink they sum to less than 1.
    """

    scores: Tensor
    slope: Tensor | float
    probabilities: Tensor


def attended(x: HeadInputs, first: int, last: int) -> Attended:
    """Return the attention of target tokens first..last−1."""
    scores, slope = (x.query[:, first:last] @ x.key[:, :last].transpose(1, 2)).mul_(x.scale), x.scale
    if x.softcap is not None:
        capped = torch.tanh(scores / x.softcap).mul_(x.softcap)
        slope = torch.where(scores == 0, 1.0, capped / scores) * x.scale
        scores = capped
    if x.mask is None:
        rows = torch.arange(first, last, device=scores.device).unsqueeze(1)
        seen = scores.masked_fill(torch.arange(last, device=scores.device) > rows, -torch.inf)
    else:
        seen = masked(scores, x.mask[0, :, first:last])
    if x.sinks is not None:
        seen = torch.cat([seen, x.sinks[:, None, None].expand(*seen.shape[:2], 1)], -1)
    return Attended(scores, slope, seen.softmax(-1)[..., :last])


def head_rows(x: HeadInputs, first: int, last: int) -> tuple[Tensor, Tensor | None]:
    """Return (value path, key path or None under CP-LRP) of target tokens first..last−1: (heads, rows, last)."""
    scores, slope, a = attended(x, first, last)
    upstream = x.upstream[:, first:last]
    flow = upstream @ x.value[:, :last].transpose(1, 2)
    through_value = flow if x.linear_value is x.value else upstream @ x.linear_value[:, :last].transpose(1, 2)
    if x.rule == "cplrp":
        return through_value * a, None
    if x.linear_key is not x.key:
        scores = (x.query[:, first:last] @ x.linear_key[:, :last].transpose(1, 2)).mul_(slope)
    mean = (a * flow).sum(-1, keepdim=True)
    key_path = (flow - mean).mul_(scores).mul_(a).mul_(1 / 4)
    return (through_value * a).mul_(1 / 2), key_path


def query_path(x: HeadInputs) -> Tensor:
    """Return (T,) what each token's query carries to the token itself, in logits; 0 under CP-LRP.

    Q[j] = Σ_heads Σ_m a[j,m] · (S[j,m] − Σ_n a[j,n] S[j,n]) · scale · (q'_j · k_m) / 4, q' linear in the block's input.
    """
    carried = x.query.new_zeros(x.query.shape[1])
    for first, last in _row_ranges(x) if x.rule == "attnlrp" else ():
        _, slope, a = attended(x, first, last)
        flow = x.upstream[:, first:last] @ x.value[:, :last].transpose(1, 2)
        change = a * (flow - (a * flow).sum(-1, keepdim=True)) / 4
        scores = (x.linear_query[:, first:last] @ x.key[:, :last].transpose(1, 2)) * slope
        carried[first:last] = (change * scores).sum((0, 2))
    return carried


def _row_ranges(x: HeadInputs) -> Iterator[tuple[int, int]]:
    heads, length, _ = x.query.shape
    step = max(1, min(length, _BLOCK // (heads * length)))
    return ((first, min(length, first + step)) for first in range(0, length, step))


def row_blocks(x: HeadInputs) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (first, last, A[first:last, :last]) over all target tokens; the diagonal is attention's part alone."""
    for first, last in _row_ranges(x):
        value_path, key_path = head_rows(x, first, last)
        yield first, last, (value_path.sum(0) if key_path is None else value_path.add_(key_path).sum(0))


def edge_matrix(view: PreTrainedModel, trace: Trace, layer: int) -> Tensor:
    """Return (T, T) all edges from layer ``layer`` to ``layer`` + 1: row = target, column = source token, in logits."""
    x = head_inputs(view, trace, layer)
    length = x.query.shape[1]
    matrix = x.query.new_zeros(length, length)
    for first, last, rows in row_blocks(x):
        matrix[first:last, :last] = rows
    matrix.fill_diagonal_(0)  # a token's edge to itself is what is left over
    entering = torch.as_tensor(trace.relevance[layer], device=matrix.device, dtype=matrix.dtype)
    matrix.diagonal().copy_(entering - matrix.sum(0))
    return matrix


@dataclass(frozen=True)
class EdgeSplit:
    """One edge, in logits, split by attention head and path.

    Attributes:
        total: the edge, the sum of the parts below.
        value, key: (heads,) what flows through each head's value and key path.
        rest: of a token's edge to itself, what passes by the residual connection, the MLP and the query; else 0.
        attention: (heads, target + 1) each head's attention probabilities at the target token.
        by_source: (heads, target + 1) what each head brings to the target from every token, value and key path.
    """

    total: float
    value: np.ndarray
    key: np.ndarray
    rest: float
    attention: np.ndarray
    by_source: np.ndarray


def split_edge(view: PreTrainedModel, trace: Trace, layer: int, target: int, source: int) -> EdgeSplit:
    """Split the edge (layer, source) → (layer + 1, target) by heads; exact, from the same trace."""
    x = head_inputs(view, trace, layer)
    attention = attended(x, target, target + 1).probabilities
    value_path, key_path = head_rows(x, target, target + 1)
    value = value_path[:, 0, source].cpu().double().numpy()
    key = np.zeros_like(value) if key_path is None else key_path[:, 0, source].cpu().double().numpy()
    total = heads = float(value.sum() + key.sum())
    if target == source:
        total = float(edge_matrix(view, trace, layer)[target, source])
    every = value_path if key_path is None else value_path + key_path
    by_source = every[:, 0].cpu().double().numpy()
    return EdgeSplit(total, value, key, total - heads, attention[:, 0].cpu().numpy(), by_source)
