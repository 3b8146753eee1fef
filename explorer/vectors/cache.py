"""Results cached beside an index as safetensors files. A file that is absent or damaged is computed again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from explorer.errors import ExplorerError
from explorer.files import writing
from explorer.vectors.index import write_tensors

T = TypeVar("T")


def cache_path(folder: Path, depends_on: Any) -> Path:
    """File of a result, named by the SHA-256 of the JSON values that it depends on."""
    return folder / f"{hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]}.safetensors"


def read_cached(path: Path, parse: Callable[[dict[str, Tensor]], T]) -> T | None:
    """Parse a cached file; None where it is absent or damaged, or ``parse`` finds that it does not fit (ValueError)."""
    try:
        return parse(load(path.read_bytes()))
    except (SafetensorError, OSError, KeyError, IndexError, ValueError):
        return None


def write_cached(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a cached file whole, and its folder; where the disk refuses, it is computed again the next time."""
    with suppress(ExplorerError), writing(path.parent):
        path.parent.mkdir(exist_ok=True)
        write_tensors(path.parent, path.name, tensors)
