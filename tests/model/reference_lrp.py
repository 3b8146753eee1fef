"""A slow, explicit reference for the LRP code, in float64, from the rule table of the design alone.

The forward pass is written out from a model's weights for a single prompt; the backward pass of every rule is
written by hand with matrix algebra (no autograd), so that it shares neither code nor method with the program.
Only the plain gradient uses autograd, through the same explicit forward pass. What differs between families is
all in `reference_weights.load`; past it, every model is the same few steps. T = tokens, D = hidden size,
H = heads, E = head size.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests.model import reference_experts
from tests.model.reference_experts import Expert
from tests.model.reference_weights import ACTIVATIONS, Block, Linear, Norm, Weights, load


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on the first dimensions of each head of x (T, heads, E)."""
    n = cos.shape[-1]
    turned, kept = x[..., :n], x[..., n:]
    half = torch.cat([-turned[..., n // 2 :], turned[..., : n // 2]], -1)
    return torch.cat([turned * cos[:, None] + half * sin[:, None], kept], -1)


def rotate_back(g: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The transpose of `rotate`."""
    n = cos.shape[-1]
    turned, kept = g[..., :n], g[..., n:]
    s = turned * sin[:, None]
    half = torch.cat([s[..., n // 2 :], -s[..., : n // 2]], -1)
    return torch.cat([turned * cos[:, None] + half, kept], -1)


Tape = dict[str, Tensor]
"""What a block's backward pass needs of its forward pass, by name."""


class Explicit:
    """The forward pass, written out. Methods marked (rule) are what a rule changes; here they are plain."""

    def __init__(self, model: PreTrainedModel, length: int) -> None:
        self.weights = load(model, length)

    def inverse_std(self, norm: Norm, x: Tensor) -> Tensor:
        """(rule) One over the standard deviation of x, (…, 1)."""
        return norm.inverse_std(x)

    def act(self, z: Tensor) -> Tensor:
        """(rule) The activation."""
        return ACTIVATIONS[self.weights.activation][0](z)

    def product(self, gate: Tensor, up: Tensor) -> Tensor:
        """(rule) The gated product."""
        return gate * up

    def routed(self, weights: Tensor, outputs: Tensor) -> Tensor:
        """(rule) Routing weights (k, 1) times what the experts put out (k, D)."""
        return weights * outputs

    def capped(self, x: Tensor, cap: float | None) -> Tensor:
        """(rule) A soft cap."""
        return x if cap is None else cap * torch.tanh(x / cap)

    def cut(self, x: Tensor, low: float, high: float) -> Tensor:
        """(rule) x between two bounds."""
        return x.clamp(low, high)

    def arms(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(rule) What enters the attention."""
        return q, k, v

    def forward(self, ids: list[int]) -> tuple[list[Tensor], list[Tape], Tensor]:
        """Residual states (L+1 of (T, D)), one tape a block, logits (T, vocabulary)."""
        x = self.weights.embedding[ids]
        if self.weights.positions is not None:
            x = x + self.weights.positions[: len(ids)]
        states, tapes = [x.requires_grad_(torch.is_grad_enabled())], []
        for block in self.weights.blocks:
            tape: Tape = {}
            x = self.block(block, x, tape)
            states.append(x)
            tapes.append(tape)
        logits = self.weights.head.forward(self.norm(self.weights.final, x, "final", {}))
        return states, tapes, self.capped(logits, self.weights.logit_cap)

    def block(self, block: Block, x: Tensor, tape: Tape) -> Tensor:
        """One layer: attention and MLP, one after the other or side by side."""
        y = self.norm(block.before_attention, x, "before_attention", tape)
        y = self.norm(block.after_attention, self.attention(block, y, tape), "after_attention", tape)
        middle = x + y
        z = self.norm(block.before_mlp, x if self.weights.parallel else middle, "before_mlp", tape)
        return middle + self.norm(block.after_mlp, self.mlp(block, z, tape), "after_mlp", tape)

    def norm(self, norm: Norm | None, x: Tensor, name: str, tape: Tape) -> Tensor:
        if norm is None:
            return x
        tape[name] = self.inverse_std(norm, x)
        return norm.forward(x, tape[name])

    def heads(self, linear: Linear, norm: Norm | None, x: Tensor, name: str, tape: Tape) -> Tensor:
        """A projection, its norm if any, cut into heads: (T, heads, E)."""
        y, size = linear.forward(x), self.weights.head_size
        if norm is None or len(norm.weight) != size:
            return self.norm(norm, y, name, tape).reshape(len(x), -1, size)
        return self.norm(norm, y.reshape(len(x), -1, size), name, tape)

    def attention(self, block: Block, x: Tensor, tape: Tape) -> Tensor:
        q = rotate(self.heads(block.q, block.q_norm, x, "q_norm", tape), block.cos, block.sin)
        k = rotate(self.heads(block.k, block.k_norm, x, "k_norm", tape), block.cos, block.sin)
        q, k, v = self.arms(q, k, self.heads(block.v, None, x, "", tape))
        t, group = torch.arange(len(x)), q.shape[1] // k.shape[1]
        hidden = t[None, :] > t[:, None]
        if block.window is not None:
            hidden |= t[None, :] <= t[:, None] - block.window
        out, probabilities = [], []
        for h in range(q.shape[1]):
            scores = self.capped(block.scale * q[:, h] @ k[:, h // group].T, block.cap)
            scores = scores.masked_fill(hidden, -math.inf)
            if block.sinks is not None:
                scores = torch.cat([scores, block.sinks[h].expand(len(x), 1)], -1)
            probabilities.append(torch.softmax(scores, -1)[:, : len(x)])
            out.append(probabilities[h] @ v[:, h // group])
        tape.update(q=q, k=k, v=v, probabilities=torch.stack(probabilities))
        return block.o.forward(torch.cat(out, -1))

    def expert(self, expert: Expert, x: Tensor, tape: Tape, name: str) -> Tensor:
        bound = math.inf if expert.bound is None else expert.bound
        inner, up = expert.gate.forward(x), expert.up.forward(x)
        tape.update({f"inner {name}": inner, f"up {name}": up})
        act = self.act(self.cut(inner, -math.inf, bound))
        return expert.down.forward(self.product(act, self.cut(up, -bound, bound) + expert.shift))

    def mlp(self, block: Block, x: Tensor, tape: Tape) -> Tensor:
        if block.experts is not None:
            return reference_experts.forward(self, block.experts, x, tape)
        up = block.up.forward(x)
        if block.gate is None:
            tape.update(inner=up)
            return block.down.forward(self.act(up))
        inner = block.gate.forward(x)
        tape.update(inner=inner, up=up)
        return block.down.forward(self.product(self.act(inner), up))


class Backward:
    """The backward pass of AttnLRP or CP-LRP by hand, one method a part."""

    def __init__(self, weights: Weights, rule: str) -> None:
        self.weights = weights
        self.half = 0.5 if rule == "attnlrp" else 1.0  # v, and up
        self.quarter = 0.25 if rule == "attnlrp" else 0.0  # q, k
        self.gate = 0.5 if rule == "attnlrp" else 0.0

    def block(self, block: Block, g: Tensor, tape: Tape) -> Tensor:
        """From the gradient at a block's output to the gradient at its input."""
        inner = self.mlp(block, self.norm(block.after_mlp, g, "after_mlp", tape), tape)
        inner = self.norm(block.before_mlp, inner, "before_mlp", tape)
        middle = g if self.weights.parallel else g + inner
        outer = self.attention(block, self.norm(block.after_attention, middle, "after_attention", tape), tape)
        outer = self.norm(block.before_attention, outer, "before_attention", tape)
        return middle + outer + (inner if self.weights.parallel else 0)

    def norm(self, norm: Norm | None, g: Tensor, name: str, tape: Tape) -> Tensor:
        return g if norm is None else norm.backward(g, tape[name])

    def expert(self, expert: Expert, g: Tensor, tape: Tape, name: str) -> Tensor:
        bound = math.inf if expert.bound is None else expert.bound
        inner, up = tape[f"inner {name}"], tape[f"up {name}"]
        z, u = inner.clamp(max=bound), up.clamp(-bound, bound)
        function = ACTIVATIONS[self.weights.activation][0]
        g = expert.down.backward(g)
        to_gate = expert.gate.backward(self.gate * g * (u + expert.shift) * function(z) / inner)
        return to_gate + expert.up.backward(self.half * g * function(z) * u / up)

    def mlp(self, block: Block, g: Tensor, tape: Tape) -> Tensor:
        if block.experts is not None:
            return reference_experts.backward(self, block.experts, g, tape)
        function, slope = ACTIVATIONS[self.weights.activation]
        inner = tape["inner"]
        tiny = inner.abs() < 1e-9
        ratio = torch.where(tiny, slope, function(inner) / torch.where(tiny, 1.0, inner))
        g = block.down.backward(g)
        if block.gate is None:
            return block.up.backward(g * ratio)
        to_gate = block.gate.backward(self.gate * g * tape["up"] * ratio)
        return to_gate + block.up.backward(self.half * g * function(inner))

    def attention(self, block: Block, g: Tensor, tape: Tape) -> Tensor:
        q, k, v, size = tape["q"], tape["k"], tape["v"], self.weights.head_size
        u = block.o.backward(g).reshape(q.shape)
        to_q, to_k, to_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        group = q.shape[1] // k.shape[1]
        for h in range(q.shape[1]):
            a = tape["probabilities"][h]
            to_a = u[:, h] @ v[:, h // group].T
            to_scores = a * (to_a - (a * to_a).sum(-1, keepdim=True)) * block.scale
            if block.cap is not None:
                scores = block.scale * q[:, h] @ k[:, h // group].T
                to_scores = to_scores * block.cap * torch.tanh(scores / block.cap) / scores
            to_q[:, h] += self.quarter * to_scores @ k[:, h // group]
            to_k[:, h // group] += self.quarter * to_scores.T @ q[:, h]
            to_v[:, h // group] += self.half * a.T @ u[:, h]
        total = block.v.backward(to_v.reshape(len(g), -1))
        arms = ((block.q, block.q_norm, to_q, "q_norm"), (block.k, block.k_norm, to_k, "k_norm"))
        for linear, norm, arm, name in arms:
            unrotated = rotate_back(arm, block.cos, block.sin)
            if norm is not None and len(norm.weight) != size:
                unrotated = unrotated.reshape(len(g), -1)
            total = total + linear.backward(self.norm(norm, unrotated, name, tape).reshape(len(g), -1))
        return total


def reference_logits(model: PreTrainedModel, ids: list[int]) -> Tensor:
    """The logits (T, vocabulary) of the explicit forward pass, float64."""
    with torch.no_grad():
        return Explicit(model, len(ids)).forward(ids)[2]


def reference_gap(model: PreTrainedModel, ids: list[int], target: int, foil: int) -> float:
    """ℓ[target] − ℓ[foil] at the last position."""
    last = reference_logits(model, ids)[-1]
    return float(last[target] - last[foil])


def reference_relevance(model: PreTrainedModel, ids: list[int], target: int, foil: int, rule: str) -> np.ndarray:
    """Relevance (L+1, T): row 0 at the input of the first block, row l after block l, before the final norm."""
    net = Explicit(model, len(ids))
    if rule == "gradient":
        return autograd_relevance(net, ids, target, foil)
    with torch.no_grad():
        states, tapes, logits = net.forward(ids)
        weights, back = net.weights, Backward(net.weights, rule)
        g, shares = torch.zeros_like(states[-1]), torch.ones_like(logits[-1])
        if weights.logit_cap is not None:
            shares = logits[-1] / (weights.logit_cap * torch.atanh(logits[-1] / weights.logit_cap))
        g[-1] = shares[target] * weights.head.weight[target] - shares[foil] * weights.head.weight[foil]
        grads = [weights.final.backward(g, weights.final.inverse_std(states[-1]))]
        for block, tape in zip(reversed(weights.blocks), reversed(tapes), strict=True):
            grads.append(back.block(block, grads[-1], tape))
        return _relevance(states, grads[::-1])


def autograd_relevance(net: Explicit, ids: list[int], target: int, foil: int) -> np.ndarray:
    """Relevance (L+1, T) by torch's autograd through an explicit forward pass."""
    with torch.enable_grad():
        states, _, logits = net.forward(ids)
        grads = torch.autograd.grad(logits[-1, target] - logits[-1, foil], states)
    return _relevance([state.detach() for state in states], list(grads))


def _relevance(states: list[Tensor], grads: list[Tensor]) -> np.ndarray:
    return torch.stack([(h * g).sum(-1) for h, g in zip(states, grads, strict=True)]).numpy()
