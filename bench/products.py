"""What oneDNN's float32 products and rows beside each other bring on this machine, for docs/bench.md.

python -m bench.products

Passes of the embedded model over several rows of random tokens, forward alone, in turn: by the usual products, by the
faster ones (``explorer.model.products``), and each part of the rows on a core of its own (``explorer.model.by_rows``).
Where the faster ones would not be used, the first two are the same. Then the product with the vocabulary alone, of the
last tokens of so many rows, which lie apart in memory.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from bench.timing import medians
from explorer.model.by_rows import by_rows
from explorer.model.load import load_model
from explorer.model.products import fast_products

SHAPES = ((1, 64), (1, 256), (1, 1024), (6, 83), (6, 256))
"""(rows, tokens of a row)."""
LAST = (2, 3, 6)
"""Rows whose last tokens are multiplied with the vocabulary."""
ROUNDS = 6


def main() -> None:
    """Print the table's rows."""
    model = load_model().model

    def run(ids: Tensor, some: slice = slice(None)) -> Tensor:
        return model(input_ids=ids[some], use_cache=False, logits_to_keep=1).logits

    def usual(run: Callable[[], Tensor]) -> Tensor:
        with torch.no_grad():
            return run()

    def fast(run: Callable[[], Tensor]) -> Tensor:
        with fast_products(model):
            return usual(run)

    for rows, length in SHAPES:
        ids = torch.randint(100, 40_000, (rows, length), generator=torch.Generator().manual_seed(0))
        whole = partial(run, ids)
        works: dict[str, Callable[[], object]] = {"usual": partial(usual, whole), "fast": partial(fast, whole)}
        if rows > 1:
            works["beside"] = partial(by_rows, model, rows, whole)
        seconds = medians(works, ROUNDS)
        first, third = seconds["usual"], seconds.get("beside")
        told = f"{third:.3f} | {first / third:.2f}" if third else " | "
        print(f"| {rows} × {length} | {first:.3f} | {seconds['fast']:.3f} | {told} |", flush=True)
    weight = torch.randn(model.config.vocab_size, model.config.hidden_size)
    for rows in LAST:
        product = partial(nn.functional.linear, torch.randn(rows, 75, weight.shape[1])[:, -1:], weight)
        seconds = medians({"usual": partial(usual, product), "fast": partial(fast, product)}, ROUNDS)
        first, second = seconds["usual"], seconds["fast"]
        print(f"| {rows} | {first:.4f} | {second:.4f} | {first / second:.2f} |", flush=True)


if __name__ == "__main__":
    main()
