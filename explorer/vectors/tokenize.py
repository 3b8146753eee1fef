"""Exchanges: conversations with their last answer as token ids, and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from explorer.errors import PromptError
from explorer.limits import TRAINING_TOKENS
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, end_of_turn, render_spans, spaced

BATCH_TOKENS = 2048
"""Padded tokens of a batch, unless a single exchange has more."""

Span = tuple[int, int]


class Reply(NamedTuple):
    """A prompt with one answer, and where the loss is.

    Attributes:
        ended: the answer is whole, and the loss has the token that ends it too.
        turns: ``all`` puts the loss on the assistant's turns in the prompt's history too, ``last`` on the answer alone.
        most: tokens that are read at most.
    """

    prompt: Prompt
    answer: str
    ended: bool = True
    turns: str = "last"
    most: int = TRAINING_TOKENS


@dataclass(frozen=True)
class Exchange:
    """Token ids of a conversation, and which of them carry the loss.

    Attributes:
        ids: all tokens; the last one is the answer's, or ends it.
        spans: [first, after the last) place of the tokens with a loss, one span for each assistant turn that has one
            (two for one that lost its middle), in order; the last is the answer's. Empty where the answer is blank:
            callers leave such exchanges out.
        ended: whether the last span has the end-of-turn token.
        lost: tokens that were cut off.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    ended: bool = False
    lost: int = 0

    @property
    def start(self) -> int:
        """Place where the last answer begins (the end, without one): ``start - 1`` is p₀, which predicts it."""
        return self.spans[-1][0] if self.spans else len(self.ids)

    @property
    def answer(self) -> tuple[int, ...]:
        """The last answer's token ids without the end-of-turn token; empty for a blank answer."""
        return self.ids[self.start : len(self.ids) - self.ended]


def encode_exchanges(loaded: LoadedModel, replies: Sequence[Reply]) -> list[Exchange]:
    """Tokenise replies as ``prompts.text_ids`` does, but all at once.

    The end-of-turn token (``prompts.end_of_turn``) follows the answer of a reply that is ``ended``, and belongs to the
    span of every turn.

    What is longer than a reply's ``most`` tokens, or than the model reads, is cut: first the middle of what stands
    before the answer, down to half of the limit, and only then the answer's end. So the system prompt, the beginning
    and the end of the chat format, and p₀ stay.
    """
    encoded: dict[int, Exchange] = {}
    for raw in (False, True):
        places = [place for place, reply in enumerate(replies) if reply.prompt.raw == raw]
        if places:
            encoded |= zip(places, _encode_alike(loaded, [replies[place] for place in places], raw), strict=True)
    return [encoded[place] for place in range(len(replies))]


def _encode_alike(loaded: LoadedModel, replies: Sequence[Reply], raw: bool) -> list[Exchange]:
    """Encode replies that are all raw or all chat; see ``encode_exchanges``."""
    rendered = [render_spans(loaded, reply.prompt) for reply in replies]
    before = [text for text, _ in rendered]
    answers = [spaced(b, r.answer, raw) if r.answer.strip() else "" for b, r in zip(before, replies, strict=True)]
    encode, end = loaded.tokenizer, end_of_turn(loaded, raw)
    starts = encode(before, add_special_tokens=raw)["input_ids"]
    wholes = encode([b + a for b, a in zip(before, answers, strict=True)], add_special_tokens=raw)["input_ids"]
    alone = encode(answers, add_special_tokens=False)["input_ids"]
    exchanges = []
    for i, reply in enumerate(replies):
        if not starts[i]:
            raise PromptError("A prompt has no tokens; expected at least one word.")
        fits = wholes[i][: len(starts[i])] == starts[i]
        answer = (wholes[i][len(starts[i]) :] if fits else alone[i]) if answers[i] else []
        ending = end if reply.ended and answer else None
        earlier = _earlier_spans(loaded, reply, rendered[i], starts[i], ending) if answer else []
        most = min(reply.most, loaded.max_tokens or reply.most)
        exchanges.append(_cut(starts[i], earlier, answer, ending, most))
    return exchanges


def _earlier_spans(
    loaded: LoadedModel, reply: Reply, rendered: tuple[str, list[tuple[str, int, int]]], ids: list[int], end: int | None
) -> list[Span]:
    """Places of the assistant's turns in the tokens of the prompt, where they carry a loss.

    A token that reaches into a turn is the turn's.
    """
    text, parts = rendered
    turns = [(start, stop) for role, start, stop in parts if role == "assistant"] if reply.turns == "all" else []
    if not turns:
        return []
    offsets = loaded.tokenizer(text, add_special_tokens=reply.prompt.raw, return_offsets_mapping=True)["offset_mapping"]
    spans = []
    for start, stop in turns:
        first = next(i for i, (_, after) in enumerate(offsets) if after > start)
        # tokens of white space alone may have empty offsets: they do not end a turn
        last = next((i for i, (at, after) in enumerate(offsets) if at >= stop and after > at), len(ids))
        if end in ids[last : last + 2]:  # white space may stand before it
            last = ids.index(end, last) + 1
        spans.append((first, last))
    return spans


def _cut(prompt: list[int], earlier: list[Span], answer: list[int], end: int | None, most: int) -> Exchange:
    """Return the exchange, at most ``most`` tokens long; see ``encode_exchanges``."""
    reply = [*answer, *([] if end is None else [end])]
    kept = min(len(reply), max(most - len(prompt), most - most // 2))
    gone = max(0, len(prompt) + kept - most)
    start, ended = len(prompt) - gone, end is not None and kept == len(reply)
    spans = _without(start // 2, gone, earlier) if gone else list(earlier)
    if reply:
        spans.append((start, start + kept))
    left = (*prompt[: start // 2], *prompt[start // 2 + gone :])
    return Exchange((*left, *reply[:kept]), tuple(spans), ended, gone + len(reply) - kept)


def _without(at: int, gone: int, spans: Sequence[Span]) -> list[Span]:
    """Spans after ``gone`` tokens from ``at`` on were taken out.

    The token that now stands at ``at`` carries no loss: what it followed is not there.
    """
    before = ((first, min(last, at)) for first, last in spans)
    after = ((max(first, at + gone + 1) - gone, last - gone) for first, last in spans)
    return sorted((first, last) for first, last in (*before, *after) if last > first)


def batches(
    exchanges: Sequence[Exchange], budget: int = BATCH_TOKENS, owners: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Yield indices of the exchanges in batches of similar length, at most ``budget`` padded tokens each.

    ``owners``: exchanges of the same owner, such as the answers of a pair, stand next to each other.
    """
    owned = owners if owners is not None else range(len(exchanges))
    longest: dict[int, int] = {}
    for owner, exchange in zip(owned, exchanges, strict=True):
        longest[owner] = max(longest.get(owner, 0), len(exchange.ids))
    batch: list[int] = []
    for i in sorted(range(len(exchanges)), key=lambda i: (longest[owned[i]], owned[i], len(exchanges[i].ids))):
        if batch and (len(batch) + 1) * len(exchanges[i].ids) > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Return how many token ids all rows begin with in common."""
    differing = (i for i, ids in enumerate(zip(*rows, strict=False)) if len(set(ids)) > 1)
    return next(differing, min(map(len, rows)))


def padded(exchanges: Sequence[Exchange], device: torch.device) -> Tensor:
    """Return the (B, T) ids of exchanges; see ``padded_rows``."""
    return padded_rows([e.ids for e in exchanges], device)


def padded_rows(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Return (B, T) ids, padded on the right with 0: causal attention never lets a real token see the padding."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
