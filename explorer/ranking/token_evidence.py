"""The tokens of a training example with their scores, as the page, the command and notebooks show them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from explorer.model.load import LoadedModel
from explorer.model.prompts import token_texts
from explorer.vectors.items import Item
from explorer.vectors.tokenize import Exchange

SHARES, REPT = "shares", "rept"
KINDS = {
    SHARES: "Exact: how much of the datapoint's score each answer token makes; the shares add up to it.",
    REPT: "RepT's: how much the loss gradient behind a token points along the behavior's own.",
}


@dataclass(frozen=True)
class TokenScore:
    """One token of a training example: its text, where it stands (``prompt``, ``answer`` or ``end``), and its score.

    + pulls towards the behavior, − away from it. A share is in units of the datapoint's score; RepT's score in units
    of the number of the behavior's answer tokens.
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
            with the score 0. The answer ends with the end-of-turn token where that carries a loss.
        earlier: what stands before the prompt where answers in it carry a loss: the earlier turns of a chat.
        rejected: the rejected answer of a pair; empty for a single answer.
        state: of shares, the part of the score that is the state before the answer: the topic, which no token of the
            answer makes. None where the method does not compare states.
        common: of shares, the part that all datapoints have in common and that centring takes away; 0 without it.

    Of shares, ``state`` + ``common`` + the scores of ``tokens`` and ``rejected`` is the datapoint's score.
    """

    kind: str
    tokens: tuple[TokenScore, ...]
    prompt: tuple[TokenScore, ...]
    answer: tuple[TokenScore, ...]
    earlier: tuple[TokenScore, ...] = ()
    rejected: tuple[TokenScore, ...] = ()
    state: float | None = None
    common: float = 0.0

    def strongest(self, count: int = 6) -> list[TokenScore]:
        """The tokens of prompt and answers with the largest scores either way, those with 0 left out."""
        scored = [token for token in (*self.tokens, *self.rejected) if token.score and token.text.strip()]
        return sorted(scored, key=lambda token: -abs(token.score))[:count]

    def to_json(self) -> dict[str, Any]:
        """Return the command's JSON: the tokens, those of a rejected answer, and of shares the other parts."""
        values: dict[str, Any] = {"tokens": [asdict(token) for token in self.tokens]}
        if self.rejected:
            values["rejected_tokens"] = [asdict(token) for token in self.rejected]
        return values | ({"state": self.state, "common": self.common} if self.kind == SHARES else {})


def scored_tokens(loaded: LoadedModel, exchange: Exchange, values: Sequence[float]) -> list[TokenScore]:
    """Return the tokens of an exchange with their scores."""
    texts = token_texts(loaded, exchange.ids)
    parts = ["prompt"] * len(texts)
    for start, end in exchange.spans:
        parts[start:end] = ["answer"] * (end - start)
    if exchange.ended:
        parts[-1] = "end"
    return [TokenScore(text, part, value) for text, part, value in zip(texts, parts, values, strict=True)]


def evidence_of(
    kind: str,
    item: Item,
    exchanges: Sequence[Exchange],
    scored: Sequence[Sequence[TokenScore]],
    state: float | None = None,
    common: float = 0.0,
) -> TokenEvidence:
    """Return the evidence of an item, from the scored tokens of its one or two exchanges."""
    start = exchanges[0].start
    before, after = scored[0][:start], scored[0][start:]
    first, last = _found(before, item.prompt.text.strip())
    prompt = before[first:last] if last else [TokenScore(item.prompt.text.strip(), "prompt", 0.0)]
    earlier = before[: first if last else len(before)] if len(exchanges[0].spans) > 1 else []
    rejected = _whole(scored[1][exchanges[1].start :], item.other or "") if len(exchanges) > 1 else []
    answer = _whole(after, item.answer)
    columns = (tuple(part) for part in (scored[0], prompt, answer, earlier, rejected))
    return TokenEvidence(kind, *columns, state=state, common=common)


def _found(tokens: Sequence[TokenScore], text: str) -> tuple[int, int]:
    """Return the first of the tokens that spell a text, and the one after the last; (0, 0) where none do."""
    ends = list(accumulate(len(t.text) for t in tokens))
    at = "".join(t.text for t in tokens).rfind(text)
    inside = [i for i, end in enumerate(ends) if end > at and end - len(tokens[i].text) < at + len(text)]
    return (inside[0], inside[-1] + 1) if at >= 0 and inside else (0, 0)


def _whole(tokens: Sequence[TokenScore], answer: str) -> list[TokenScore]:
    """Return the tokens of an answer; what the model did not read of it stands at the end with the score 0."""
    read = "".join(t.text for t in tokens if t.part != "end").strip()
    answer = answer.strip()
    rest = [TokenScore(answer[len(read) :], "answer", 0.0)] if answer.startswith(read) and answer != read else []
    return [*tokens, *rest]
