"""What the files of a model may ask for: checked before a library reads them, which believes what they say.

A configuration can ask for more memory than there is, an index of shards can name a pickle, a GGUF header can declare
more values than there are bytes. Each is refused here in a sentence; nothing is allocated for it.
"""

import os
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open

from explorer.errors import ExplorerError, ModelError, first_line
from explorer.limits import CONFIG_BYTES, GGUF_VALUES, MODEL_BLOCKS
from explorer.reading import as_type, parse_json, read_bytes

INDEX, CONFIG = "model.safetensors.index.json", "config.json"
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_experts", "num_local_experts")
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each GGUF type; 8 is text, 9 an array."""
_TEXT, _ARRAY = 8, 9


def check_model_files(folder: Path) -> None:
    """Raise ModelError where a model folder's configuration or index of shards asks for what is never read."""
    config = read_object(folder / CONFIG)
    _check_layers(folder / CONFIG, config)
    attention = config.get("attn_implementation") or config.get("_attn_implementation") or ""
    for field, value in (
        ("transformers_weights", config.get("transformers_weights")),
        ("attn_implementation", attention),
    ):
        if value and (field == "transformers_weights" or "/" in str(value)):  # another file; code from the hub
            raise ModelError(f"{folder / CONFIG}: field '{field}' is {str(value)[:60]!r}; that is never loaded.")
    if (folder / INDEX).exists():
        shard_names(folder / INDEX)


def _check_layers(path: Path, config: dict[str, Any]) -> None:
    for field, value in config.items():
        if isinstance(value, dict):
            _check_layers(path, value)
        elif field in _LAYERS and value is not None and (not isinstance(value, int) or not 0 <= value <= MODEL_BLOCKS):
            most = f"a whole number up to {MODEL_BLOCKS:,}"
            raise ModelError(f"{path}: field '{field}' is {str(value)[:40]}; expected {most}.")


def shard_names(path: Path) -> list[str]:
    """Return the files that an index of shards names. Raises ModelError unless each is a safetensors file beside it."""
    shards = read_object(path).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise ModelError(f"{path}: field 'weight_map' is missing; expected tensor names with their files.")
    for name in set(shards.values()):
        if not name.endswith(".safetensors") or Path(name).name != name:
            where = f"{path}: names '{name[:80]}'"
            raise ModelError(f"{where}; expected .safetensors files in the same folder (a pickle is not read).")
    return sorted(set(shards.values()))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of a model's folder. Raises ModelError."""
    try:
        return as_type(
            parse_json(read_bytes(path, "an object", CONFIG_BYTES), path, False), dict[str, Any], path, "an object"
        )
    except ExplorerError as error:
        raise ModelError(str(error)) from error


def weight_count(folder: Path) -> int:
    """Count the numbers in all safetensors files that a model folder is loaded from. Raises ModelError."""
    names = shard_names(folder / INDEX) if (folder / INDEX).exists() else ["model.safetensors"]
    total = 0
    for name in names:
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path}: no such file; expected the model's weights.")
        try:
            with safe_open(path, framework="pt", backend="pread") as file:
                total += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 (no mapping)
        except (SafetensorError, OSError) as error:
            reason = first_line(error, 120)
            raise ModelError(f"{path}: a safetensors file is damaged or cut short ({reason}).") from error
    return total


def check_gguf(path: Path) -> None:
    """Walk the header of a GGUF file (version 2 or 3). Raises ModelError where it declares more than the file holds."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            magic, version, tensors, values = struct.unpack("<4sIQQ", _exactly(file, 24))
            if magic != b"GGUF" or version not in (2, 3):
                raise ModelError(f"{path}: not a readable GGUF file; expected version 2 or 3 of the format.")
            if max(tensors, values) > GGUF_VALUES:
                raise ModelError(f"{path}: declares {max(tensors, values):,} entries; the file has {size:,} bytes.")
            for _ in range(values):
                _skip_text(file, size)
                _skip_value(file, size, _integer(file, 4))
            for _ in range(tensors):
                _skip_text(file, size)
                _exactly(file, 8 * _bounded(_integer(file, 4), 8) + 4 + 8)  # shape, type, offset
    except (EOFError, struct.error) as error:
        raise ModelError(f"{path}: not a readable GGUF file, or cut short; its header ends too early.") from error


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _integer(file: BinaryIO, width: int) -> int:
    return int.from_bytes(_exactly(file, width), "little")


def _bounded(number: int, most: int) -> int:
    if number > most:
        raise EOFError
    return number


def _skip(file: BinaryIO, count: int, size: int) -> None:
    if file.seek(count, os.SEEK_CUR) > size:
        raise EOFError


def _skip_text(file: BinaryIO, size: int) -> None:
    _skip(file, _bounded(_integer(file, 8), size), size)


def _skip_value(file: BinaryIO, size: int, kind: int) -> None:
    if kind == _TEXT:
        _skip_text(file, size)
    elif kind == _ARRAY:
        inner, count = _integer(file, 4), _bounded(_integer(file, 8), min(size, GGUF_VALUES))
        if inner == _TEXT:
            for _ in range(count):
                _skip_text(file, size)
        else:  # arrays of arrays are in no model, and nest without end
            _skip(file, count * _width(inner), size)
    else:
        _skip(file, _width(kind), size)


def _width(kind: int) -> int:
    if kind not in _SIZES:
        raise EOFError
    return _SIZES[kind]


def named_files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of a folder that match any of the patterns, by name, each once."""
    yield from sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
