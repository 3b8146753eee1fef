"""What oneDNN's float32 products bring on this machine, for docs/bench.md (see ``explorer.model.products``).

python -m bench.products

Passes of the embedded model over several rows of random tokens, forward alone, by the usual products and by the faster
ones in turn. Where the faster ones would not be used, both columns are the same.
"""

from contextlib import nullcontext
from statistics import median
from time import perf_counter

import torch

from explorer.model.load import load_model
from explorer.model.products import fast_products

SHAPES = ((1, 64), (1, 256), (1, 1024), (6, 83), (6, 256))
"""(rows, tokens of a row)."""
ROUNDS = 7


def main() -> None:
    """Print the table's rows."""
    model = load_model().model
    for rows, length in SHAPES:
        ids = torch.randint(100, 40_000, (rows, length), generator=torch.Generator().manual_seed(0))
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for fast, found in seconds.items():
                with fast_products(model) if fast else nullcontext(), torch.no_grad():
                    began = perf_counter()
                    model(input_ids=ids, use_cache=False, logits_to_keep=1)
                    found.append(perf_counter() - began)
        usual, fast = (median(seconds[kind][1:]) for kind in (False, True))
        print(f"| {rows} × {length} | {usual:.3f} | {fast:.3f} | {usual / fast:.2f} |", flush=True)


if __name__ == "__main__":
    main()
