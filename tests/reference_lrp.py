"""A slow, explicit reference for the LRP code, in float64, from the rule table of the design alone.

The forward pass is written out from a model's weights for a single prompt; the backward pass of every rule is
written by hand with matrix algebra (no autograd), so that it shares neither code nor method with the program.
Only the plain gradient uses autograd, through the same explicit forward pass. What differs between families is
all in `load`; past it, every model is the same few steps. T = tokens, D = hidden size, H = heads, E = head size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

# activation -> (the function, its slope at 0, which is the limit of act(x)/x)
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "silu": (lambda x: x / (1 + torch.exp(-x)), 0.5),
    "gelu": (lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), 0.5),
    "tanh-gelu": (lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), 0.5),
    "relu": (lambda x: x.clamp(min=0), 0.0),
}
_SAME = {"swish": "silu", "gelu_new": "tanh-gelu", "gelu_pytorch_tanh": "tanh-gelu"}


@dataclass(frozen=True)
class Linear:
    """x ↦ x·weightᵀ + bias, weight (out, in)."""

    weight: Tensor
    bias: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def backward(self, g: Tensor) -> Tensor:
        return g @ self.weight


@dataclass(frozen=True)
class Norm:
    """x ↦ (x − mean, if centred) / std · weight + bias, over the last axis."""

    weight: Tensor
    bias: Tensor | None
    epsilon: float
    centred: bool

    def inverse_std(self, x: Tensor) -> Tensor:
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        return 1 / torch.sqrt((x * x).mean(-1, keepdim=True) + self.epsilon)

    def forward(self, x: Tensor, inverse_std: Tensor) -> Tensor:
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        y = x * inverse_std * self.weight
        return y if self.bias is None else y + self.bias

    def backward(self, g: Tensor, inverse_std: Tensor) -> Tensor:
        """The rule: 1/std is a constant. The mean's subtraction is linear and keeps its gradient."""
        g = g * self.weight * inverse_std
        return g - g.mean(-1, keepdim=True) if self.centred else g


@dataclass(frozen=True)
class Block:
    """The weights of one layer, and how it attends."""

    q: Linear
    k: Linear
    v: Linear
    o: Linear
    gate: Linear | None
    up: Linear
    down: Linear
    before_attention: Norm | None
    after_attention: Norm | None
    before_mlp: Norm | None
    after_mlp: Norm | None
    q_norm: Norm | None  # over one head, or over all heads at once: whichever its weight's length says
    k_norm: Norm | None
    cos: Tensor  # (T, rotary size)
    sin: Tensor
    scale: float
    window: int | None


@dataclass(frozen=True)
class Weights:
    """A model as this reference knows it."""

    embedding: Tensor  # (vocabulary, D)
    positions: Tensor | None
    blocks: list[Block]
    final: Norm
    head: Linear
    head_size: int
    parallel: bool
    activation: str


def load(model: PreTrainedModel, length: int) -> Weights:
    """Reads a model's weights into one common form, for a prompt of `length` tokens."""
    config: Any = model.config
    kind = str(config.model_type).removesuffix("_text")
    state = {name: tensor.detach().to(torch.float64) for name, tensor in model.state_dict().items()}
    base: Any = model.base_model
    prefix = model.base_model_prefix + "."
    names = {
        "gpt2": ("wte", "h", "ln_f"),
        "gpt_neox": ("embed_in", "layers", "final_layer_norm"),
    }.get(kind, ("embed_tokens", "layers", "norm"))
    embedding = state[f"{prefix}{names[0]}.weight"]
    if kind == "gemma3":
        embedding = embedding * base.embed_tokens.embed_scale.to(torch.float64)
    activation = str(
        getattr(config, "hidden_act", None) or getattr(config, "activation_function", None) or config.hidden_activation
    )
    heads = config.num_attention_heads
    return Weights(
        embedding=embedding,
        positions=state.get(f"{prefix}wpe.weight"),
        blocks=[
            _load_block(state, f"{prefix}{names[1]}.{i}.", kind, config, i, _rotary(base, config, kind, i, length))
            for i in range(config.num_hidden_layers)
        ],
        final=_norm(state, prefix + names[2], kind, config),
        head=_linear(state, "lm_head"),
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        parallel=kind == "gpt_neox" and config.use_parallel_residual,
        activation=_SAME.get(activation, activation),
    )


def _linear(state: dict[str, Tensor], name: str, rows: slice | Tensor = slice(None), flip: bool = False) -> Linear:
    weight, bias = state[name + ".weight"], state.get(name + ".bias")
    weight = weight.T if flip else weight
    return Linear(weight[rows], None if bias is None else bias[rows])


def _norm(state: dict[str, Tensor], name: str, kind: str, config: Any) -> Norm:
    centred = kind in ("gpt2", "gpt_neox")
    epsilon = {"gpt2": "layer_norm_epsilon", "gpt_neox": "layer_norm_eps"}.get(kind, "rms_norm_eps")
    weight = state[name + ".weight"] + (1.0 if kind == "gemma3" else 0.0)
    return Norm(weight, state.get(name + ".bias"), getattr(config, epsilon), centred)


def _rotary(base: Any, config: Any, kind: str, layer: int, length: int) -> tuple[Tensor, Tensor]:
    """The model's own cos and sin tables (T, rotary size); of size 0 where there are none."""
    if kind == "gpt2":
        return torch.zeros(length, 0, dtype=torch.float64), torch.zeros(length, 0, dtype=torch.float64)
    extra = (config.layer_types[layer],) if kind == "gemma3" else ()
    cos, sin = base.rotary_emb(torch.zeros(1, dtype=torch.float64), torch.arange(length)[None], *extra)
    return cos[0].to(torch.float64), sin[0].to(torch.float64)


def _load_block(
    state: dict[str, Tensor], at: str, kind: str, config: Any, layer: int, rotary: tuple[Tensor, Tensor]
) -> Block:
    def norm(name: str) -> Norm | None:
        return _norm(state, at + name, kind, config) if f"{at}{name}.weight" in state else None

    second = "post_attention_layernorm"
    sandwich = kind in ("olmo2", "gemma3")
    types = getattr(config, "layer_types", None)
    slides = types[layer] == "sliding_attention" if types else kind in ("mistral", "phi3")
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    scale = (config.query_pre_attn_scalar if kind == "gemma3" else size) ** -0.5
    if getattr(config, "scale_attn_by_inverse_layer_idx", False):
        scale /= layer + 1
    return Block(
        **_projections(state, at, kind, config, size),
        before_attention=norm("ln_1" if kind == "gpt2" else "input_layernorm"),
        after_attention=norm(second) if sandwich else None,
        before_mlp=norm({"gpt2": "ln_2", "gemma3": "pre_feedforward_layernorm", "olmo2": "none"}.get(kind, second)),
        after_mlp=norm("post_feedforward_layernorm"),
        q_norm=norm("self_attn.q_norm"),
        k_norm=norm("self_attn.k_norm"),
        cos=rotary[0],
        sin=rotary[1],
        scale=scale,
        window=config.sliding_window if slides else None,
    )


def _projections(state: dict[str, Tensor], at: str, kind: str, config: Any, size: int) -> dict[str, Any]:
    """q, k, v, o, gate, up, down, each cut out of its family's layout."""
    heads = config.num_attention_heads
    if kind == "gpt2":  # Conv1D: weights (in, out); q, k, v side by side
        width = config.hidden_size
        cuts = {name: slice(i * width, (i + 1) * width) for i, name in enumerate("qkv")}
        parts = {name: _linear(state, at + "attn.c_attn", cut, flip=True) for name, cut in cuts.items()}
        names = {"o": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
        rest = {name: _linear(state, at + path, flip=True) for name, path in names.items()}
        return {**parts, **rest, "gate": None}
    if kind == "gpt_neox":  # q, k, v of the first head, then of the second, …
        rows = torch.arange(heads * 3 * size).reshape(heads, 3, size)
        parts = {n: _linear(state, at + "attention.query_key_value", rows[:, i].flatten()) for i, n in enumerate("qkv")}
        names = {"o": "attention.dense", "up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h"}
        return {**parts, **{name: _linear(state, at + path) for name, path in names.items()}, "gate": None}
    o, down = _linear(state, at + "self_attn.o_proj"), _linear(state, at + "mlp.down_proj")
    if kind == "phi3":  # q, k, v side by side; gate above up
        q, k = heads * size, config.num_key_value_heads * size
        cuts = {"q": slice(0, q), "k": slice(q, q + k), "v": slice(q + k, q + 2 * k)}
        parts = {name: _linear(state, at + "self_attn.qkv_proj", cut) for name, cut in cuts.items()}
        middle = config.intermediate_size
        gate = _linear(state, at + "mlp.gate_up_proj", slice(0, middle))
        up = _linear(state, at + "mlp.gate_up_proj", slice(middle, 2 * middle))
        return {**parts, "o": o, "gate": gate, "up": up, "down": down}
    parts = {name: _linear(state, f"{at}self_attn.{name}_proj") for name in "qkv"}
    gate, up = _linear(state, at + "mlp.gate_proj"), _linear(state, at + "mlp.up_proj")
    return {**parts, "o": o, "gate": gate, "up": up, "down": down}


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
        return states, tapes, self.weights.head.forward(self.norm(self.weights.final, x, "final", {}))

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
            scores = block.scale * q[:, h] @ k[:, h // group].T
            probabilities.append(torch.softmax(scores.masked_fill(hidden, -math.inf), -1))
            out.append(probabilities[h] @ v[:, h // group])
        tape.update(q=q, k=k, v=v, probabilities=torch.stack(probabilities))
        return block.o.forward(torch.cat(out, -1))

    def mlp(self, block: Block, x: Tensor, tape: Tape) -> Tensor:
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

    def mlp(self, block: Block, g: Tensor, tape: Tape) -> Tensor:
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
        states, tapes, _ = net.forward(ids)
        weights, back = net.weights, Backward(net.weights, rule)
        g = torch.zeros_like(states[-1])
        g[-1] = weights.head.weight[target] - weights.head.weight[foil]
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
