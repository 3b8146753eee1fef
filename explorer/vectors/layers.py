"""Which layers to make vectors at."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel
from explorer.model.lrp import view_state
from explorer.model.residual import recorded_residual
from explorer.vectors.items import Item
from explorer.vectors.tokenize import batches, encode_exchanges, padded


def parse_layers(text: str) -> list[int]:
    """Numbers with commas between; ``auto`` or nothing is an empty list. Raises ExplorerError for anything else."""
    if text.strip() in ("", "auto"):
        return []
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ExplorerError(f"Layers are '{text}'; expected auto, or numbers with commas between.") from error


def turning_layer(states: Sequence[Tensor]) -> int:
    """RepT's layer (arXiv 2510.02334): l in 1..L−1 with the smallest mean cosine of H^(l−1) and H^l.

    ``states``: L+1 tensors (n, width), the embeddings and the stream after each block; the last pair is left out.
    """
    if len(states) < 3:
        return 1
    pairs = itertools.pairwise(states[:-1])
    cosines = [torch.cosine_similarity(a.float(), b.float(), dim=-1).mean().item() for a, b in pairs]
    return cosines.index(min(cosines)) + 1


def rept_layer(loaded: LoadedModel, items: Sequence[Item]) -> int:
    """``turning_layer`` of the states at p₀ of some items."""
    exchanges = encode_exchanges(loaded, [(item.prompt, item.answer or " ") for item in items])
    rows: list[list[Tensor]] = [[] for _ in range(loaded.n_layers + 1)]
    view = loaded.view("gradient")
    for batch in batches(exchanges):
        some = [exchanges[i] for i in batch]
        at = torch.tensor([e.start - 1 for e in some], device=view.device)
        with view_state(view).lock, torch.no_grad(), recorded_residual(view) as recording:
            view(input_ids=padded(some, view.device), use_cache=False, logits_to_keep=1)
        for row, state in zip(rows, recording.states, strict=True):
            row.append(state[torch.arange(len(some)), at].detach())
    return turning_layer([torch.cat(row) for row in rows])


def late_layer(depth: int) -> int:
    """The layer at 14 fifteenths of the depth, where ``explorer`` was best on the demo (docs/training-data.md)."""
    return max(1, 14 * depth // 15)


def auto_layers(depth: int, turning: int) -> list[int]:
    """RepT's layer, the one at half of the depth, and the late one."""
    return sorted({turning, max(1, depth // 2), late_layer(depth)})
