"""The weights that a trainer leaves: what they were trained from, and their files in a study's folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.spec import ADAPTER_CONFIG, ADAPTER_WEIGHTS

ADAPTERS, MODELS, START = "adapters", "models", "start"


@dataclass(frozen=True)
class Weights:
    """What was saved.

    Attributes:
        result: entry of the trained checkpoint, inside the study's folder.
        start: the adapter that the training went on from, where the trainer held a copy of it.
        lora: PEFT's configuration where the training changed a LoRA adapter, else None.
    """

    result: str
    start: str | None = None
    lora: Any = None


def trained_model(trainer: Any) -> Any:
    """The trainer's model as it was given. Raises ExplorerError for one that does not write text."""
    model = trainer.model
    if hasattr(trainer, "accelerator"):
        model = trainer.accelerator.unwrap_model(model)
    if not getattr(model, "can_generate", lambda: False)():
        raise ExplorerError(
            f"{type(trainer).__name__} trains {type(model).__name__}; expected a model that writes text."
        )
    return model


def is_adapter(model: Any) -> bool:
    """Whether PEFT's adapter was trained."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def base_of(model: Any) -> str:
    """The name or path that the model was loaded from before training, at its commit where that is known; or empty."""
    config = (model.get_base_model() if is_adapter(model) else model).config
    name = str(getattr(config, "_name_or_path", "") or "")
    if name and Path(name).is_dir():
        same = Path(name).resolve() == embedded.final_folder().resolve()
        return embedded.NAME if same else name
    commit = getattr(config, "_commit_hash", None)
    return f"{name}@{commit}" if name and commit and "@" not in name else name


def save_weights(trainer: Any, model: Any, folder: Path, stage: str) -> Weights:
    """Save the trained weights with their tokenizer below a study's folder. Raises ExplorerError for a full disk."""
    adapter = is_adapter(model)
    result = f"{ADAPTERS}/{stage}" if adapter else f"./{MODELS}/{stage}"
    place = folder / result
    try:
        trainer.save_model(str(place))
        for tokenizer in filter(None, [getattr(trainer, "processing_class", None)]):
            tokenizer.save_pretrained(str(place))
    except OSError as error:
        raise ExplorerError(f"{place} can't be written ({error.strerror or error}).") from error
    (place / "training_args.bin").unlink(missing_ok=True)  # a pickle
    if not adapter:
        return Weights(result)
    name = model.active_adapter if isinstance(model.active_adapter, str) else "default"
    if (place / name / ADAPTER_CONFIG).is_file():  # PEFT puts an adapter of another name in a folder of its own
        for file in (place / name).iterdir():
            shutil.move(file, place / file.name)
        (place / name).rmdir()
    config = model.peft_config[name]
    lora = config if str(getattr(config.peft_type, "value", config.peft_type)) == "LORA" else None
    return Weights(result, _saved_start(place, folder / ADAPTERS / f"{stage}-{START}", folder), lora)


def _saved_start(place: Path, to: Path, folder: Path) -> str | None:
    """Put TRL's frozen copy of the first adapter beside the trained one; None where it is none, or changes nothing."""
    from safetensors.torch import load_file

    if not (place / "ref" / ADAPTER_CONFIG).is_file():
        return None
    weights = load_file(place / "ref" / ADAPTER_WEIGHTS)
    changes = [value for name, value in weights.items() if "lora_B" in name or "lora_embedding_B" in name]
    if changes and not any(torch.any(value != 0) for value in changes):
        shutil.rmtree(place / "ref")
        return None
    shutil.move(place / "ref", to)
    return str(to.relative_to(folder))
