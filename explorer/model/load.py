"""Loading a language model from the embedded default, a hub id, a folder or a GGUF file, with an optional adapter."""

import json
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from explorer.errors import ModelError, first_line
from explorer.model import embedded
from explorer.model.lrp import lrp_view
from explorer.model.residual import decoder_blocks
from explorer.progress import Progress, silent

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


@dataclass(frozen=True)
class ModelSpec:
    """Which model: ``source`` is ``smollm2``, a hub id, a folder or a .gguf file; ``adapter`` a PEFT adapter folder.

    ``device``: ``auto`` (GPU where there is one), ``cpu``, ``cuda``, ``mps``. ``dtype``: ``auto`` (float32 on CPU,
    bfloat16 elsewhere) or a name in ``DTYPES``.
    """

    source: str = embedded.NAME
    adapter: str | None = None
    device: str = "auto"
    dtype: str = "auto"

    @property
    def title(self) -> str:
        """Display name, without leading folders."""
        name = embedded.TITLE if self.source == embedded.NAME else self.source.rstrip("/").split("/")[-1]
        return f"{name} + {Path(self.adapter).name}" if self.adapter else name


@dataclass
class LoadedModel:
    """A loaded model, its tokenizer, and its LRP views, which are built on first use."""

    spec: ModelSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
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


_loaded: OrderedDict[ModelSpec, LoadedModel] = OrderedDict()
_loading = threading.Lock()


def load_model(spec: ModelSpec = ModelSpec(), progress: Progress = silent) -> LoadedModel:
    """Load a model, once per process; the two used last stay in memory.

    Weights are read from safetensors or GGUF only, never from a pickle, and no remote code is run. An adapter is
    merged into its base. Raises ModelError with one sentence that says what is wrong and what was expected.
    """
    with suppress(KeyError):  # without waiting for another session's download
        _loaded.move_to_end(spec)
        return _loaded[spec]
    with _loading:
        if spec not in _loaded:
            _loaded[spec] = _load(spec, progress)
        _loaded.move_to_end(spec)
        while len(_loaded) > 2:
            _loaded.popitem(last=False)
        return _loaded[spec]


def _load(spec: ModelSpec, progress: Progress) -> LoadedModel:
    device, dtype = pick_device(spec.device), dtype_of(spec)
    where, gguf = _locate(spec.source, progress)
    progress("Loading the tokenizer")
    extra = {"gguf_file": gguf} if gguf else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **extra)
        progress(f"Loading the weights of {spec.title}")
        model, report = AutoModelForCausalLM.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            where,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=None if gguf else True,
            output_loading_info=True,
            **extra,
        )
    except Exception as error:  # transformers and its readers raise a dozen types for a broken file
        raise ModelError(_reason(spec.source, error)) from error
    if missing := sorted(report["missing_keys"]):  # transformers would fill them with random numbers
        lacking = f"{len(missing)}, e.g. {missing[0]}"
        raise ModelError(f"{spec.source} lacks weights that its configuration asks for: {lacking}.")
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{spec.source} has no fast tokenizer, which is needed to place tokens in the text.")
    if spec.adapter:
        progress("Merging the adapter")
        model = _merge_adapter(model, spec.adapter)
    progress(f"Moving to {device.type}")
    model = model.to(device).eval().requires_grad_(False)  # pyright: ignore[reportArgumentType]
    decoder_blocks(model)  # refuses a model without them
    return LoadedModel(spec, model, tokenizer)


def _locate(source: str, progress: Progress) -> tuple[str, str | None]:
    """Return (folder or hub id for transformers, name of the GGUF file or None)."""
    if not source.strip():
        raise ModelError("The model is empty; expected smollm2, a hub id, a folder or a .gguf file.")
    if source == embedded.NAME:
        return str(embedded.embedded_folder(progress)), None
    path = Path(source).expanduser()
    if source.lower().endswith(".gguf"):
        if not path.is_file():
            raise ModelError(f"{source}: no such file; expected a GGUF file.")
        return str(path.parent), path.name
    if path.is_dir():
        _check_folder(path)
        return str(path), None
    if path.exists():
        raise ModelError(f"{source} is a file; expected a model folder or a .gguf file.")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ModelError(f"{source}: no such folder; expected a model folder, a .gguf file or a hub id.")
    return source, None


def _check_folder(folder: Path) -> None:
    names = [p.name for p in folder.iterdir()]
    if "config.json" not in names:
        raise ModelError(f"{folder}: no config.json; expected a model folder as transformers saves it.")
    if any(name.endswith(".safetensors") for name in names):
        return
    if pickled := [name for name in names if name.endswith(_PICKLED)]:
        danger = f"as a pickle only ({pickled[0]}), which can run code when it is read"
        raise ModelError(f"{folder} holds its weights {danger}; expected safetensors.")
    raise ModelError(f"{folder}: no weights; expected *.safetensors beside config.json.")


def _merge_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    from peft import PeftModel

    folder = Path(adapter).expanduser()
    if folder.is_dir():
        if not (folder / "adapter_config.json").exists():
            raise ModelError(f"{adapter}: no adapter_config.json; expected a PEFT adapter folder.")
        if not (folder / "adapter_model.safetensors").exists():
            raise ModelError(f"{adapter}: no adapter_model.safetensors; a pickled adapter is not read.")
    elif folder.exists() or adapter.startswith((".", "/", "~")):
        raise ModelError(f"{adapter}: no such adapter folder.")
    else:
        from huggingface_hub import hf_hub_download

        try:  # without the file peft would fall back to a pickle
            hf_hub_download(adapter, "adapter_model.safetensors")
        except Exception as error:
            reason = "not found on the hub, or without adapter_model.safetensors (a pickle is not read)"
            raise ModelError(f"Adapter '{adapter}' was {reason}.") from error
    try:
        return PeftModel.from_pretrained(model, adapter, use_safetensors=True).merge_and_unload()  # pyright: ignore
    except Exception as error:
        raise ModelError(f"Adapter {adapter} does not fit this model: {first_line(error)}") from error


def _reason(source: str, error: Exception) -> str:
    text = str(error)
    if not Path(source).expanduser().exists() and isinstance(error, OSError):
        offline = " (offline mode is on)" if os.environ.get("HF_HUB_OFFLINE") else ""
        return f"'{source}' was not found: no such folder, and the hub does not have it or can't be reached{offline}."
    if "safetensors" in type(error).__name__.lower() or "header" in text.lower():
        return f"{source}: a safetensors file is damaged or cut short ({first_line(error)})."
    if source.lower().endswith(".gguf"):
        return f"{source}: not a readable GGUF file, or cut short ({first_line(error)})."
    if "safetensors" in text and any(end in text for end in _PICKLED):
        return f"{source} has no safetensors weights; a pickled checkpoint is not read."
    if isinstance(error, json.JSONDecodeError):
        return f"{source}: a JSON file of the model is damaged ({first_line(error)})."
    return f"{source} can't be loaded: {first_line(error)}"
