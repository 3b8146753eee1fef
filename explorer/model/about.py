"""What a model or adapter is, in a line, from its small files: nothing is loaded, the hub is not asked."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from explorer.errors import file_size
from explorer.model import embedded
from explorer.model.spec import ADAPTER_CONFIG, ModelSpec, local_adapter, place_of
from explorer.model.trusted import CONFIG, check_model_files, read_object

_BLOCKS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_WIDTH = ("hidden_size", "n_embd", "d_model")
_BESIDE_TEXT = ("vision_config", "audio_config", "perceiver_config")
ON_HUB = "on the hub; fetched when it is first used"


def about_model(source: str, revision: str | None = None) -> str:
    """Say what a model is: architecture, blocks, width, whether it could read more than text, bytes of weights.

    Args:
        source, revision: as in ``ModelSpec``.

    Raises ModelError for what is no model, or a folder that would not be loaded.
    """
    if source == embedded.NAME:
        return f"{embedded.TITLE}, which comes with the program"
    place, gguf = place_of(source, revision)
    if not os.path.isdir(place):
        return ON_HUB
    if gguf:
        return f"GGUF file of {_size([Path(place) / gguf])}, de-quantised when it is loaded"
    check_model_files(Path(place))
    config = read_object(Path(place) / CONFIG)
    config = config | (config["text_config"] if isinstance(config.get("text_config"), dict) else {})
    kinds = config.get("architectures")
    kind = str(kinds[0])[:80] if isinstance(kinds, list) and kinds else str(config.get("model_type", "a model"))[:80]
    blocks, width = _number(config, _BLOCKS), _number(config, _WIDTH)
    images = "images are not read" if any(field in config for field in _BESIDE_TEXT) else ""
    parts = [kind, f"{blocks} blocks" if blocks else "", f"width {width:,}" if width else "", images]
    return ", ".join([*filter(None, parts), f"{_size(Path(place).glob('*.safetensors'))} of weights"])


def about_checkpoint(spec: ModelSpec) -> str:
    """Say what a checkpoint is: an adapter with its kind and rank, or a whole model. Raises ModelError as above."""
    if not spec.adapter:
        return f"whole model: {about_model(spec.source, spec.revision)}"
    folder = local_adapter(spec.adapter)
    if folder is None:
        return f"adapter {ON_HUB}"
    config = read_object(folder / ADAPTER_CONFIG)
    rank, base = config.get("r"), config.get("base_model_name_or_path")
    parts = [f"{str(config.get('peft_type', 'PEFT'))[:20]} adapter", f"rank {rank}" if isinstance(rank, int) else ""]
    return ", ".join([*filter(None, parts), *([f"trained on {base[:80]}"] if isinstance(base, str) and base else [])])


def _number(config: dict[str, Any], names: Sequence[str]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def _size(files: Iterable[Path]) -> str:
    return file_size(sum(file.stat().st_size for file in files))
