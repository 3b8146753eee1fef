"""Which tokens of a training example pull towards a behavior: RepT's token-level scores (arXiv 2510.02334)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from explorer.data.study import Study
from explorer.model.load import LoadedModel, load_model
from explorer.model.prompts import token_texts
from explorer.ranking.rank import Ranking
from explorer.ranking.recent import Recent
from explorer.vectors.find import index_model, pick_index
from explorer.vectors.index import Index
from explorer.vectors.items import Item, study_items
from explorer.vectors.one_pass import position_gradients
from explorer.vectors.tokenize import Exchange, batches, encode_exchanges


@dataclass(frozen=True)
class TokenScore:
    """One token of a training example: its text, where it stands (``prompt``, ``answer`` or ``end``), and its score.

    + pulls towards the behavior, − away from it; in units of the number of the behavior's answer tokens.
    """

    text: str
    part: str
    score: float


@dataclass(frozen=True)
class TokenEvidence:
    """The token scores of one datapoint.

    Attributes:
        tokens: all that the model read of the prompt and the (chosen) answer, with the chat format.
        prompt, answer: the same without the chat format, whole: what was too long for the model is one piece at the end
            with the score 0.
        rejected: the rejected answer of a pair; empty for a single answer.
    """

    tokens: tuple[TokenScore, ...]
    prompt: tuple[TokenScore, ...]
    answer: tuple[TokenScore, ...]
    rejected: tuple[TokenScore, ...] = ()


_evidence: Recent[TokenEvidence] = Recent(2000)
_directions: Recent[Tensor] = Recent(16)


def token_scores(
    study: Study, ranking: Ranking, rows: Sequence[int], *, stage: str | None = None
) -> dict[int, TokenEvidence]:
    """Score the tokens of some datapoints for the question of a ranking: row number → evidence.

    Runs the index's model over the datapoints that were not scored lately. ``stage``: the checkpoint to score in after
    a ranking by the texts alone; default the earliest that is built. Raises ExplorerError where nothing is built.
    """
    index = ranking.index or pick_index(study, ranking.choice.method, stage=stage)
    evidence = known_token_scores(ranking, rows, index)
    missing = [row for row in rows if row not in evidence]
    if missing:
        loaded = load_model(index_model(study, index))
        *key, layer = _key(ranking, index)
        direction = _directions.once((*key, layer), lambda: behavior_direction(loaded, ranking.items, layer))
        items = study_items(study, study.datapoints().take(missing))
        for row, scored in zip(missing, score_tokens(loaded, items, layer, direction), strict=True):
            evidence[row] = _evidence.put((*key, layer, row), scored)
    return evidence


def known_token_scores(ranking: Ranking, rows: Sequence[int], index: Index | None = None) -> dict[int, TokenEvidence]:
    """Return the token scores that are at hand, without running a model."""
    index = index or ranking.index
    if index is None:
        return {}
    evidence = {row: _evidence.get((*_key(ranking, index), row)) for row in rows}
    return {row: scored for row, scored in evidence.items() if scored is not None}


def _key(ranking: Ranking, index: Index) -> tuple[tuple[str, str], tuple[Item, ...], int]:
    """What token scores depend on besides the datapoint; the last is the layer."""
    return index.key, ranking.items, ranking.choice.layer or index.manifest.default_layer


def behavior_direction(loaded: LoadedModel, items: Sequence[Item], layer: int) -> Tensor:
    """Return (width,) the mean over items of Σ_i ĝ_i: normalised loss gradients where bad answer tokens are predicted.

    0 where no bad answer has a token: nothing pulls towards it.
    """
    exchanges = [e for e in encode_exchanges(loaded, [item.replies[0] for item in items]) if e.spans]
    total = torch.zeros(_width(loaded))
    for exchange, gradient in zip(exchanges, _gradients(loaded, exchanges, layer), strict=True):
        for start, end in exchange.spans:
            total += gradient[start - 1 : end - 1].sum(0)
    return total / max(len(exchanges), 1)


def score_tokens(loaded: LoadedModel, items: Sequence[Item], layer: int, direction: Tensor) -> list[TokenEvidence]:
    """Return the evidence of each item for a behavior's direction (width,).

    A token's score is direction · ĝ at its own position, as published. A pair's other answer is taught against: its
    scores are turned around.
    """
    exchanges = encode_exchanges(loaded, [reply for item in items for reply in item.replies])
    scored = iter(
        [
            _scored(loaded, exchange, (gradient @ direction).tolist())
            for exchange, gradient in zip(exchanges, _gradients(loaded, exchanges, layer), strict=True)
        ]
    )
    evidence = []
    for item in items:
        tokens, rejected = next(scored), []
        prompt, answer = own_words(tokens, item.prompt.text, item.answer)
        if item.other is not None:
            against = [replace(token, score=-token.score) for token in next(scored)]
            rejected = own_words(against, item.prompt.text, item.other)[1]
        evidence.append(TokenEvidence(tuple(tokens), tuple(prompt), tuple(answer), tuple(rejected)))
    return evidence


def _scored(loaded: LoadedModel, exchange: Exchange, values: Sequence[float]) -> list[TokenScore]:
    texts = token_texts(loaded, exchange.ids)
    end = exchange.start + len(exchange.answer)
    parts = ("prompt" if i < exchange.start else "answer" if i < end else "end" for i in range(len(texts)))
    return [TokenScore(text, part, value) for text, part, value in zip(texts, parts, values, strict=True)]


def own_words(tokens: Sequence[TokenScore], prompt: str, answer: str) -> tuple[list[TokenScore], list[TokenScore]]:
    """Return a scored example without the chat format, and whole: the tokens of its prompt, and those of its answer.

    What the model did not read, as it was too long for it, stands at the end as one piece with the score 0; so does a
    prompt that the tokens do not spell letter for letter.
    """
    before, prompt = [t for t in tokens if t.part == "prompt"], prompt.strip()
    ends = list(accumulate(len(t.text) for t in before))
    first = "".join(t.text for t in before).rfind(prompt)
    inside = [t for t, end in zip(before, ends, strict=True) if end > first and end - len(t.text) < first + len(prompt)]
    answered = [t for t in tokens if t.part == "answer"]
    read, answer = "".join(t.text for t in answered).strip(), answer.strip()
    rest = [TokenScore(answer[len(read) :], "answer", 0.0)] if answer.startswith(read) and answer != read else []
    return (inside if first >= 0 else [TokenScore(prompt, "prompt", 0.0)]), [*answered, *rest]


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
