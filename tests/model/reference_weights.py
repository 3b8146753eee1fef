"""The weights of a tiny model in plain form, for the LRP reference: what differs between families is all here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
