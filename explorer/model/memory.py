"""How much memory models may take and do take, and one copy of the weights that several have in common."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

SHARES = {"cuda": 0.5}
"""Share of a device's memory that models may take together, beside which prompts need room; elsewhere ``SHARE``."""
SHARE = 0.25
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_SAMPLES = 8


def room(device: torch.device) -> int:
    """Bytes that all kept models may take together on a device: a quarter of the memory, half of an NVIDIA GPU's.

    The memory is the machine's, or what its container may use.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
    else:
        limit = _LIMIT.read_text().strip() if _LIMIT.is_file() else ""
        total = min(psutil.virtual_memory().total, int(limit) if limit.isdecimal() else 2**62)
    return int(SHARES.get(device.type, SHARE) * total)


def expected_bytes(where: str, dtype: torch.dtype, extra: dict[str, Any]) -> int:
    """Bytes of the parameters that a model will have, told by its configuration; 0 where that can't be read.

    Args:
        where, extra: what ``AutoConfig.from_pretrained`` takes.
    """
    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **extra)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception:  # loading the model says what is wrong
        return 0
    return sum(p.numel() for p in model.parameters()) * dtype.itemsize


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
