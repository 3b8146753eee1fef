"""Every causal family of the installed transformers as a tiny random model, without code of its own for any of them.

The default configuration of a family is written out, its sizes are replaced by small ones of the same kind (by name),
lists with an entry a layer are cut so that every kind of layer is left, and the configuration is read again.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

VOCABULARY, WORDS = 300, 280
"""Ids from WORDS on stand for images and the like; those below are ordinary tokens."""
LAYERS, WIDTH, HEADS, HEAD = 4, 32, 4, 8
_NAMES: list[tuple[int, str]] = [
    (VOCABULARY, "vocab_size vocab_size_per_layer_input n_words pad_vocab_size padded_vocab_size"),
    (
        WIDTH,
        "hidden_size n_embd d_model embed_dim word_embed_proj_dim attention_hidden_size emb_dim dim_model "
        "embedding_size embedding_dim lru_width out_hidden_size projection_dim width output_dim mm_hidden_size "
        "hidden_dim text_hidden_size vision_feature_dim connector_hidden_size projector_hidden_size num_image_tokens",
    ),
    (LAYERS, "num_hidden_layers n_layer num_layers n_layers decoder_layers encoder_layers depth num_decoder_layers"),
    (
        HEADS,
        "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads "
        "swa_num_attention_heads linear_num_value_heads attention_heads mb_num_heads linear_num_heads",
    ),
    (
        2,
        "num_key_value_heads num_kv_heads kv_n_heads swa_num_key_value_heads num_global_key_value_heads n_head_kv "
        "num_experts_per_tok num_experts_per_token moe_k moe_topk top_k_experts moe_top_k expand mamba_expand "
        "index_n_heads linear_num_key_heads n_mamba_heads spatial_merge_size moe_num_active_primary_experts",
    ),
    (
        HEAD,
        "head_dim attention_head_dim global_head_dim swa_head_dim v_head_dim qk_nope_head_dim qk_rope_head_dim "
        "kv_channels swa_v_head_dim index_head_dim dim_head qk_head_dim rotary_dim index_topk mamba_n_heads "
        "mamba_num_heads mamba_d_head mamba_head_dim mamba_d_state ssm_state_size state_size linear_key_head_dim "
        "linear_value_head_dim laurel_rank patch_size hidden_size_per_layer_input",
    ),
    (
        48,
        "intermediate_size ffn_hidden_size n_inner ffn_dim dim_ff ffn_size d_ff decoder_ffn_dim encoder_ffn_dim "
        "block_ffn_dim intermediate_size_mlp mlp_dim vision_intermediate_size dense_intermediate_size",
    ),
    (
        24,
        "shared_expert_intermediate_size shared_intermediate_size moe_intermediate_size expert_ffn_hidden_size "
        "moe_ffn_hidden_size moe_shared_expert_intermediate_size",
    ),
    (4, "num_experts num_local_experts n_routed_experts moe_num_experts moe_num_primary_experts altup_num_inputs"),
    (
        1,
        "n_group topk_group num_expert_group first_k_dense_replace num_nextn_predict_layers mamba_n_groups n_groups "
        "mamba_ngroups n_shared_experts moe_num_shared_experts",
    ),
    (
        16,
        "q_lora_rank kv_lora_rank time_step_rank mamba_dt_rank attention_chunk_size mamba_chunk_size chunk_size "
        "vision_patch_size",
    ),
    (32, "sliding_window local_attention attention_window_size window_size"),
    (64, "mamba_d_ssm image_size"),
    (512, "max_position_embeddings n_positions n_ctx max_seq_len max_seq_length original_max_position_embeddings"),
]
_SIZES = {name: size for size, names in _NAMES for name in names.split()}
"""Name of a setting → its small value; a configuration is not given what it lacks."""


_SECTIONS = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}}
_GIVEN: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 2},
    "hunyuan_v1_dense": {"head_dim": HEAD},
    "hunyuan_v1_moe": {"head_dim": HEAD},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"]},
    "mamba2": {"num_heads": 8},
    "ministral": {"head_dim": HEAD},
    "dots1": {"n_routed_experts": 4},
    "glm4v_moe": {"text_config": {"rope_parameters": {**_SECTIONS["rope_parameters"], "mrope_section": [1, 1, 0]}}},
    "nemotron": {"head_dim": HEAD, "num_key_value_heads": 2},
    "xlnet": {"d_head": HEAD},
    **{name: {"text_config": _SECTIONS} for name in ("glm46v", "glm4v", "glmga", "glm_ocr", "qwen2_5_omni_thinker")},
    **{name: {"text_config": _SECTIONS} for name in ("paddleocr_vl", "qwen2_5_vl", "qwen2_vl")},
}
"""What a family's default configuration leaves open, or gives for its full size alone."""


def families() -> Iterator[str]:
    """Yield the name of every family with a causal language model, or with one as its text half."""
    yield from sorted({*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES})


def tiny_config(family: str, **overrides: Any) -> PreTrainedConfig:
    """Return the configuration of a family's tiny model. What transformers raises is handed on."""
    kind = CONFIG_MAPPING[family]
    return kind.from_dict(_merged(_merged(_shrunk(kind().to_dict()), _GIVEN.get(family, {})), overrides))


def _merged(settings: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    inner = {name: _merged(settings.get(name) or {}, value) for name, value in more.items() if isinstance(value, dict)}
    return settings | more | inner


def _shrunk(settings: dict[str, Any]) -> dict[str, Any]:
    depths = {value for name, value in settings.items() if _SIZES.get(name) == LAYERS and isinstance(value, int)}
    small: dict[str, Any] = {}
    for name, value in settings.items():
        if not isinstance(name, str) or name in ("id2label", "label2id", "per_layer_config"):
            continue
        if isinstance(value, dict):
            small[name] = _shrunk(value)
        elif isinstance(value, list) and len(value) in depths and len(value) > LAYERS:
            small[name] = _every_kind(value)
        elif name == "mrope_section":
            small[name] = [2, 1, 1]
        elif name.endswith("_token_id") or name.endswith("_token_index"):
            small[name] = value if value is None or isinstance(value, list) else _token(name)
        elif name in _SIZES and isinstance(value, int) and not isinstance(value, bool):
            small[name] = min(value, _SIZES[name]) if _SIZES[name] <= 2 else _SIZES[name]
        else:
            small[name] = value
    if small.get("num_key_value_heads") and settings["num_key_value_heads"] == settings.get("num_attention_heads"):
        small["num_key_value_heads"] = HEADS
    return small


def _every_kind(entries: list[Any]) -> list[Any]:
    """The entries of LAYERS layers, so that every kind is among them, in the order in which they occur."""
    chosen = {next(i for i, other in enumerate(entries) if other == entry) for entry in entries}
    more = [i for i in range(len(entries)) if i not in chosen]
    return [entries[i] for i in sorted([*sorted(chosen), *more][:LAYERS])]


def _token(name: str) -> int:
    usual = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return usual.get(name, WORDS + zlib.crc32(name.encode()) % (VOCABULARY - WORDS))


def tiny_model(family: str, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """Return a random model of a family, float32, in eval mode; all its parameters are drawn anew."""
    config = tiny_config(family, **overrides)
    auto = AutoModelForCausalLM if family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else AutoModelForImageTextToText
    model = auto.from_config(config, trust_remote_code=False).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(noise * (0.5 if "embed" in name else 0.2))
            elif parameter.is_floating_point():  # norm weights, biases and the like: near their first value
                parameter.add_(0.1 * noise)
    return model
