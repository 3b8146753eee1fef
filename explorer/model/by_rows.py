"""Rows of one pass beside each other, each on a core of its own: faster than all cores on one row after another.

Small products leave cores waiting for each other, and what stands between them runs on one (docs/bench.md). So it is
for the many short rows of a verdict; values are those of a pass over a part of the rows.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.model.products import fast_products

PASS_TOKENS = 768
"""Tokens of a pass over many rows: who wants the model meanwhile waits for one of them."""


def by_rows(view: PreTrainedModel, rows: int, run: Callable[[slice], Tensor]) -> Tensor:
    """Return what ``run`` returns for all rows, (rows, …), computed in parts beside each other, without gradients.

    The thread holds the turn of the pass (``passes.model_pass``). With fewer rows than cores, and on a GPU, it is one
    part.

    Args:
        run: of some of the rows; called in other threads, whose passes tell no watcher.
    """
    parts = torch.get_num_threads() if view.device.type == "cpu" else 1

    def part(number: int) -> Tensor:
        with torch.no_grad(), fast_products(view):
            return run(slice(rows * number // parts, rows * (number + 1) // parts))

    if parts == 1 or rows < parts:
        with torch.no_grad():
            return run(slice(0, rows))
    return torch.cat([*_workers(parts).map(part, range(parts))])


def even(rows: int) -> int:
    """So many rows or a few less, that parts of equal size make."""
    cores = torch.get_num_threads()
    return rows - rows % cores if rows > cores else max(1, rows)


@cache
def _workers(cores: int) -> ThreadPoolExecutor:
    """Threads that compute on one core each. How many others use, new ones too, stays as it was."""
    workers = ThreadPoolExecutor(cores, "rows", initializer=_use_one_core)
    started = Barrier(cores)
    for each in [workers.submit(started.wait) for _ in range(cores)]:
        each.result()
    torch.set_num_threads(cores)  # what a thread sets is also the default of new ones
    return workers


def _use_one_core() -> None:
    torch.get_num_threads()  # the first call in a thread sets the default
    torch.set_num_threads(1)
