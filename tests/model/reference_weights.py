"""The weights of a tiny model in plain form, for the LRP reference: what differs between families is all here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from tests.model.reference_experts import Experts

# activation -> (the function, its slope at 0, which is the limit of act(x)/x)
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "silu": (lambda x: x / (1 + torch.exp(-x)), 0.5),
    "gelu": (lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), 0.5),
    "tanh-gelu": (lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), 0.5),
    "relu": (lambda x: x.clamp(min=0), 0.0),
    "relu2": (lambda x: x.clamp(min=0) ** 2, 0.0),
    "swish-1.702": (lambda x: x / (1 + torch.exp(-1.702 * x)), 0.5),
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
    experts: Experts | None = None  # in place of gate, up and down
    cap: float | None = None  # of the attention's scores
    sinks: Tensor | None = None  # (heads,) scores of a key without a value


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
    logit_cap: float | None = None


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
    if kind in ("gemma2", "gemma3"):
        embedding = embedding * base.embed_tokens.embed_scale.to(torch.float64)
    activation = str(
        getattr(config, "hidden_act", None) or getattr(config, "activation_function", None) or config.hidden_activation
    )
    activation = "swish-1.702" if kind == "gpt_oss" else activation
    head, heads = _linear(state, "lm_head"), config.num_attention_heads
    if kind == "cohere":
        head = Linear(head.weight * config.logit_scale)
    return Weights(
        embedding=embedding,
        positions=state.get(f"{prefix}wpe.weight"),
        blocks=[
            _load_block(state, f"{prefix}{names[1]}.{i}.", kind, config, i, _rotary(base, config, kind, i, length))
            for i in range(config.num_hidden_layers)
        ],
        final=_norm(state, prefix + names[2], kind, config),
        head=head,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        parallel=kind == "cohere" or (kind == "gpt_neox" and config.use_parallel_residual),
        activation=_SAME.get(activation, activation),
        logit_cap=getattr(config, "final_logit_softcapping", None),
    )


def _linear(state: dict[str, Tensor], name: str, rows: slice | Tensor = slice(None), flip: bool = False) -> Linear:
    weight, bias = state[name + ".weight"], state.get(name + ".bias")
    weight = weight.T if flip else weight
    return Linear(weight[rows], None if bias is None else bias[rows])


def _norm(state: dict[str, Tensor], name: str, kind: str, config: Any) -> Norm:
    centred = kind in ("gpt2", "gpt_neox", "olmo", "nemotron", "cohere")
    epsilon = {
        **{"gpt2": "layer_norm_epsilon", "gpt_neox": "layer_norm_eps", "cohere": "layer_norm_eps"},
        **{"nemotron": "norm_eps"},
    }.get(kind, "rms_norm_eps")
    if kind == "olmo":
        return Norm(torch.ones(config.hidden_size, dtype=torch.float64), None, 1e-5, centred)
    weight = state[name + ".weight"] + (1.0 if kind in ("gemma2", "gemma3", "nemotron") else 0.0)
    return Norm(weight, state.get(name + ".bias"), getattr(config, epsilon), centred)


def _rotary(base: Any, config: Any, kind: str, layer: int, length: int) -> tuple[Tensor, Tensor]:
    """The model's own cos and sin tables (T, rotary size); of size 0 where there are none."""
    if kind == "gpt2":
        return torch.zeros(length, 0, dtype=torch.float64), torch.zeros(length, 0, dtype=torch.float64)
    extra = (config.layer_types[layer],) if kind == "gemma3" else ()
    cos, sin = base.rotary_emb(torch.zeros(1, dtype=torch.float64), torch.arange(length)[None], *extra)
    if kind == "cohere":  # pairs stand side by side; see ``_projections``
        cos, sin = (torch.cat([x[..., ::2]] * 2, -1) for x in (cos, sin))
    if kind == "gpt_oss":  # each angle once
        cos, sin = (torch.cat([x] * 2, -1) for x in (cos, sin))
    return cos[0].to(torch.float64), sin[0].to(torch.float64)


def _load_block(
    state: dict[str, Tensor], at: str, kind: str, config: Any, layer: int, rotary: tuple[Tensor, Tensor]
) -> Block:
    def norm(name: str) -> Norm | None:
        known = f"{at}{name}.weight" in state or (kind == "olmo" and name in ("input_layernorm", second))
        return _norm(state, at + name, kind, config) if known else None

    second = "post_attention_layernorm"
    gemma = kind in ("gemma2", "gemma3")
    sandwich = kind == "olmo2" or gemma
    types = getattr(config, "layer_types", None)
    slides = types[layer] == "sliding_attention" if types else kind in ("mistral", "phi3")
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    scale = (config.query_pre_attn_scalar if gemma else size) ** -0.5
    if getattr(config, "scale_attn_by_inverse_layer_idx", False):
        scale /= layer + 1
    before_mlp = {"gpt2": "ln_2", "olmo2": "none", "cohere": "input_layernorm"}
    return Block(
        **_projections(state, at, kind, config, size),
        before_attention=norm("ln_1" if kind == "gpt2" else "input_layernorm"),
        after_attention=norm(second) if sandwich else None,
        before_mlp=norm("pre_feedforward_layernorm" if gemma else before_mlp.get(kind, second)),
        after_mlp=norm("post_feedforward_layernorm"),
        q_norm=norm("self_attn.q_norm"),
        k_norm=norm("self_attn.k_norm"),
        cos=rotary[0],
        sin=rotary[1],
        scale=scale,
        window=config.sliding_window if slides else None,
        experts=_experts(state, f"{at}mlp.", kind, config),
        cap=getattr(config, "attn_logit_softcapping", None),
        sinks=state.get(f"{at}self_attn.sinks"),
    )


def _experts(state: dict[str, Tensor], at: str, kind: str, config: Any) -> Experts | None:
    from tests.model.reference_experts import Expert, Experts

    if f"{at}experts.down_proj" not in state:
        return None
    both, down, all_of_them = state[f"{at}experts.gate_up_proj"], state[f"{at}experts.down_proj"], []
    middle = config.intermediate_size if kind != "qwen3_moe" else config.moe_intermediate_size
    for n in range(len(down)):
        if kind == "gpt_oss":  # (in, out), gate and up by turns, biases, cut, up + 1
            bias = state[f"{at}experts.gate_up_proj_bias"][n]
            gate, up = (Linear(both[n].T[i::2], bias[i::2]) for i in (0, 1))
            last = Linear(down[n].T, state[f"{at}experts.down_proj_bias"][n])
            all_of_them.append(Expert(gate, up, last, config.swiglu_limit, 1.0))
        else:
            all_of_them.append(Expert(Linear(both[n][:middle]), Linear(both[n][middle:]), Linear(down[n])))
    router = _linear(state, at + ("router" if kind == "gpt_oss" else "gate"))
    return Experts(router, all_of_them, config.num_experts_per_tok, getattr(config, "norm_topk_prob", True))


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
    o = _linear(state, at + "self_attn.o_proj")
    if f"{at}mlp.experts.down_proj" in state:
        parts = {name: _linear(state, f"{at}self_attn.{name}_proj") for name in "qkv"}
        return {**parts, "o": o, "gate": None, "up": o, "down": o}
    down = _linear(state, at + "mlp.down_proj")
    if kind == "phi3":  # q, k, v side by side; gate above up
        q, k = heads * size, config.num_key_value_heads * size
        cuts = {"q": slice(0, q), "k": slice(q, q + k), "v": slice(q + k, q + 2 * k)}
        parts = {name: _linear(state, at + "self_attn.qkv_proj", cut) for name, cut in cuts.items()}
        middle = config.intermediate_size
        gate = _linear(state, at + "mlp.gate_up_proj", slice(0, middle))
        up = _linear(state, at + "mlp.gate_up_proj", slice(middle, 2 * middle))
        return {**parts, "o": o, "gate": gate, "up": up, "down": down}
    parts = {name: _linear(state, f"{at}self_attn.{name}_proj") for name in "qkv"}
    if kind == "cohere":  # rotary pairs stand side by side: put the first ones of a head before the second ones
        halves = torch.cat([torch.arange(0, size, 2), torch.arange(1, size, 2)])
        for name, number in (("q", heads), ("k", config.num_key_value_heads)):
            rows = (torch.arange(number)[:, None] * size + halves).flatten()
            parts[name] = _linear(state, f"{at}self_attn.{name}_proj", rows)
    up = _linear(state, at + "mlp.up_proj")
    gate = _linear(state, at + "mlp.gate_proj") if f"{at}mlp.gate_proj.weight" in state else None
    return {**parts, "o": o, "gate": gate, "up": up, "down": down}
