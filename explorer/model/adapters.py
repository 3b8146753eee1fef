"""PEFT adapters: finding their files, here or on the hub, and merging them into a model."""

from functools import cache
from pathlib import Path

from transformers import PreTrainedModel

from explorer.errors import ModelError, first_line
from explorer.model.spec import ADAPTER_CONFIG, ADAPTER_WEIGHTS, local_adapter, split_revision


def adapter_folder(adapter: str) -> Path:
    """Return the folder of an adapter; one on the hub is fetched, once per process. Raises ModelError."""
    return local_adapter(adapter) or _fetched(*split_revision(adapter))


@cache
def _fetched(repository: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        folder = Path(hf_hub_download(repository, ADAPTER_CONFIG, revision=revision)).parent
        # the folder is named by its commit; without this file peft would fall back to a pickle
        hf_hub_download(repository, ADAPTER_WEIGHTS, revision=folder.name)
    except Exception as error:
        name = f"{repository}@{revision}" if revision else repository
        reason = f"not found on the hub, or without {ADAPTER_WEIGHTS} (a pickle is not read)"
        raise ModelError(f"Adapter '{name}' was {reason}.") from error
    return folder


def merge_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    """Merge an adapter into a model's own weights, in place, and return the model. Raises ModelError."""
    from peft import PeftModel

    folder = adapter_folder(adapter)
    try:
        return PeftModel.from_pretrained(model, str(folder), use_safetensors=True).merge_and_unload()  # pyright: ignore
    except Exception as error:
        raise ModelError(f"Adapter {adapter} does not fit this model: {first_line(error)}") from error
