"""Experts in the slow reference: every token by itself, every chosen expert by itself, the backward pass by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tests.model.reference_weights import Linear

if TYPE_CHECKING:
    from tests.model.reference_lrp import Backward, Explicit, Tape


@dataclass(frozen=True)
class Expert:
    """A gated MLP, act(gate) · (up + shift), whose two projections are cut at ± ``bound`` (the gate from above)."""

    gate: Linear
    up: Linear
    down: Linear
    bound: float | None = None
    shift: float = 0.0


@dataclass(frozen=True)
class Experts:
    """All experts of a block and their router: softmax over all, the ``top`` largest, made to sum to 1 or not."""

    router: Linear
    all: list[Expert]
    top: int
    sums_to_one: bool


def forward(net: Explicit, experts: Experts, x: Tensor, tape: Tape) -> Tensor:
    """The block's output (T, D)."""
    probabilities = torch.softmax(experts.router.forward(x), -1)
    chosen = probabilities.topk(experts.top, -1).indices
    rows, outputs = [], []
    for t, numbers in enumerate(chosen.tolist()):
        weights = probabilities[t, numbers]
        weights = weights / weights.sum() if experts.sums_to_one else weights
        out = torch.stack([net.expert(experts.all[n], x[t : t + 1], tape, f"{t}/{n}")[0] for n in numbers])
        rows.append(net.routed(weights[:, None], out).sum(0))
        outputs.append(out)
    tape.update(chosen=chosen, routing=probabilities, outputs=torch.stack(outputs))
    return torch.stack(rows)


def backward(back: Backward, experts: Experts, g: Tensor, tape: Tape) -> Tensor:
    """From the gradient at the block's output to the one at its input, both (T, D)."""
    result = torch.zeros_like(g)
    for t, numbers in enumerate(tape["chosen"].tolist()):
        p, out = tape["routing"][t], tape["outputs"][t]
        total = p[numbers].sum() if experts.sums_to_one else torch.tensor(1.0, dtype=g.dtype)
        for n, weight in zip(numbers, p[numbers] / total, strict=True):
            result[t] += back.expert(experts.all[n], back.half * weight * g[t : t + 1], tape, f"{t}/{n}")[0]
        slope = torch.zeros_like(p)  # of the gap by each probability
        slope[numbers] = back.gate * (out @ g[t])
        if experts.sums_to_one:  # the ratios alone count, which are a softmax over the chosen
            p = torch.zeros_like(p).index_copy(0, torch.tensor(numbers), p[numbers] / total)
        result[t] += experts.router.backward((p * (slope - (p * slope).sum()))[None])[0]
    return result
