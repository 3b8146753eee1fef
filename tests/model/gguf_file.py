"""A tiny random Llama in a .gguf file, with the tiny tokenizer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

from tests.model.families import tiny_model
from tests.vectors.tiny import tiny_tokenizer

_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def save_gguf(path: Path) -> Path:
    """Write the file; rows of queries and keys stand in the order of transformers, so it is another random model."""
    tokenizer, writer = tiny_tokenizer(), GGUFWriter(path, "llama")
    model: Any = tiny_model("llama", vocab_size=len(tokenizer))
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokenizer))
    made = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(made["vocab"], key=made["vocab"].get))
    writer.add_token_types([1] * len(tokenizer))
    writer.add_token_merges([" ".join(pair) for pair in made["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, tensor in model.state_dict().items():
        place = name.removesuffix(".weight")
        if place.startswith("model.layers."):
            number, _, part = place.removeprefix("model.layers.").partition(".")
            place = f"blk.{number}.{_NAMES[part]}"
        else:
            place = _OUTSIDE[place]
        writer.add_tensor(f"{place}.weight", tensor.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
