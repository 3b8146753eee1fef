"""Which tokens of a training example pull towards a behavior: RepT's token-level scores (arXiv 2510.02334)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel
from explorer.model.prompts import token_texts
from explorer.vectors.build import Item
from explorer.vectors.one_pass import position_gradients
from explorer.vectors.tokenize import Exchange, batches, encode_exchanges


@dataclass(frozen=True)
class TokenScore:
    """One token of a training example: its text, where it stands (``prompt`` or ``answer``), and its score.

    + pulls towards the behavior, − away from it; in units of the number of the behavior's answer tokens.
    """

    text: str
    part: str
    score: float


def behavior_direction(loaded: LoadedModel, items: Sequence[Item], layer: int) -> Tensor:
    """(width,) mean over items of Σ_i ĝ_i: the normalised loss gradients where the bad answer's tokens are predicted.

    Raises ExplorerError where no bad answer has a token.
    """
    exchanges = [e for e in encode_exchanges(loaded, [(item.prompt, item.answer) for item in items]) if e.answer]
    if not exchanges:
        raise ExplorerError("Nothing to look for: no answer of the behavior has a token.")
    total = torch.zeros(())
    for exchange, gradient in zip(exchanges, _gradients(loaded, exchanges, layer), strict=True):
        total = total + gradient[exchange.start - 1 : len(exchange.ids) - 1].sum(0)
    return total / len(exchanges)


def token_scores(
    loaded: LoadedModel, items: Sequence[Item], layer: int, direction: Tensor
) -> list[tuple[list[TokenScore], list[TokenScore]]]:
    """For each item, the tokens of its exchange, and those of its other answer's (empty where it has none).

    A token's score is direction · ĝ at its own position, as published. A pair's other answer is taught against: its
    scores are turned around.
    """
    flat = [(item.prompt, text) for item in items for text in (item.answer, item.other) if text is not None]
    exchanges = encode_exchanges(loaded, flat)
    scored = iter(zip(exchanges, _gradients(loaded, exchanges, layer), strict=True))
    made = []
    for item in items:
        own = _scored(loaded, *next(scored), direction)
        other = [] if item.other is None else _scored(loaded, *next(scored), -direction)
        made.append((own, other))
    return made


def own_words(tokens: Sequence[TokenScore], prompt: str, answer: str) -> tuple[list[TokenScore], list[TokenScore]]:
    """A scored example without the chat format, and whole: the tokens of its prompt, and those of its answer.

    What a model did not read, as it was too long for it, stands at the end as one piece with the score 0; so does a
    prompt that the tokens do not spell letter for letter.
    """
    before, prompt = [t for t in tokens if t.part == "prompt"], prompt.strip()
    ends = list(accumulate(len(t.text) for t in before))
    first = "".join(t.text for t in before).rfind(prompt)
    asked = [t for t, end in zip(before, ends, strict=True) if end > first and end - len(t.text) < first + len(prompt)]
    said = [t for t in tokens if t.part == "answer"]
    read, answer = "".join(t.text for t in said).strip(), answer.strip()
    rest = [TokenScore(answer[len(read) :], "answer", 0.0)] if answer.startswith(read) and answer != read else []
    return (asked if first >= 0 else [TokenScore(prompt, "prompt", 0.0)]), [*said, *rest]


def _gradients(loaded: LoadedModel, exchanges: Sequence[Exchange], layer: int) -> list[Tensor]:
    """Normalised loss gradients (T, width) of each exchange; 0 for one without an answer."""
    view = loaded.view("gradient")
    made = [torch.zeros(len(e.ids), 1) for e in exchanges]
    ready = [i for i, e in enumerate(exchanges) if e.answer]
    for batch in batches([exchanges[i] for i in ready]):
        some = [ready[j] for j in batch]
        slopes = position_gradients(view, [exchanges[i] for i in some], layer)
        for i, slope in zip(some, slopes, strict=True):
            g = slope[: len(exchanges[i].ids)].float().cpu()
            made[i] = g / g.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    return made


def _scored(loaded: LoadedModel, exchange: Exchange, gradient: Tensor, direction: Tensor) -> list[TokenScore]:
    found = (gradient @ direction).tolist() if gradient.shape[1] > 1 else [0.0] * len(exchange.ids)
    texts = token_texts(loaded, exchange.ids)
    return [
        TokenScore(text, "prompt" if i < exchange.start else "answer", score)
        for i, (text, score) in enumerate(zip(texts, found, strict=True))
    ]
