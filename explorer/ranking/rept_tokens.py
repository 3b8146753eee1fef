"""RepT's token-level scores (arXiv 2510.02334): do the loss gradients behind a token point along the behavior's?

With row-normalised loss gradients ĝ(t) at a layer, the score of the gradient at position t is (Σ_i ĝ_query(i)) · ĝ(t),
i over the positions where the behavior's bad answers are predicted. The gradient at t belongs to the loss of the tokens
after t, so the score stands on token t + 1, which t predicts; the first token has none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.model.load import LoadedModel
from explorer.ranking.rank import Ranking
from explorer.ranking.recent import Recent
from explorer.ranking.token_evidence import REPT, TokenEvidence, evidence_of, scored_tokens
from explorer.vectors.index import Index
from explorer.vectors.items import Item, encode_items
from explorer.vectors.one_pass import position_gradients
from explorer.vectors.tokenize import Exchange, batches, encode_exchanges

_directions: Recent[Tensor] = Recent(16)


def rept_evidence(loaded: LoadedModel, ranking: Ranking, index: Index, items: Sequence[Item]) -> list[TokenEvidence]:
    """Return the evidence of each item for the question of a ranking; a pair's rejected answer counts against it."""
    layer = ranking.choice.layer or index.manifest.default_layer
    key = (index.key, ranking.items, layer)
    direction = _directions.once(key, lambda: behavior_direction(loaded, ranking.items, layer))
    exchanges = encode_items(loaded, items)
    gradients = iter(_gradients(loaded, [e for both in exchanges for e in both], layer))
    evidence = []
    for item, both in zip(items, exchanges, strict=True):
        scored = []
        for exchange, sign in zip(both, (1.0, -1.0), strict=False):
            values = sign * (next(gradients) @ direction)
            scored.append(scored_tokens(loaded, exchange, [0.0, *values[:-1].tolist()]))
        evidence.append(evidence_of(REPT, item, both, scored))
    return evidence


def behavior_direction(loaded: LoadedModel, items: Sequence[Item], layer: int) -> Tensor:
    """Return (width,) the mean over items of Σ_i ĝ(i) where their bad answers are predicted.

    0 where no bad answer has a token: nothing pulls towards it.
    """
    exchanges = [e for e in encode_exchanges(loaded, [item.replies[0] for item in items]) if e.spans]
    total = torch.zeros(_width(loaded))
    for exchange, gradient in zip(exchanges, _gradients(loaded, exchanges, layer), strict=True):
        for start, end in exchange.spans:
            total += gradient[start - 1 : end - 1].sum(0)
    return total / max(len(exchanges), 1)


def _gradients(loaded: LoadedModel, exchanges: Sequence[Exchange], layer: int) -> list[Tensor]:
    """Normalised loss gradients (T, width) of each exchange; 0 for one without an answer."""
    view = loaded.view("gradient")
    gradients = [torch.zeros(len(e.ids), _width(loaded)) for e in exchanges]
    answered = [i for i, e in enumerate(exchanges) if e.spans]
    for batch in batches([exchanges[i] for i in answered]):
        numbers = [answered[j] for j in batch]
        padded_gradients = position_gradients(view, [exchanges[i] for i in numbers], layer)
        for i, gradient in zip(numbers, padded_gradients, strict=True):
            g = gradient[: len(exchanges[i].ids)].float().cpu()
            gradients[i] = g / g.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    return gradients


def _width(loaded: LoadedModel) -> int:
    return loaded.model.config.get_text_config().hidden_size
