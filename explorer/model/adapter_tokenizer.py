"""The tokenizer and the chat template that an adapter was trained with, where its folder holds them."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from explorer.errors import ModelError, first_line
from explorer.model.spec import ADAPTER_WEIGHTS
from explorer.model.trusted import read_object

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
FILES = (TOKENIZER, SETTINGS, TEMPLATE, "special_tokens_map.json", "added_tokens.json")
"""What an adapter's folder may hold beside its weights; the first three decide."""


def brings_tokenizer(folder: Path) -> bool:
    """Whether an adapter has a tokenizer or a chat template of its own. Raises ModelError for a broken file."""
    return (folder / TOKENIZER).is_file() or bool(_template(folder))


def adapter_tokenizer(folder: Path, model: PreTrainedModel, base: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return the tokenizer to read with: the adapter's own, else the base's with the adapter's chat template.

    Where the adapter's has more tokens than the model has embeddings, these are made longer, for the adapter to fill.
    Raises ModelError for a tokenizer that can't be read, or whose new tokens have no embeddings in the adapter.
    """
    template = _template(folder)
    if not (folder / TOKENIZER).is_file():
        if not template:
            return base
        other = copy.deepcopy(base)
        other.chat_template = template
        return other
    try:
        own = AutoTokenizer.from_pretrained(str(folder), config=model.config, trust_remote_code=False)
    except Exception as error:  # transformers and its readers raise a dozen types for a broken file
        raise ModelError(f"{folder}: its tokenizer can't be read ({first_line(error, 120)}).") from error
    if not getattr(own, "is_fast", False):
        raise ModelError(f"{folder}: has no fast tokenizer, which is needed to place tokens in the text.")
    own.chat_template = own.chat_template or template or base.chat_template
    rows = embedding_rows(model)
    if len(own) > rows:
        model.resize_token_embeddings(_embedding_rows(folder, len(own), rows), mean_resizing=False)
    return own


def embedding_rows(model: PreTrainedModel) -> int:
    """How many tokens a model has embeddings for."""
    return cast(Tensor, model.get_input_embeddings().weight).shape[0]


def _template(folder: Path) -> str | None:
    """The chat template in an adapter's folder; of several by name, the one that is called default."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8", errors="replace")
    if not (folder / SETTINGS).is_file():
        return None
    template = read_object(folder / SETTINGS).get("chat_template")
    if isinstance(template, Sequence) and not isinstance(template, str):
        named = {each.get("name"): each.get("template") for each in template if isinstance(each, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _embedding_rows(folder: Path, tokens: int, rows: int) -> int:
    """How many embeddings the adapter holds."""
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt", backend="pread") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys() if "lora_" not in key]  # noqa: SIM118
    held = [shape[0] for shape in shapes if len(shape) == 2 and tokens <= shape[0] <= 2 * tokens]
    if not held:
        raise ModelError(
            f"{folder}: its tokenizer has {tokens:,} tokens, the model embeddings for {rows:,}, and the adapter holds "
            "none for the others."
        )
    return max(held)
