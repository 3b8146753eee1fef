"""The files that a model is loaded from, as they stand on disk now: told by what changes when one is written."""

import os
from pathlib import Path

from explorer.files import version_of
from explorer.model import embedded
from explorer.model.spec import ModelSpec, local_adapter
from explorer.model.trusted import named_files

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""(path, inode, bytes, time of its content, time of its entry) of every file."""
MODEL_FILES = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "additional_chat_templates/*")
"""What a model folder is loaded from: weights, configuration, tokenizer."""


def stamp_of(spec: ModelSpec) -> Stamp:
    """Return the stamp of a model's files on this machine; what comes from the hub has none: a commit never changes."""
    if spec.source == embedded.NAME and not spec.revision:
        place = embedded.final_folder()
    else:
        place = Path(os.path.expanduser(spec.source))
    files = [place] if place.is_file() else list(named_files(place, MODEL_FILES)) if place.is_dir() else []
    if spec.adapter and (adapter := Path(os.path.expanduser(spec.adapter))).is_dir():
        files += named_files(local_adapter(spec.adapter) or adapter, MODEL_FILES)
    return tuple((str(file), *version) for file in files if (version := version_of(file)))
