"""What oneDNN's float32 products and rows beside each other bring on this machine, for docs/bench.md.

python -m bench.products

Passes of the embedded model over several rows of random tokens, forward alone, in turn: by the usual products, by the
faster ones (``explorer.model.products``), and each part of the rows on a core of its own (``explorer.model.by_rows``).
Where the faster ones would not be used, the first two are the same. Then the product with the vocabulary alone, of the
last tokens of so many rows, which lie apart in memory.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from explorer.model.by_rows import by_rows
from explorer.model.load import load_model
from explorer.model.products import _linear, fast_products

SHAPES = ((1, 64), (1, 256), (1, 1024), (6, 83), (6, 256))
"""(rows, tokens of a row)."""
LAST = (1, 3, 6)
"""Rows whose last tokens are multiplied with the vocabulary."""
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
        first, second, third = in_turn(*(partial(way, ids) for way in ways))
        told = f"{third:.3f} | {first / third:.2f}" if rows > 1 else " | "
        print(f"| {rows} × {length} | {first:.3f} | {second:.3f} | {told} |", flush=True)
    weight = torch.randn(model.config.vocab_size, model.config.hidden_size)
    for rows in LAST:
        last = torch.randn(rows, 75, weight.shape[1])[:, -1:]
        first, second = in_turn(partial(torch.nn.functional.linear, last, weight), partial(_linear, last, weight))
        print(f"| last of {rows} | {first:.4f} | {second:.4f} |", flush=True)


def in_turn(*ways: Callable[[], object]) -> list[float]:
    """Median seconds of each way, called in turn; the first round does not count."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, found in zip(ways, seconds, strict=True):
            began = perf_counter()
            way()
            found.append(perf_counter() - began)
    return [median(found[1:]) for found in seconds]


if __name__ == "__main__":
    main()
