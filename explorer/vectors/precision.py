"""In which precision to make vectors: bfloat16 where this machine is clearly faster with it."""

from dataclasses import replace
from functools import lru_cache
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from explorer.data.study import VECTORS, Study
from explorer.errors import ExplorerError
from explorer.model.load import DTYPES, ModelSpec, dtype_of, pick_device
from explorer.vectors.index import MANIFEST, read_manifest

PRECISIONS = ("auto", *DTYPES)
_GAIN = 1.25
"""How many times faster bfloat16 must be to be worth its rounding."""
_ROWS, _WIDTH, _ROUNDS = 512, 1024, 7


def in_precision(study: Study, checkpoint: str, spec: ModelSpec, wanted: str | None) -> ModelSpec:
    """Return the model in the precision to build its vectors in.

    Args:
        checkpoint: the model's name in the study.
        wanted: a name of ``DTYPES``; None for the model's usual one (``dtype_of``); ``auto``: that of vectors of this
            checkpoint that are there, whole or not, else the one that ``bfloat16_gain`` favours.

    Raises ExplorerError for an unknown name.
    """
    if wanted is None:
        return spec
    if wanted not in PRECISIONS:
        raise ExplorerError(f"dtype is '{wanted}'; expected {', '.join(PRECISIONS)}.")
    if wanted == "auto":
        faster = "bfloat16" if bfloat16_gain(spec.device) >= _GAIN else "float32"
        wanted = _built(study, checkpoint) or faster
    return spec if DTYPES[wanted] == dtype_of(spec) else replace(spec, dtype=wanted)


def _built(study: Study, checkpoint: str) -> str | None:
    """Return the precision of a checkpoint's vectors, those that were begun last first; None where there are none."""
    manifests = (study.folder / VECTORS).glob(f"*/{MANIFEST}")
    for path in sorted(manifests, key=lambda path: -path.stat().st_mtime):
        try:
            manifest = read_manifest(path.parent)
        except ExplorerError:
            continue
        if manifest.checkpoint == checkpoint and manifest.made_from.get("dtype") in DTYPES:
            return manifest.made_from["dtype"]
    return None


@lru_cache(maxsize=4)
def bfloat16_gain(device: str = "auto") -> float:
    """Measure how many times faster a matrix product is in bfloat16 than in float32 on a device, in under a second.

    Many processors only emulate bfloat16, and are slower with it.
    """
    place = pick_device(device)
    x = torch.randn(_ROWS, _WIDTH, generator=torch.Generator().manual_seed(0)).to(place)
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for round_number in range(_ROUNDS + 1):
        for dtype, times in seconds.items():
            took = _timed(x.to(dtype))
            if round_number:  # the first one warms up
                times.append(took)
    return median(seconds[torch.float32]) / median(seconds[torch.bfloat16])


def _timed(x: Tensor) -> float:
    began = perf_counter()
    for _ in range(4):
        torch.mm(x, x.T)
    if x.is_cuda:
        torch.cuda.synchronize()
    return perf_counter() - began
