"""Exchanges: prompts with one answer each as token ids, and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, render_prompt, spaced

MAX_TOKENS = 2048
"""Tokens of an exchange; a longer one loses the end of its answer, or the beginning of a prompt that fills it alone."""
BATCH_TOKENS = 2048
"""Padded tokens of a batch, unless a single exchange has more."""


@dataclass(frozen=True)
class Exchange:
    """Token ids of a prompt and an answer: ``ids[start:]`` is the answer, ``start - 1`` is p₀, which predicts it."""

    ids: tuple[int, ...]
    start: int

    @property
    def answer(self) -> tuple[int, ...]:
        """The answer's token ids, without an end-of-turn token; may be empty."""
        return self.ids[self.start :]


def encode_exchanges(
    loaded: LoadedModel, pairs: Sequence[tuple[Prompt, str]], most: int = MAX_TOKENS
) -> list[Exchange]:
    """Tokenise (prompt, answer) pairs as ``prompts.text_ids`` does, but all at once.

    An answer that is empty or white space only gives no answer tokens; callers leave such exchanges out.
    """
    if not pairs:
        return []
    most = min(most, loaded.max_tokens or most)
    raw = pairs[0][0].raw
    if any(prompt.raw != raw for prompt, _ in pairs):
        raise ValueError("raw and chat prompts can't be encoded together")
    before = [render_prompt(loaded, prompt) for prompt, _ in pairs]
    answers = [spaced(b, a, raw) if a.strip() else "" for b, (_, a) in zip(before, pairs, strict=True)]
    encode = loaded.tokenizer
    starts = encode(before, add_special_tokens=raw)["input_ids"]
    wholes = encode([b + a for b, a in zip(before, answers, strict=True)], add_special_tokens=raw)["input_ids"]
    alone = encode(answers, add_special_tokens=False)["input_ids"]
    exchanges = []
    for start, whole, answer_ids, answer in zip(starts, wholes, alone, answers, strict=True):
        if not start:
            raise PromptError("A prompt has no tokens; expected at least one word.")
        fits = whole[: len(start)] == start
        ids = (whole[len(start) :] if fits else answer_ids) if answer else []
        prompt = start[-(most - 1) :]
        exchanges.append(Exchange((*prompt, *ids[: most - len(prompt)]), len(prompt)))
    return exchanges


def batches(exchanges: Sequence[Exchange], budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield indices of the exchanges in batches of similar length, at most ``budget`` padded tokens each."""
    batch: list[int] = []
    for i in sorted(range(len(exchanges)), key=lambda i: (len(exchanges[i].ids), exchanges[i].start)):
        if batch and (len(batch) + 1) * len(exchanges[i].ids) > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(exchanges: Sequence[Exchange], device: torch.device) -> Tensor:
    """Return (B, T) ids, padded on the right with 0: causal attention never lets a real token see the padding."""
    width = max(len(e.ids) for e in exchanges)
    return torch.tensor([[*e.ids, *[0] * (width - len(e.ids))] for e in exchanges], device=device)
