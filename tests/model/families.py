"""Random tiny models of every family that the LRP view covers, and of some that it must refuse.

A fresh transformers model has norm weights of 1 and biases of 0, under which a forgotten bias or a wrong norm
goes unseen. So every parameter here is drawn anew, at scales that keep activations and attention lively.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

FAMILIES: tuple[str, ...] = (
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "olmo2",
    "gemma3",
    "gpt2",
    "gpt_neox",
    "phi3",
    "mixtral",
    "qwen3_moe",
    "gpt_oss",
    "gemma2",
    "olmo",
    "nemotron",
    "cohere",
)
"""Families whose relevance must equal the slow reference."""

OTHERS: tuple[str, ...] = ("mamba", "qwen3_next", "falcon_h1", "lfm2")
"""Families that must be refused: a state space; linear attention; one beside attention; a gated convolution."""

VOCABULARY = 97
MAX_POSITIONS = 128
WINDOW = 4

_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": MAX_POSITIONS,
    **_SPECIAL,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 2}
_MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
_GEMMA = {**_GROUPED, "head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": WINDOW, "layer_types": _MIXED}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_inner": 48,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": MAX_POSITIONS,
    **_SPECIAL,
}
_EXPERTS = {"num_experts_per_tok": 2, "experts_implementation": "eager"}  # torch's grouped product has no float64
_LINEAR = {
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
    **{"shared_expert_intermediate_size": 24},
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}
_MAMBA2 = {"mamba_d_ssm": 64, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 16}
_YARN = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64}

# family -> (the start of its class names, the end of the config's, settings)
_RECIPES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("Llama", "Config", _GROUPED),
    "qwen2": ("Qwen2", "Config", _GROUPED),
    "qwen3": ("Qwen3", "Config", {**_GROUPED, "head_dim": 16}),
    "mistral": ("Mistral", "Config", {**_GROUPED, "sliding_window": WINDOW}),
    "olmo2": ("Olmo2", "Config", _GROUPED),
    "gemma3": ("Gemma3", "TextConfig", _GEMMA),
    "gpt2": ("GPT2", "Config", _GPT2),
    "gpt_neox": ("GPTNeoX", "Config", {**_COMMON, "use_parallel_residual": True, "rotary_pct": 0.5}),
    "phi3": ("Phi3", "Config", {**_GROUPED, "original_max_position_embeddings": MAX_POSITIONS}),
    "mixtral": ("Mixtral", "Config", {**_GROUPED, **_EXPERTS, "num_local_experts": 4}),
    "qwen3_moe": (
        "Qwen3Moe",
        "Config",
        {**_GROUPED, **_EXPERTS, "head_dim": 16, "num_experts": 5, "moe_intermediate_size": 24},
    ),
    "gpt_oss": (
        "GptOss",
        "Config",
        {**_GROUPED, **_EXPERTS, "head_dim": 8, "num_local_experts": 4, "rope_parameters": _YARN, "swiglu_limit": 1.0}
        | {"sliding_window": WINDOW, "layer_types": _MIXED},
    ),
    "gemma2": ("Gemma2", "Config", {**_GEMMA, "attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0}),
    "olmo": ("Olmo", "Config", _GROUPED),
    "nemotron": ("Nemotron", "Config", {**_GROUPED, "head_dim": 8}),
    "cohere": ("Cohere", "Config", _GROUPED),
    "bloom": ("Bloom", "Config", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 3, "n_head": 4, **_SPECIAL}),
    "mamba": ("Mamba", "Config", {**_COMMON, "state_size": 8, "time_step_rank": 4}),
    "qwen3_next": (
        "Qwen3Next",
        "Config",
        {**_GROUPED, **_EXPERTS, "head_dim": 16, "num_experts": 4, "moe_intermediate_size": 24, **_LINEAR},
    ),
    "falcon_h1": ("FalconH1", "Config", {**_GROUPED, **_MAMBA2}),
    "lfm2": ("Lfm2", "Config", {**_GROUPED, "layer_types": ["conv", "full_attention", "conv"]}),
}


def tiny_model(
    family: str, *, dtype: torch.dtype = torch.float64, seed: int = 0, bias_free: bool = False, **overrides: Any
) -> PreTrainedModel:
    """A random model of `family` with three layers, in eval mode.

    Args:
        family: one of FAMILIES or OTHERS.
        dtype: type of its weights. The same seed gives the same weights, rounded.
        seed: draws the weights.
        bias_free: every parameter named ...bias is zero, so that a linear map has no constant part.
        overrides: settings of the config that differ from the family's recipe.
    """
    start, end, settings = _RECIPES[family]
    config = getattr(transformers, start + end)(**{**settings, **overrides})
    model = transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()
    _randomise(model, seed, bias_free)
    return model


def random_ids(n: int, seed: int) -> list[int]:
    """`n` token ids, none of them special."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (n,), generator=generator).tolist()


def _randomise(model: PreTrainedModel, seed: int, bias_free: bool) -> None:
    """Draws every parameter from a generator of its own, so that the order of modules does not matter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if name.endswith("bias"):
                value = noise * (0.0 if bias_free else 0.3)
            elif parameter.ndim == 1:  # norm weights; Gemma's are offsets from 1
                centre = 0.0 if "gemma" in str(model.config.model_type) else 1.0
                value = centre + 0.3 * noise
            else:
                value = noise * (0.5 if "embed" in name or "wte" in name or "wpe" in name else 0.2)
            parameter.copy_(value)
