"""What a model answers: greedy generation, the same every time, for many prompts at once or one with its candidates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from transformers import GenerationConfig

from explorer.model import memory
from explorer.model.kept import kept_of
from explorer.model.load import LoadedModel
from explorer.model.passes import ADVICE, turn
from explorer.model.products import fast_products
from explorer.model.prompts import EncodedPrompt, Prompt, check_length, encode_prompt, token_texts
from explorer.progress import Progress, silent

MAX_TOKENS = 28
_LEAST_SAVED = 64
"""Tokens that need not be read, all rows together, for which a beginning is read apart."""


def generate(
    loaded: LoadedModel, prompts: Sequence[Prompt], max_tokens: int = MAX_TOKENS, batch: int = 40
) -> Iterator[dict[int, str]]:
    """Yield {prompt number: answer} a batch at a time, prompts of similar length together.

    Answers carry no white space around them. Raises PromptError for a prompt that can't be read.
    """
    ids = [encode_prompt(loaded, prompt).ids for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        rows = [ids[number] for number in numbers]
        texts = continuations(loaded, rows, max_tokens)
        yield {number: text.strip() for number, text in zip(numbers, texts, strict=True)}


def continuations(
    loaded: LoadedModel,
    rows: Sequence[Sequence[int]],
    max_tokens: int = MAX_TOKENS,
    enough: Callable[[list[str], list[bool]], bool] | None = None,
) -> list[str]:
    """Greedy continuations of rows of token ids, in one batch; with the white space that they begin with.

    Args:
        enough: is given all texts so far, and which of them have ended, after each token; generation ends where it
            says so.
    """
    if not rows:
        return []
    width, ends = max(map(len, rows)), [*_end_tokens(loaded), loaded.tokenizer.pad_token_id]

    def texts(ids: torch.Tensor) -> list[str]:
        return loaded.tokenizer.batch_decode(ids[:, width:], skip_special_tokens=True)

    def watch(ids: torch.Tensor, _scores: torch.Tensor, **_more: Any) -> torch.Tensor:
        ended = [token in ends for token in ids[:, -1].tolist()]
        return torch.full((len(ids),), bool(enough and enough(texts(ids), ended)), device=ids.device)

    return texts(_generate(loaded, rows, max_tokens, [watch]))


def answers(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    max_tokens: int = MAX_TOKENS,
    batch: int = 40,
    progress: Progress = silent,
) -> list[str]:
    """Greedy answers in the order of the prompts; see ``generate``."""
    texts: dict[int, str] = {}
    for answered in generate(loaded, prompts, max_tokens, batch):
        texts |= answered
        progress("The model answers", len(texts), len(prompts))
    return [texts[number] for number in range(len(prompts))]


@dataclass(frozen=True)
class Candidate:
    """A token that the model considered: its id, characters, probability (0..1) and logit."""

    id: int
    text: str
    probability: float
    logit: float


@dataclass(frozen=True)
class Answer:
    """A greedy answer: its tokens, and at each position the most probable candidates, best first."""

    text: str
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    candidates: tuple[tuple[Candidate, ...], ...]
    ended: bool


def greedy_answer(
    loaded: LoadedModel, encoded: EncodedPrompt, max_tokens: int = 40, top: int = 10, progress: Progress = silent
) -> Answer:
    """Answer one prompt greedily, with the ``top`` candidates at every generated position."""
    check_length(loaded, len(encoded.tokens) + 1)
    if loaded.max_tokens:
        max_tokens = min(max_tokens, loaded.max_tokens - len(encoded.tokens))
    length = len(encoded.ids)

    def watch(ids: torch.Tensor, _scores: torch.Tensor, **_more: Any) -> torch.Tensor:
        progress("The model answers", ids.shape[1] - length, max_tokens)
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)  # goes on

    output = _generate(loaded, [encoded.ids], max_tokens, [watch], output_logits=True, return_dict_in_generate=True)
    ids = output.sequences[0, length:].tolist()
    candidates = tuple(top_candidates(loaded, logits[0], top) for logits in output.logits)
    ended = bool(ids) and ids[-1] in _end_tokens(loaded)
    texts, end = token_texts(loaded, ids[:-1] if ended else ids), token_texts(loaded, ids[-1:] if ended else [])
    return Answer("".join(texts), tuple(ids), (*texts, *end), candidates, ended)


def top_candidates(loaded: LoadedModel, logits: torch.Tensor, top: int = 10) -> tuple[Candidate, ...]:
    """The ``top`` most probable tokens under logits of shape (vocabulary,)."""
    logits = logits.float()
    probabilities = torch.softmax(logits, -1)
    best = probabilities.topk(min(top, len(probabilities)))
    return tuple(
        Candidate(token, token_texts(loaded, [token])[0], probability, logits[token].item())
        for token, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    )


def _generate(
    loaded: LoadedModel,
    rows: Sequence[Sequence[int]],
    max_tokens: int,
    watches: Sequence[Callable[..., torch.Tensor]] = (),
    **options: Any,
) -> Any:
    """Run ``generate`` of transformers greedily on rows of token ids, padded after what all of them begin with.

    That is read once, where attention keeps what it needs of it. It takes its turn among the passes (``passes.turn``)
    and lets the others go first after each token. ``watches`` are called with the ids so far after each token, as its
    stopping criteria.
    """
    pad = loaded.tokenizer.pad_token_id
    pad = pad if isinstance(pad, int) else 0
    width, device = max(map(len, rows)), loaded.model.device
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=_end_tokens(loaded) or None,
        pad_token_id=pad,
        **options,
    )
    guard = memory.guard(f"Answering ({width:,} tokens, {len(rows)} at once)", ADVICE)
    with torch.inference_mode(), turn(len(rows) * (width + max_tokens)) as give_way, guard, fast_products(loaded.model):

        def others_first(ids: torch.Tensor, _scores: torch.Tensor, **_more: Any) -> torch.Tensor:
            give_way()
            return torch.zeros(len(ids), dtype=torch.bool, device=device)  # goes on

        shared, given = _read_beginning(loaded, rows)
        gaps = [width - len(row) for row in rows]
        padded = [[*row[:shared], *[pad] * gap, *row[shared:]] for row, gap in zip(rows, gaps, strict=True)]
        mask = [[1] * shared + [0] * gap + [1] * (width - shared - gap) for gap in gaps]
        given |= {"attention_mask": torch.tensor(mask, device=device), "generation_config": config}
        ids, criteria = torch.tensor(padded, device=device), [*watches, others_first]
        return loaded.model.generate(ids, stopping_criteria=criteria, **given)  # pyright: ignore[reportCallIssue]


def _read_beginning(loaded: LoadedModel, rows: Sequence[Sequence[int]]) -> tuple[int, dict[str, Any]]:
    """(tokens that all rows begin with and that are read, what ``generate`` takes then); 0 where that does not pay."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*rows, strict=False))
    shared = min(len([*alike]), min(map(len, rows)) - 1)  # each row has a token to go on with
    if (len(rows) - 1) * shared < _LEAST_SAVED:
        return 0, {}
    beginning = torch.tensor([list(rows[0][:shared])], device=loaded.model.device)
    if (kept := kept_of(loaded.model, input_ids=beginning)) is None:
        return 0, {}
    kept.batch_repeat_interleave(len(rows))
    return shared, {"past_key_values": kept}


def _end_tokens(loaded: LoadedModel) -> list[Any]:
    """Return the tokens that end an answer: those of the model's settings, and the tokenizer's, which it trains on."""
    config = loaded.model.generation_config
    ends = config.eos_token_id if config and config.eos_token_id is not None else []
    ends = [*(ends if isinstance(ends, list) else [ends]), loaded.tokenizer.eos_token_id]
    return [end for end in dict.fromkeys(ends) if end is not None]
