"""From the files of a model to the model in memory: safetensors or GGUF, never a pickle, nothing mapped."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from explorer.errors import ExplorerError, ModelError, first_line
from explorer.files import writing
from explorer.folders import scratch_folder
from explorer.model import memory
from explorer.model.embedded import cache_folder
from explorer.model.spec import PICKLED, ModelSpec
from explorer.model.text_half import auto_class
from explorer.model.trusted import check_gguf, check_model_files, named_files, read_object
from explorer.progress import Progress

_TOKENIZER_FILES = ("*token*.json", "vocab*", "merges.txt", "*.model", "*.jinja", "additional_chat_templates/*")
_tokenizers: WeakValueDictionary[str, PreTrainedTokenizerBase] = WeakValueDictionary()
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def read_model(
    spec: ModelSpec, where: Path, device: torch.device, dtype: torch.dtype, progress: Progress
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Read a model folder or a .gguf file into memory, on the CPU, without adapter. Raises ModelError.

    Its tensors are copies: the files may change or shrink afterwards.
    """
    with ExitStack() as stack:
        gguf: dict[str, Any] = {}
        if where.is_file():
            gguf = {"gguf_file": where.name}
            where = stack.enter_context(_copied(where))
        else:
            check_model_files(where)
        try:
            return _read(spec, str(where), device, dtype, gguf, progress)
        except ExplorerError:
            raise
        except Exception as error:  # transformers and its readers raise a dozen types for a broken file
            raise ModelError(_reason(spec.name, error)) from error


def _read(
    spec: ModelSpec, where: str, device: torch.device, dtype: torch.dtype, gguf: dict[str, Any], progress: Progress
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    progress("Loading the tokenizer")
    tokenizer = _tokenizer(where, gguf)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{spec.name} has no fast tokenizer, which is needed to place tokens in the text.")
    what = f"The weights of {spec.title}"
    memory.require(device, dtype.itemsize * memory.count_parameters(where, gguf), what, memory.ADVICE)
    progress(f"Loading the weights of {spec.title}")
    with memory.guard(what, memory.ADVICE):
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **gguf)
        model, report = auto_class(config).from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            where,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=None if gguf else True,
            disable_mmap=True,
            output_loading_info=True,
            **gguf,
        )
    if missing := sorted(report["missing_keys"]):  # transformers would fill them with random numbers
        lacking = f"{len(missing)}, e.g. {missing[0]}"
        raise ModelError(f"{spec.name} lacks weights that its configuration asks for: {lacking}.")
    return model, tokenizer


@contextmanager
def _copied(gguf: Path) -> Iterator[Path]:
    """Yield a folder with a copy of a GGUF file: its reader maps it, and a map of a file that shrinks is fatal."""
    with scratch_folder(cache_folder() / gguf.stem) as folder:
        with writing(folder):
            shutil.copyfile(gguf, folder / gguf.name)
        check_gguf(folder / gguf.name)
        yield folder


def _tokenizer(where: str, gguf: dict[str, Any]) -> PreTrainedTokenizerBase:
    """Load a tokenizer; for a folder whose files are those of a loaded model's, return that one."""
    folder = Path(where)
    if gguf:
        return AutoTokenizer.from_pretrained(where, trust_remote_code=False, **gguf)
    config = read_object(folder / "config.json")
    digest = hashlib.sha256(json.dumps([config.get("model_type"), config.get("tokenizer_class")]).encode())
    for file in named_files(folder, _TOKENIZER_FILES):
        digest.update(f"\0{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    tokenizer = _tokenizers.get(digest.hexdigest())
    if tokenizer is None:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        _tokenizers[digest.hexdigest()] = tokenizer
    return tokenizer


def _reason(source: str, error: Exception) -> str:
    text = str(error)
    if "safetensors" in type(error).__name__.lower() or "header" in text.lower():
        return f"{source}: a safetensors file is damaged or cut short ({first_line(error)})."
    if source.lower().endswith(".gguf"):
        return f"{source}: not a readable GGUF file, or cut short ({first_line(error)})."
    if "safetensors" in text and any(end in text for end in PICKLED):
        return f"{source} has no safetensors weights; a pickled checkpoint is not read."
    if isinstance(error, json.JSONDecodeError):
        return f"{source}: a JSON file of the model is damaged ({first_line(error)})."
    return f"{source} can't be loaded: {first_line(error)}"
