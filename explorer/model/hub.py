"""Models on the hub as folders on this machine: one commit, safetensors and JSON alone, no code and no pickle."""

import os
from pathlib import Path

from explorer.errors import ModelError

_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "additional_chat_templates/*"]
_UNWANTED = ["*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model", "consolidated*", "training_args*"]


def hub_folder(repository: str, revision: str | None) -> Path:
    """Fetch a model from the hub unless its files are here; return its folder, whose name is the commit.

    Raises ModelError where there is none, or the hub can't be reached and nothing of it is here.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    except Exception as error:  # a dozen types for what is absent, forbidden or out of reach
        offline = " (offline mode is on)" if os.environ.get("HF_HUB_OFFLINE") else ""
        name = f"{repository}@{revision}" if revision else repository
        reason = f"no such folder, and the hub does not have it or can't be reached{offline}"
        raise ModelError(f"'{name}' was not found: {reason}.") from error
    return Path(folder)
