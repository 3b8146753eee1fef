"""How much memory models may take and do take, and one copy of the weights that several have in common."""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from gc import collect
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from explorer.errors import ModelError, OutOfMemory
from explorer.model.text_half import auto_class
from explorer.model.trusted import weight_count

try:
    import resource
except ImportError:  # Windows
    resource = None

SHARES = {"cuda": 0.5}
"""Share of a device's memory that models may take together, beside which prompts need room; elsewhere ``SHARE``."""
SHARE = 0.25
ADVICE = "use a smaller model, or precision bfloat16"
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
_SAMPLES = 8


def room(device: torch.device) -> int:
    """Bytes that all kept models may take together on a device: a quarter of the memory, half of an NVIDIA GPU's.

    The memory is the machine's, or what its container may use.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
    else:
        total = min(psutil.virtual_memory().total, _container_limit() or 2**62)
    return int(SHARES.get(device.type, SHARE) * total)


def _container_limit() -> int | None:
    limit = _LIMIT.read_text().strip() if _LIMIT.is_file() else ""
    return int(limit) if limit.isdecimal() else None


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be taken on a device: what the machine, the container and the process's limit leave."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    most = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if 0 <= most < 2**60:
        free = min(free, most - psutil.Process().memory_info().vms)
    if (limit := _container_limit()) is not None and _USED.is_file():
        free = min(free, limit - int(_USED.read_text()))
    return max(free, 0)


def require(device: torch.device, needed: float, what: str, advice: str) -> None:
    """Raise OutOfMemory where ``needed`` bytes are more than 90 % of what is free; ``advice``: what to lower."""
    free = free_bytes(device)
    if needed > 0.9 * free:
        sizes = f"takes about {needed / 2**30:.1f} GB of memory, and {free / 2**30:.1f} GB are free"
        raise OutOfMemory(f"{what} {sizes}; {advice}.")


@contextmanager
def guard(what: str, advice: str) -> Iterator[None]:
    """While open, running out of memory becomes OutOfMemory, a sentence; what torch keeps for later is let go."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # its frames hold the tensors
        reason = OutOfMemory(f"{what} ran out of memory; {advice}.")
    else:
        return
    collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise reason


def _is_out_of_memory(error: BaseException) -> bool:
    words = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error).lower() for w in words)


def count_weights(where: Path) -> int:
    """Count the numbers in the weights of a model folder; of a .gguf file an estimate from its size."""
    return 2 * where.stat().st_size if where.is_file() else weight_count(where)


def count_parameters(where: str, gguf: dict[str, Any]) -> int:
    """Count the parameters and buffers that a configuration asks for, without making any.

    Raises ModelError where a folder's configuration asks for far more than its files hold: transformers would fill the
    rest with random numbers.
    """
    config = AutoConfig.from_pretrained(where, trust_remote_code=False, **gguf)
    with torch.device("meta"):
        model = auto_class(config).from_config(config, trust_remote_code=False)
    parameters = sum(p.numel() for p in model.parameters())
    if not gguf and not hasattr(config, "quantization_config"):
        held = weight_count(Path(where))
        if parameters > 1.5 * held + 1e6:
            counts = f"{parameters:,} parameters, its weights hold {held:,}"
            raise ModelError(f"{where}: lacks weights that its configuration asks for: {counts}.")
    return parameters + sum(buffer.numel() for buffer in model.buffers())


def bytes_of(models: Iterable[PreTrainedModel]) -> int:
    """Bytes of the parameters of some models; what they share counts once."""
    return sum({_place(p): p.nbytes for model in models for p in model.parameters()}.values())


def share_equal(model: PreTrainedModel, others: Iterable[PreTrainedModel]) -> None:
    """Point the parameters of a new model at those of others that are equal bit for bit, so that they are held once.

    Nothing is written to any tensor: nobody's model changes. It relies on the rule that nobody writes to the weights of
    a loaded model.
    """
    for other in others:
        theirs = dict(other.named_parameters())
        for name, mine in model.named_parameters():
            if name in theirs and _place(mine) != _place(theirs[name]) and _equal(mine, theirs[name]):
                mine.data = theirs[name].data


def _place(parameter: Tensor) -> tuple[torch.device, int]:
    return parameter.device, parameter.data_ptr()


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree in place, type, shape and every bit; told by a few numbers where they do not."""
    if (one.device, one.dtype, one.shape) != (other.device, other.dtype, other.shape):
        return False
    step = max(1, one.numel() // _SAMPLES)
    return torch.equal(one.flatten()[::step], other.flatten()[::step]) and torch.equal(one, other)
