"""Digests of what an index was made from: indexes of equal digests hold equal vectors."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from explorer.data.study import DATAPOINTS, Study
from explorer.errors import ModelError
from explorer.files import Version, version_of
from explorer.model import embedded
from explorer.model.adapter_tokenizer import brings_tokenizer
from explorer.model.adapters import adapter_folder
from explorer.model.load import LoadedModel, ModelSpec, dtype_of, load_model
from explorer.model.stamp import MODEL_FILES, stamp_of
from explorer.model.trusted import named_files

CODE = 2
"""Version of the extraction, part of every index's name; raise it with every change that changes a vector."""
FIELDS = ("id", "history", "prompt", "system", "response", "chosen", "rejected")
"""Columns of the datapoints that vectors depend on."""
READ_AS = ("template", "turns", "end_of_turn", "max_tokens")
"""Settings of the study that vectors depend on."""


def model_digest(model: ModelSpec | LoadedModel) -> dict[str, str]:
    """Identify a model by its source, its adapter ('' for none) and the precision that it runs in.

    Folders, files and adapters are identified by the SHA-256 of weights, configuration and tokenizer; a hub model by
    its commit, which is known only once it is loaded. Raises ModelError where the files of a loaded model are no longer
    those that it was loaded from: its vectors would get the digest of another model.
    """
    spec = model if isinstance(model, ModelSpec) else model.spec
    dtype = dtype_of(spec) if isinstance(model, ModelSpec) else model.model.dtype
    if isinstance(model, LoadedModel) and model.stamp and stamp_of(spec) != model.stamp:
        raise ModelError(f"{spec.title}: its files have changed since it was loaded; load it again.")
    path = Path(os.path.expanduser(spec.source))
    if spec.source == embedded.NAME:
        source = f"pypi:{embedded.PACKAGE}:{embedded.WHEEL_SHA256}"
    elif path.exists():
        source = _path_digest(path)
    else:
        loaded = load_model(spec) if isinstance(model, ModelSpec) else model
        source = f"hub:{spec.source}:{loaded.commit}"
    digest = {"model": source, "adapter": _adapter_digest(spec.adapter), "dtype": str(dtype).removeprefix("torch.")}
    own = spec.adapter and brings_tokenizer(adapter_folder(spec.adapter))
    return digest | ({"tokenizer": "the adapter's"} if own else {})


def _adapter_digest(adapter: str | None) -> str:
    return _path_digest(adapter_folder(adapter)) if adapter else ""


def _path_digest(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_digest(path)}"
    digest = hashlib.sha256()
    for file in named_files(path, MODEL_FILES):
        digest.update(f"{file.name}\0{file_digest(file)}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over the ``FIELDS`` of every row, in order; rows without earlier turns count as before there were any."""
    digest = hashlib.sha256()
    for row in rows:
        texts = [row.get(name) or "" for name in FIELDS if name != "history" or row.get(name)]
        digest.update(json.dumps(texts, ensure_ascii=False).encode())
    return digest.hexdigest()


def study_digest(study: Study) -> str:
    """``rows_digest`` of a study's datapoints; remembered while their file stays the same."""
    file = (study.folder / DATAPOINTS).stat()
    return _study_digest(study, file.st_size, file.st_mtime_ns)


@lru_cache(maxsize=8)
def _study_digest(study: Study, _size: int, _time: int) -> str:
    table = study.datapoints()
    batches = table.select([name for name in FIELDS if name in table.column_names]).to_batches(max_chunksize=4096)
    return rows_digest(row for batch in batches for row in batch.to_pylist())


def cutting(rows: pa.Table, most: int) -> dict[str, int]:
    """Return the version of how long rows are cut, where a row may be one; of short ones nothing depends on it.

    A token has a byte or more; half of ``most`` is left for the tokens of the chat format.
    """
    texts = [rows[name] for name in FIELDS if name in rows.column_names and not pa.types.is_null(rows[name].type)]
    sizes = [pc.fill_null(pc.binary_length(column), 0) for column in texts]  # pyright: ignore
    total = reduce(pc.add, sizes) if sizes else None  # pyright: ignore
    return {"cutting": 2} if total is not None and (pc.max(total).as_py() or 0) > most // 2 else {}  # pyright: ignore


def study_cutting(study: Study) -> dict[str, int]:
    """``cutting`` of a study's datapoints; remembered while their file stays the same."""
    file = (study.folder / DATAPOINTS).stat()
    return _study_cutting(study, file.st_size, file.st_mtime_ns)


@lru_cache(maxsize=8)
def _study_cutting(study: Study, _size: int, _time: int) -> dict[str, int]:
    return cutting(study.datapoints(), study.max_tokens)


def file_digest(path: Path) -> str:
    """SHA-256 of a file; remembered while its inode, size and times stay the same."""
    return _file_digest(path, version_of(path))


@lru_cache(maxsize=4096)
def _file_digest(path: Path, _version: Version | None) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
