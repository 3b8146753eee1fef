"""What oneDNN's float32 products and rows beside each other bring on this machine, for docs/bench.md.

python -m bench.products

Passes of the embedded model over several rows of random tokens, forward alone, in turn: by the usual products, by the
faster ones (``explorer.model.products``), and each part of the rows on a core of its own (``explorer.model.by_rows``).
Where the faster ones would not be used, the first two are the same.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from explorer.model.by_rows import by_rows
from explorer.model.load import load_model
from explorer.model.products import fast_products

SHAPES = ((1, 64), (1, 256), (1, 1024), (6, 83), (6, 256))
"""(rows, tokens of a row)."""
ROUNDS = 7


def main() -> None:
    """Print the table's rows."""
    model = load_model().model

    def run(ids: Tensor, some: slice = slice(None)) -> Tensor:
        return model(input_ids=ids[some], use_cache=False, logits_to_keep=1).logits

    def usual(ids: Tensor) -> Tensor:
        with torch.no_grad():
            return run(ids)

    def fast(ids: Tensor) -> Tensor:
        with fast_products(model):
            return usual(ids)

    def beside(ids: Tensor) -> Tensor:
        return by_rows(model, len(ids), partial(run, ids))

    ways: tuple[Callable[[Tensor], Tensor], ...] = (usual, fast, beside)
    for rows, length in SHAPES:
        ids = torch.randint(100, 40_000, (rows, length), generator=torch.Generator().manual_seed(0))
        seconds: list[list[float]] = [[] for _ in ways]
        for _ in range(ROUNDS):
            for way, found in zip(ways, seconds, strict=True):
                began = perf_counter()
                way(ids)
                found.append(perf_counter() - began)
        first, second, third = (median(found[1:]) for found in seconds)
        told = f"{third:.3f} | {first / third:.2f}" if rows > 1 else " | "
        print(f"| {rows} × {length} | {first:.3f} | {second:.3f} | {told} |", flush=True)


if __name__ == "__main__":
    main()
