"""What an index of vectors was made from, as digests: two indexes of the same digest hold the same vectors."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.load import LoadedModel, ModelSpec, dtype_of, load_model

_READ = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt")


def model_digest(loaded: LoadedModel) -> dict[str, str]:
    """What identifies a loaded model: its source, its adapter ('' for none) and the precision that it runs in.

    Folders and files are identified by the SHA-256 of weights, configuration and tokenizer; a hub model by its commit.
    """
    return {
        "model": _source_digest(loaded.spec, loaded),
        "adapter": _adapter_digest(loaded.spec.adapter),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
    }


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over what the vectors depend on: id, prompt, system and answers of every row, in order."""
    digest = hashlib.sha256()
    for row in rows:
        told = [row.get(name) or "" for name in ("id", "prompt", "system", "response", "chosen", "rejected")]
        digest.update(json.dumps(told, ensure_ascii=False).encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file; remembered while its size and time stay the same."""
    about = path.stat()
    return _file_digest(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: Path, _size: int, _time: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source_digest(spec: ModelSpec, loaded: LoadedModel) -> str:
    if spec.source == embedded.NAME:
        return f"pypi:{embedded.PACKAGE}:{embedded.WHEEL_SHA256}"
    path = Path(spec.source).expanduser()
    if path.exists():
        return _path_digest(path)
    commit = getattr(loaded.model.config, "_commit_hash", None)
    if not commit:
        raise ExplorerError(f"{spec.source}: the hub told no commit of it, so that vectors made with it have no name.")
    return f"hub:{spec.source}:{commit}"


def _adapter_digest(adapter: str | None) -> str:
    if not adapter:
        return ""
    path = Path(adapter).expanduser()
    return _path_digest(path) if path.exists() else f"hub:{adapter}"


def _path_digest(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_digest(path)}"
    files = sorted({file for pattern in _READ for file in path.glob(pattern)})
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name}\0{file_digest(file)}\0".encode())
    return f"sha256:{whole.hexdigest()}"


def unloaded(spec: ModelSpec) -> LoadedModel:
    """A stand-in that ``model_digest`` reads as it reads the model; for nothing else.

    A model of the hub is loaded all the same: only then is its commit known.
    """
    if spec.source != embedded.NAME and not Path(spec.source).expanduser().exists():
        return load_model(spec)
    found: Any = SimpleNamespace(spec=spec, model=SimpleNamespace(dtype=dtype_of(spec)))
    return found
