"""Coverage checks that passed, remembered on disk: a model's first trace waits for one only where it may end otherwise.

Of a block, ``coverage`` looks at the structure alone, as it puts weights of its own into it; of the head it uses the
weights. So a check is remembered for what it depends on: the classes and shapes of all modules, the configuration
without names, the bytes of all buffers and of the parameters outside the blocks, precision and kind of device, the
versions of torch and transformers, and the code of the rules and the check. Only what passed is remembered.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.files import write_json, writing
from explorer.model import embedded
from explorer.model.residual import decoder_blocks
from explorer.reading import read_json

_CODE = [
    *("coverage.py", "coverage_memory.py", "gradients.py", "hooks.py", "lrp.py", "op_rules.py", "residual.py"),
    "same_states.py",
]
_NAMES = {"_name_or_path", "_model_name_or_path", "architectures", "transformers_version"}
"""Entries of a configuration that say where a model comes from, not what it computes."""


@dataclass(frozen=True)
class _Passed:
    """What the file of a check says: its own name, so that a file of another name is none, and the model's class."""

    key: str
    model: str


def folder() -> Path:
    """Where passed checks lie: beside the fetched and converted models."""
    return embedded.cache_folder() / "coverage"


def once_per_architecture(model: PreTrainedModel, check: Callable[[], object], what: str = "") -> None:
    """Run a check of a model unless it passed before; where it raises, nothing is remembered.

    ``what`` tells checks of one model apart.

    A file that is absent or damaged, and a disk that refuses, only cost the check. Classes that are not those of
    transformers are checked every time: their code is not known here.
    """
    if not all(type(module).__module__.startswith(("transformers.", "torch.")) for module in model.modules()):
        check()
        return
    passed = _Passed(check_key(model, what), type(model).__name__)
    path = folder() / f"{passed.key}.json"
    with suppress(ExplorerError):
        if read_json(path, "a passed coverage check", _Passed) == passed:
            return
    check()
    with suppress(ExplorerError), writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(passed))


def check_key(model: PreTrainedModel, what: str = "") -> str:
    """SHA-256 of all that the result of ``coverage.check_coverage`` depends on, in hexadecimal digits."""
    shapes = [(name, str(p.dtype), p.device.type, list(p.shape)) for name, p in model.named_parameters()]
    config = {name: value for name, value in model.config.to_dict().items() if name not in _NAMES}
    classes = [f"{type(module).__module__}.{type(module).__qualname__}" for module in model.modules()]
    parts = [what, classes, repr(model), shapes, config, torch.__version__, transformers.__version__, _code_digest()]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode())
    for name, tensor in _tensors(model):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()


def _tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """All buffers, and the parameters outside the blocks but for the embedding, where it is not the head's too."""
    yield from model.named_buffers()
    inside = {id(p) for block in decoder_blocks(model) for p in block.parameters()}
    head = model.get_output_embeddings()
    theirs = {id(p) for p in head.parameters()} if head is not None else set[int]()
    inside |= {id(p) for p in model.get_input_embeddings().parameters()} - theirs
    yield from ((name, p) for name, p in model.named_parameters() if id(p) not in inside)


@cache
def _code_digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"\0".join((here / name).read_bytes() for name in _CODE)).hexdigest()
