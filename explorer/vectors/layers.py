"""Which layers to make vectors at."""

import itertools
from collections.abc import Sequence

import torch

from explorer.errors import ExplorerError
from explorer.model import memory
from explorer.model.load import LoadedModel
from explorer.model.passes import model_pass
from explorer.model.residual import recorded_residual
from explorer.vectors.items import Item
from explorer.vectors.tokenize import Reply, batches, encode_exchanges, padded

LAYER_RULES = ("auto", "rept")
"""Names of rules that choose layers without labels, where numbers could stand as well."""


def parse_layers(text: str) -> list[int] | str:
    """Read numbers with commas between, or a name of ``LAYER_RULES`` (nothing: ``auto``).

    Raises ExplorerError for anything else.
    """
    name = text.strip().lower() or "auto"
    if name in LAYER_RULES:
        return name
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ExplorerError(
            f"Layers are '{text}'; expected {', '.join(LAYER_RULES)}, or numbers with commas between."
        ) from error


def rept_layer(loaded: LoadedModel, items: Sequence[Item]) -> int:
    """Return RepT's layer (arXiv 2510.02334): l in 2..L−1 with the smallest mean cosine of H^(l−1) and H^l at p₀.

    The pairs of the first block (embeddings, 1) and of the last one (L−1, L) are left out. A model of fewer than three
    blocks has no pair; its layer is 1.
    """
    exchanges = encode_exchanges(loaded, [Reply(item.prompt, item.answer, most=item.most) for item in items])
    cosines = torch.zeros(loaded.n_layers)
    view = loaded.view("gradient")
    for numbers in batches(exchanges):
        batch = [exchanges[i] for i in numbers]
        tokens = sum(len(exchange.ids) for exchange in batch)
        last = torch.tensor([e.start - 1 for e in batch], device=view.device)
        with model_pass(view, tokens, advice=memory.ADVICE), torch.no_grad(), recorded_residual(view) as recording:
            view(input_ids=padded(batch, view.device), use_cache=False, logits_to_keep=1)
        states = [state[torch.arange(len(batch)), last].float() for state in recording.states]
        pairs = itertools.pairwise(states)
        cosines += torch.stack([torch.cosine_similarity(a, b, dim=-1).sum() for a, b in pairs]).cpu()
    return int(cosines[1:-1].argmin()) + 2 if len(cosines) > 2 else 1


def late_layer(depth: int) -> int:
    """Return the layer at 14/15 of the depth, where ``explorer`` was best on the demo (docs/training-data.md)."""
    return max(1, 14 * depth // 15)
