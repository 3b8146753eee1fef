"""Loading a language model from the embedded default, a hub id, a folder or a GGUF file, with an optional adapter."""

import hashlib
import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from gc import collect
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging
from transformers.utils.peft_utils import find_adapter_config_file

from explorer.errors import ModelError, first_line
from explorer.model import embedded, memory
from explorer.model.adapters import merge_adapter
from explorer.model.lrp import lrp_view
from explorer.model.residual import decoder_blocks
from explorer.model.spec import PICKLED, ModelSpec, place_of
from explorer.progress import Progress, silent

__all__ = ["DTYPES", "LoadedModel", "ModelSpec", "dtype_of", "load_model", "pick_device"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_TOKENIZER_FILES = ("*token*.json", "vocab*", "merges.txt", "*.model", "*.jinja", "additional_chat_templates/*")
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


@dataclass
class LoadedModel:
    """A loaded model, its tokenizer, its commit on the hub, and its LRP views, which are built on first use."""

    spec: ModelSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    commit: str | None = None
    _used: float = field(default=0.0, repr=False)
    _views: dict[str, PreTrainedModel] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def view(self, rule: str) -> PreTrainedModel:
        """The LRP view for a rule (see ``lrp.lrp_view``); raises UncoveredModel."""
        with self._lock:
            if rule not in self._views:
                self._views[rule] = lrp_view(self.model, rule)
            return self._views[rule]

    @property
    def n_layers(self) -> int:
        """L, the number of decoder blocks."""
        return len(decoder_blocks(self.model))

    @property
    def max_tokens(self) -> int | None:
        """Longest sequence that the model reads, or None where its configuration does not say."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)


def pick_device(wanted: str = "auto") -> torch.device:
    """Return the device; ``auto`` picks the first of cuda, mps, cpu. Raises ModelError where a named one is missing."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available.get(wanted):
        names = ", ".join(name for name, there in available.items() if there)
        raise ModelError(f"Device '{wanted}' is not available on this machine; available: {names}.")
    return torch.device(wanted)


def dtype_of(spec: ModelSpec) -> torch.dtype:
    """Precision of the model: as asked for, else float32 on a CPU and bfloat16 elsewhere."""
    if spec.dtype not in ("auto", *DTYPES):
        raise ModelError(f"dtype is '{spec.dtype}'; expected auto, {', '.join(DTYPES)}.")
    return DTYPES.get(spec.dtype, torch.float32 if pick_device(spec.device).type == "cpu" else torch.bfloat16)


_kept: dict[ModelSpec, LoadedModel] = {}
"""The models used last; changed under the lock ``_loading`` alone."""
_alive: WeakValueDictionary[ModelSpec, LoadedModel] = WeakValueDictionary()
"""Those, and others that somebody still holds."""
_tokenizers: WeakValueDictionary[str, PreTrainedTokenizerBase] = WeakValueDictionary()
_loading = threading.Lock()


def load_model(spec: ModelSpec = ModelSpec(), progress: Progress = silent) -> LoadedModel:
    """Load a model, or return it where it is in memory.

    The models used last are kept, as many as fit into ``memory.room``, and always the last one; others are let go
    before the next one is read. The weights of a model that was handed out never change: each checkpoint gets tensors
    of its own, but for those that are equal bit for bit, which are held once.

    Weights are read from safetensors or GGUF only, never from a pickle, and no remote code is run. An adapter is
    merged into its base. Raises ModelError with one sentence that says what is wrong and what was expected.
    """
    loaded = _kept.get(spec)
    if loaded is None:  # else without waiting for another session's download
        with _loading:
            loaded = _alive.get(spec)
            if loaded is None:
                loaded = _alive[spec] = _load(spec, progress)
                memory.share_equal(loaded.model, [other.model for other in _kept.values()])
            _kept[spec] = loaded
            loaded._used = monotonic()
            _make_room(loaded.model.device, 0, keep=1)
    loaded._used = monotonic()
    return loaded


def _make_room(device: torch.device, needed: int, keep: int = 0) -> None:
    """Let go of the models on a device used longest ago, but for ``keep``, until ``needed`` more bytes fit."""
    here = [spec for spec, loaded in _kept.items() if loaded.model.device.type == device.type]
    here.sort(key=lambda spec: _kept[spec]._used)
    while len(here) > keep:
        if memory.bytes_of(_kept[spec].model for spec in here) + needed <= memory.room(device):
            return
        del _kept[here.pop(0)]
        collect()  # a view and its modules refer to each other
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _load(spec: ModelSpec, progress: Progress) -> LoadedModel:
    device, dtype = pick_device(spec.device), dtype_of(spec)
    where, gguf = _locate(spec, progress)
    extra, commit = {"gguf_file": gguf} if gguf else {}, None
    progress("Loading the tokenizer")
    try:
        if not Path(where).is_dir():
            commit = _commit(spec)
            extra = {"revision": commit}  # all files of one commit
        tokenizer = _tokenizer(where, extra)
        if _kept:
            _make_room(device, memory.expected_bytes(where, dtype, extra))
        progress(f"Loading the weights of {spec.title}")
        model, report = AutoModelForCausalLM.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            where,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=None if gguf else True,
            output_loading_info=True,
            **extra,
        )
    except ModelError:
        raise
    except Exception as error:  # transformers and its readers raise a dozen types for a broken file
        raise ModelError(_reason(spec.name, error)) from error
    if missing := sorted(report["missing_keys"]):  # transformers would fill them with random numbers
        lacking = f"{len(missing)}, e.g. {missing[0]}"
        raise ModelError(f"{spec.name} lacks weights that its configuration asks for: {lacking}.")
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{spec.name} has no fast tokenizer, which is needed to place tokens in the text.")
    if spec.adapter:
        progress("Merging the adapter")
        model = merge_adapter(model, spec.adapter)
    progress(f"Moving to {device.type}")
    model = model.to(device).eval().requires_grad_(False)  # pyright: ignore[reportArgumentType]
    decoder_blocks(model)  # refuses a model without them
    return LoadedModel(spec, model, tokenizer, commit)


def _locate(spec: ModelSpec, progress: Progress) -> tuple[str, str | None]:
    """Return (folder or hub id for transformers, name of the GGUF file or None)."""
    if spec.source == embedded.NAME and not spec.revision:
        return str(embedded.embedded_folder(progress)), None
    return place_of(spec.source, spec.revision)


def _commit(spec: ModelSpec) -> str:
    """Return the commit of a model on the hub. Raises OSError where there is none, ModelError for an adapter."""
    from huggingface_hub import hf_hub_download

    with suppress(OSError):  # transformers would load another model, which the adapter names, in the place of this one
        if find_adapter_config_file(spec.source, revision=spec.revision):
            raise ModelError(f"{spec.name} is a PEFT adapter; expected a full model, and this one as its adapter.")
    return Path(hf_hub_download(spec.source, "config.json", revision=spec.revision)).parent.name


def _tokenizer(where: str, extra: dict[str, Any]) -> PreTrainedTokenizerBase:
    """Load a tokenizer; for a folder whose files are those of a loaded model's, return that one."""
    folder = Path(where)
    if extra or not folder.is_dir():
        return AutoTokenizer.from_pretrained(where, trust_remote_code=False, **extra)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(json.dumps([config.get("model_type"), config.get("tokenizer_class")]).encode())
    for file in sorted({file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern)}):
        digest.update(f"\0{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    tokenizer = _tokenizers.get(digest.hexdigest())
    if tokenizer is None:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        _tokenizers[digest.hexdigest()] = tokenizer
    return tokenizer


def _reason(source: str, error: Exception) -> str:
    text = str(error)
    if not Path(source).expanduser().exists() and isinstance(error, OSError):
        offline = " (offline mode is on)" if os.environ.get("HF_HUB_OFFLINE") else ""
        return f"'{source}' was not found: no such folder, and the hub does not have it or can't be reached{offline}."
    if "safetensors" in type(error).__name__.lower() or "header" in text.lower():
        return f"{source}: a safetensors file is damaged or cut short ({first_line(error)})."
    if source.lower().endswith(".gguf"):
        return f"{source}: not a readable GGUF file, or cut short ({first_line(error)})."
    if "safetensors" in text and any(end in text for end in PICKLED):
        return f"{source} has no safetensors weights; a pickled checkpoint is not read."
    if isinstance(error, json.JSONDecodeError):
        return f"{source}: a JSON file of the model is damaged ({first_line(error)})."
    return f"{source} can't be loaded: {first_line(error)}"
