"""The LoRA adapter in training: put onto a model, continued, saved."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from explorer.errors import ExplorerError, first_line
from explorer.model.load import ModelSpec
from explorer.model.residual import decoder_blocks, linear_maps
from explorer.model.spec import HUB_ID
from explorer.progress import Progress, silent
from explorer.repair.stages import Recipe

_STATE_SPACES = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")
_FUSED = {"dt_proj", "out_proj"}
"""Linear maps of ``_STATE_SPACES`` that are never called, their weights go into a kernel: no adapter would be heard."""


def fresh_adapter(base: Any, recipe: Recipe, progress: Progress = silent) -> Any:
    """Return the base model with a new LoRA adapter. Raises ExplorerError where it lacks all of the recipe's targets.

    Names of targets that the model does not have are told to ``progress``: PEFT passes them over in silence.
    """
    maps = linear_maps(decoder_blocks(base))
    targets = recipe.targets or _targets(maps, base.config.model_type)
    targets = targets if isinstance(targets, str) else list(targets)
    absent = [name for name in targets if not any(f".{m}".endswith(f".{name}") for m, _ in base.named_modules())]
    if isinstance(targets, list) and absent:
        left = ", ".join(name for name in targets if name not in absent) or "none"
        progress(f"The adapter's targets {', '.join(absent)} are no parts of {recipe.source}; trained are {left}")
    transposed = any(isinstance(module, Conv1D) for module in maps.values())  # weights of shape (in, out): GPT-2
    how: dict[str, Any] = {"r": recipe.rank, "lora_alpha": recipe.alpha, "fan_in_fan_out": transposed}
    try:
        return get_peft_model(base, LoraConfig(**how, target_modules=targets, task_type="CAUSAL_LM"))
    except (ValueError, NotImplementedError) as error:
        raise ExplorerError(f"{recipe.source}: no LoRA adapter can be put in ({first_line(error)}).") from error


def _targets(maps: Mapping[str, nn.Module], family: str) -> list[str]:
    """Names of the linear maps that an adapter changes: all that are called, but routers that choose by what they get.

    A map that has a number for its name is named with its parent: blocks are numbered too.
    """
    mapped = [name for name, inner in maps.items() if type(inner) in (nn.Linear, Conv1D) or _gives_one(inner)]
    names = {".".join(name.split(".")[-2 if name.rpartition(".")[2].isdigit() else -1 :]) for name in mapped}
    return sorted(names - (_FUSED if family in _STATE_SPACES else set()))


@torch.no_grad()
def _gives_one(linear: Any) -> bool:
    """Whether a linear map with code of its own gives one tensor, as an adapter expects."""
    return isinstance(linear(linear.weight.new_zeros(1, linear.in_features)), Tensor)


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


def base_name(spec: ModelSpec) -> str:
    """What an adapter calls its base: a hub id whole, so that peft finds it; of a path, the last part alone."""
    on_hub = "/" in spec.source and HUB_ID.fullmatch(spec.source) and not os.path.exists(spec.source)
    return spec.source if on_hub else spec.title


def save_adapter(model: PeftModel, folder: Path, base: str) -> None:
    """Write the adapter in training as bfloat16 safetensors; ``base``: see ``base_name``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    weights = folder / "adapter_model.safetensors"
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in state.items()}, weights)
    weights.chmod(0o644)
    config = replace(model.peft_config["default"], base_model_name_or_path=base, inference_mode=True)
    values = {name: getattr(value, "value", value) for name, value in config.to_dict().items()}
    if not isinstance(targets := values["target_modules"], str):
        values["target_modules"] = sorted(targets)
    (folder / "adapter_config.json").write_text(json.dumps(values, indent=1, sort_keys=True, default=str) + "\n")
