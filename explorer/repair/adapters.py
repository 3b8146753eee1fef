"""LoRA adapters for training: a fresh one, one that is trained further, and saving."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.load import ModelSpec, dtype_of
from explorer.repair.recipe import Recipe

_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_base(recipe: Recipe) -> tuple[PreTrainedTokenizerBase, Any]:
    """Load the tokenizer and the bare model of a recipe."""
    folder = embedded.embedded_folder() if recipe.source == embedded.NAME else Path(recipe.source)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    dtype = dtype_of(ModelSpec())  # many processors only emulate bfloat16, three times slower than float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False, use_safetensors=True)
    return tokenizer, model


def fresh_adapter(base: Any, recipe: Recipe) -> Any:
    """Return the base model with an untrained adapter."""
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=_LINEAR, task_type="CAUSAL_LM")
    return get_peft_model(base, config)


def continued_adapter(base: Any, adapter: Path) -> PeftModel:
    """Return the base model with an adapter to train further. Raises ExplorerError where it does not fit."""
    try:
        model = PeftModel.from_pretrained(base, str(adapter), is_trainable=True, use_safetensors=True)
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ExplorerError(f"Adapter {adapter} does not fit this model: {reason[:240]}") from error
    # The adapter names its base by title, which peft would look for on the hub at every checkpoint.
    model.peft_config["default"].base_model_name_or_path = base.config._name_or_path
    return model


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter in training as bfloat16 safetensors; its configuration names no path of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    weights = folder / "adapter_model.safetensors"
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in state.items()}, weights)
    weights.chmod(0o644)
    config = replace(model.peft_config["default"], base_model_name_or_path=embedded.TITLE, inference_mode=True)
    config = config.to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    plain = {k: getattr(v, "value", v) for k, v in config.items()}
    (folder / "adapter_config.json").write_text(json.dumps(plain, indent=1, sort_keys=True, default=str) + "\n")
