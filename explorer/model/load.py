"""Loading a language model from the embedded default, a hub id, a folder or a GGUF file, with an optional adapter."""

import copy
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from gc import collect
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from explorer.errors import ModelError
from explorer.model import embedded, memory
from explorer.model.adapter_tokenizer import adapter_tokenizer
from explorer.model.adapters import adapter_folder, merge_adapter
from explorer.model.hub import hub_folder
from explorer.model.lrp import lrp_view
from explorer.model.passes import is_long, turn
from explorer.model.read import read_model
from explorer.model.residual import decoder_blocks
from explorer.model.spec import ADAPTER_CONFIG, IN_MEMORY, ModelSpec, place_of, short_name
from explorer.model.stamp import Stamp, stamp_of
from explorer.progress import Progress, silent

__all__ = ["DTYPES", "LoadedModel", "ModelSpec", "dtype_of", "load_model", "pick_device"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class LoadedModel:
    """A loaded model with its tokenizer, its commit on the hub or its files' stamp, and its LRP views, built on use."""

    spec: ModelSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    commit: str | None = None
    stamp: Stamp = ()
    _used: float = field(default=0.0, repr=False)
    _views: dict[tuple[str, bool], PreTrainedModel] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def view(self, rule: str, tokens: int = 0) -> PreTrainedModel:
        """The LRP view for a rule (see ``lrp.lrp_view``), for passes over so many tokens; raises UncoveredModel.

        Long passes have a view of their own, so that they hold no lock that short ones wait for.
        """
        wanted = rule, is_long(tokens)
        if wanted not in self._views:
            with turn(0), self._lock:  # making a view runs the model; the turn comes first: who holds it may ask here
                for long in (False, wanted[1]):
                    if (rule, long) not in self._views:
                        self._views[rule, long] = lrp_view(self.model, rule, check=not long)
        return self._views[wanted]

    def __repr__(self) -> str:
        where = f"{str(self.model.dtype).removeprefix('torch.')} on {self.model.device}"
        return f"LoadedModel({self.spec.title}, {self.n_layers} layers, {where})"

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


_Key = tuple[ModelSpec, Stamp]
_kept: dict[_Key, LoadedModel] = {}
"""The models used last; changed under the lock ``_keeping`` alone."""
_alive: WeakValueDictionary[_Key, LoadedModel] = WeakValueDictionary()
"""Those, and others that somebody still holds."""
_keeping, _reading = threading.Lock(), threading.Lock()
_fetching: defaultdict[ModelSpec, threading.Lock] = defaultdict(threading.Lock)


def load_model(spec: ModelSpec = ModelSpec(), progress: Progress = silent) -> LoadedModel:
    """Load a model, or return it where it is in memory and its files have not changed since.

    The models used last are kept, as many as fit into ``memory.room``, and always the last one; others are let go
    before the next one is read. The weights of a model that was handed out never change: they are copies in memory,
    not maps of a file, and each checkpoint gets tensors of its own, but for those that are equal bit for bit, which are
    held once. Nobody waits for another's download; weights are read one model at a time.

    Weights are read from safetensors or GGUF only, never from a pickle, and no remote code is run. An adapter is
    merged into its base. Raises ModelError with one sentence that says what is wrong and what was expected.
    """
    loaded = _alive.get((spec, stamp_of(spec)))
    if loaded is None:
        with _fetching[spec]:
            where = _fetch(spec, progress)
            if _reading.locked():
                progress("Waiting: another model is being read")
            with _reading:
                stamp = stamp_of(spec)
                loaded = _alive.get((spec, stamp)) or _load(spec, where, progress)
                if stamp_of(spec) != stamp:
                    raise ModelError(f"{spec.name}: its files changed while they were read; load it again.")
                loaded.stamp = stamp
                memory.share_equal(loaded.model, [other.model for other in list(_kept.values())])
                _alive[spec, stamp] = loaded
    with _keeping:
        for key in [key for key in _kept if key[0] == spec and key[1] != loaded.stamp]:
            del _kept[key]  # its files have changed
        _kept[spec, loaded.stamp] = loaded
        loaded._used = monotonic()
        _make_room(loaded.model.device, 0, keep=1)
    return loaded


def load_apart(spec: ModelSpec, progress: Progress = silent) -> LoadedModel:
    """Load a model without its adapter for the caller alone, who may change it, on the CPU. Raises ModelError."""
    where = _fetch(ModelSpec(spec.source, revision=spec.revision), progress)
    model, tokenizer = read_model(spec, where, torch.device("cpu"), dtype_of(spec), progress)
    if where.is_file():  # a .gguf file: read from a scratch copy that is gone, and its weights are plain numbers now
        for holder, name in ((model, "is_quantized"), (model, "hf_quantizer"), (model.config, "quantization_config")):
            vars(holder).pop(name, None)
        model.config._name_or_path = str(where.parent)
    return LoadedModel(spec, model, copy.deepcopy(tokenizer))


def in_memory(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str = "") -> LoadedModel:
    """Take a model and its tokenizer as they are in memory, for ``explain``, ``attribution_graph`` and what they call.

    Weights are shared, not copied, and neither the model's mode nor its gradients change. A model that is trained
    further is taken anew. What needs a model's files (vectors, surveys, repairs) does not work with it.

    Args:
        name: what to call it; default the last part of where it was loaded from, else its class.

    Raises ModelError for what is no causal model of transformers (of PEFT, take ``merge_and_unload()``), or without a
    fast tokenizer.
    """
    if not isinstance(model, PreTrainedModel):
        hint = "; merge its adapter first (merge_and_unload)" if hasattr(model, "merge_and_unload") else ""
        raise ModelError(f"{type(model).__name__} is no model of transformers{hint}; expected a PreTrainedModel.")
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError("The tokenizer is no fast one, which is needed to place tokens in the text.")
    decoder_blocks(model)
    shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    shared |= {id(buffer): buffer for buffer in model.buffers()}
    name = name or short_name(model.config._name_or_path or "") or type(model).__name__
    return LoadedModel(ModelSpec(IN_MEMORY + name), copy.deepcopy(model, shared).eval(), tokenizer)


def is_loaded(spec: ModelSpec) -> bool:
    """Whether a model is in memory and its files have not changed since, so that ``load_model`` is quick."""
    return (spec, stamp_of(spec)) in _alive


def _make_room(device: torch.device, needed: int, keep: int = 0) -> None:
    """Let go of the models on a device used longest ago, but for ``keep``, until ``needed`` more bytes fit."""
    here = [key for key, loaded in _kept.items() if loaded.model.device.type == device.type]
    here.sort(key=lambda key: _kept[key]._used)
    while len(here) > keep:
        if memory.bytes_of(_kept[key].model for key in here) + needed <= memory.room(device):
            return
        del _kept[here.pop(0)]
        collect()  # a view and its modules refer to each other
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _fetch(spec: ModelSpec, progress: Progress) -> Path:
    """Return the folder or GGUF file of a model and see that its adapter is there; both may come from the network."""
    if spec.adapter:
        adapter_folder(spec.adapter)
    if spec.source == embedded.NAME and not spec.revision:
        return embedded.embedded_folder(progress)
    place, gguf = place_of(spec.source, spec.revision)
    if gguf:
        return Path(place) / gguf
    if not Path(place).is_dir():
        progress(f"Fetching {spec.name} from the hub")
        place = hub_folder(spec.source, spec.revision)
        if (place / ADAPTER_CONFIG).is_file():
            raise ModelError(f"{spec.name} is a PEFT adapter; expected a full model, and this one as its adapter.")
    return Path(place)


def _load(spec: ModelSpec, where: Path, progress: Progress) -> LoadedModel:
    device, dtype = pick_device(spec.device), dtype_of(spec)
    needed = dtype.itemsize * memory.count_weights(where)
    with _keeping:
        _make_room(device, needed)
    model, tokenizer = read_model(spec, where, device, dtype, progress)
    if spec.adapter:
        progress("Merging the adapter")
        tokenizer = adapter_tokenizer(adapter_folder(spec.adapter), model, tokenizer)
        model = merge_adapter(model, spec.adapter)
    progress(f"Moving to {device.type}")
    with memory.guard(f"Moving {spec.title} to {device.type}", memory.ADVICE):
        model = model.to(device).eval().requires_grad_(False)  # pyright: ignore[reportArgumentType]
    decoder_blocks(model)  # refuses a model without them
    return LoadedModel(spec, model, tokenizer, where.name if where.parent.name == "snapshots" else None)
