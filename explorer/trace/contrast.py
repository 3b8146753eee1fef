"""A contrast: a wrong token (target) against the right one (foil) at one position; and what the model would say."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import GenerationConfig, StoppingCriteria

from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.prompts import EncodedPrompt, Token, check_length, text_ids, token_texts


@dataclass(frozen=True)
class Contrast:
    """Wrong against right at the first position where the two answers differ.

    Attributes:
        tokens: everything the model has read by then: the prompt, and the answers' common beginning (``generated``).
        target, foil: token ids of the wrong and the right continuation.
        target_text, foil_text: their characters.
        wrong_word, right_word: the word of each answer that begins with that token, for people.
        wrong, right: the whole answers as given.
        wrong_ids, right_ids: their tokens.
    """

    tokens: tuple[Token, ...]
    target: int
    foil: int
    target_text: str
    foil_text: str
    wrong_word: str
    right_word: str
    wrong: str
    right: str
    wrong_ids: tuple[int, ...]
    right_ids: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """What the model has read, as token ids."""
        return tuple(t.id for t in self.tokens)

    @property
    def position(self) -> int:
        """Index of the contrasted token in the sequence, counted from 0."""
        return len(self.tokens)


def make_contrast(loaded: LoadedModel, encoded: EncodedPrompt, wrong: str, right: str) -> Contrast:
    """Encode both answers after the prompt and contrast them at the first token that differs.

    Where one answer is the beginning of the other, the shorter one is followed by the end-of-turn token. Raises
    PromptError for equal or empty answers.
    """
    for name, answer in (("wrong", wrong), ("right", right)):
        if not answer:
            raise PromptError(f"The {name} answer is empty; expected at least one character.")
    wrong_ids, right_ids = (text_ids(loaded, encoded.text, answer, encoded.prompt.raw) for answer in (wrong, right))
    return contrast_ids(loaded, encoded, wrong_ids, right_ids, wrong, right)


def contrast_ids(
    loaded: LoadedModel,
    encoded: EncodedPrompt,
    wrong_ids: tuple[int, ...],
    right_ids: tuple[int, ...],
    wrong: str,
    right: str,
) -> Contrast:
    """Contrast answers that are tokens already, e.g. generated ones; see ``make_contrast``."""
    if wrong_ids == right_ids:
        raise PromptError("The wrong and the right answer are the same tokens; expected two answers that differ.")
    pairs = zip(wrong_ids, right_ids, strict=False)
    shorter = min(len(wrong_ids), len(right_ids))
    common = next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    target, foil = (ids[common] if common < len(ids) else _end_of_turn(loaded) for ids in (wrong_ids, right_ids))
    if target == foil:
        raise PromptError("The wrong and the right answer differ only in the end of the turn.")
    check_length(loaded, len(encoded.tokens) + common + 1)
    texts = token_texts(loaded, wrong_ids[:common])
    start = len(encoded.tokens)
    shared = [Token(start + i, wrong_ids[i], texts[i], "generated") for i in range(common)]
    target_text, foil_text = (token_texts(loaded, [token])[0] for token in (target, foil))
    return Contrast(
        tokens=(*encoded.tokens, *shared),
        target=target,
        foil=foil,
        target_text=target_text,
        foil_text=foil_text,
        wrong_word=_first_word(loaded, wrong_ids[common:]) or target_text,
        right_word=_first_word(loaded, right_ids[common:]) or foil_text,
        wrong=wrong,
        right=right,
        wrong_ids=wrong_ids,
        right_ids=right_ids,
    )


def _first_word(loaded: LoadedModel, ids: tuple[int, ...]) -> str:
    return next(iter("".join(token_texts(loaded, ids)).split()), "")


def _end_of_turn(loaded: LoadedModel) -> int:
    end = loaded.tokenizer.eos_token_id
    if not isinstance(end, int):
        raise PromptError("One answer is the beginning of the other, and this model has no end-of-turn token.")
    return end


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


class _Watch(StoppingCriteria):
    """Reports each token and stops when asked to."""

    def __init__(self, start: int, total: int, progress: Callable[[int, int], bool | None]) -> None:
        self.start, self.total, self.progress = start, total, progress

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:  # pyright: ignore
        stop = self.progress(input_ids.shape[1] - self.start, self.total) is False
        return torch.full((input_ids.shape[0],), stop, device=input_ids.device)


def greedy_answer(
    loaded: LoadedModel,
    encoded: EncodedPrompt,
    max_tokens: int = 40,
    top: int = 10,
    progress: Callable[[int, int], bool | None] | None = None,
) -> Answer:
    """The model's greedy answer, with the top candidates at every generated position.

    Args:
        max_tokens: stop after this many tokens.
        top: candidates per position.
        progress: called as (tokens done, max_tokens); returning False stops.
    """
    check_length(loaded, len(encoded.tokens) + 1)
    if loaded.max_tokens:
        max_tokens = min(max_tokens, loaded.max_tokens - len(encoded.tokens))
    ids = torch.tensor([encoded.ids], device=loaded.model.device)
    ends = loaded.model.generation_config.eos_token_id if loaded.model.generation_config else None
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        eos_token_id=ends if ends is not None else loaded.tokenizer.eos_token_id,
        pad_token_id=loaded.tokenizer.pad_token_id or 0,
    )
    watch = [_Watch(ids.shape[1], max_tokens, progress)] if progress else []
    with torch.no_grad():
        made = loaded.model.generate(  # pyright: ignore[reportCallIssue]
            ids, attention_mask=torch.ones_like(ids), generation_config=config, stopping_criteria=watch
        )
    answer = made.sequences[0, ids.shape[1] :].tolist()
    candidates = tuple(top_candidates(loaded, logits[0], top) for logits in made.logits)
    stops = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    ended = bool(answer) and answer[-1] in stops
    body = answer[:-1] if ended else answer
    texts = [*token_texts(loaded, body), *([token_texts(loaded, answer[-1:])[0]] if ended else [])]
    return Answer("".join(texts[: len(body)]), tuple(answer), tuple(texts), candidates, ended)


def top_candidates(loaded: LoadedModel, logits: torch.Tensor, top: int = 10) -> tuple[Candidate, ...]:
    """The ``top`` most probable tokens under logits of shape (vocabulary,)."""
    logits = logits.float()
    p = torch.softmax(logits, -1)
    best = p.topk(min(top, len(p)))
    return tuple(
        Candidate(i, token_texts(loaded, [i])[0], prob, logits[i].item())
        for i, prob in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    )
