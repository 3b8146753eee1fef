"""A contrast: a wrong token (target) against the right one (foil) at one position."""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile

from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.prompts import EncodedPrompt, Token, check_length, text_ids, token_texts
from explorer.trace.alignment import chosen_place, exchanged_answer, places_of

_ENDS = ".,;:!?"
_SPACES = {" ": "␣", "\n": "⏎", "\t": "⇥"}
"""White space as people see it where a contrast is of nothing else."""


@dataclass(frozen=True)
class Contrast:
    """Wrong against right at one place where the two answers differ.

    Attributes:
        tokens: everything the model has read by then: the prompt, and the wrong answer's beginning (``generated``).
        target, foil: token ids of the wrong and the right continuation.
        target_text, foil_text: their characters.
        wrong_word, right_word: the word of each answer that begins with that token, for people: without
            punctuation after it, unless that is what differs; with the white space before it as signs (␣ ⏎ ⇥) where
            the words are the same.
        wrong, right: the whole answers as given.
        wrong_ids, right_ids: their tokens.
        place: number of the place, as ``alignment.places_of`` lists them.
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
    place: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """What the model has read, as token ids."""
        return tuple(t.id for t in self.tokens)

    @property
    def position(self) -> int:
        """Index of the contrasted token in the sequence, counted from 0."""
        return len(self.tokens)


def make_contrast(
    loaded: LoadedModel, encoded: EncodedPrompt, wrong: str, right: str, place: int | None = None
) -> Contrast:
    """Encode both answers after the prompt and contrast them at one of the places where they differ.

    At the first place this is the first token that differs. At a later one the model reads the wrong answer up to
    there, and the foil begins what the right one says in the same spot: a minimal pair. Where one answer is the
    beginning of the other, the shorter one is followed by the end-of-turn token.

    Args:
        place: number of the place; by default the first that exchanges one word for another, else the first (see
            ``alignment.places_of``). The answers alone decide, so it is the same for every model.

    Raises PromptError for equal or empty answers, and for a place that there is not.
    """
    first = _first_contrast(loaded, encoded, wrong, right)
    return _at_place(loaded, encoded, first, chosen_place(wrong, right, place))


def every_contrast(loaded: LoadedModel, encoded: EncodedPrompt, wrong: str, right: str) -> list[Contrast]:
    """Contrast the answers at every place where they differ; without those that are the same tokens for the model.

    Raises PromptError as ``make_contrast`` does.
    """
    contrasts = [_first_contrast(loaded, encoded, wrong, right)]
    for number in range(1, len(places_of(wrong, right))):
        with suppress(PromptError):
            contrasts.append(_at_place(loaded, encoded, contrasts[0], number))
    return contrasts


def _first_contrast(loaded: LoadedModel, encoded: EncodedPrompt, wrong: str, right: str) -> Contrast:
    for name, answer in (("wrong", wrong), ("right", right)):
        if not answer:
            raise PromptError(f"The {name} answer is empty; expected at least one character.")
    wrong_ids, right_ids = (text_ids(loaded, encoded.text, answer, encoded.prompt.raw) for answer in (wrong, right))
    return contrast_ids(loaded, encoded, wrong_ids, right_ids, wrong, right)


def _at_place(loaded: LoadedModel, encoded: EncodedPrompt, first: Contrast, number: int) -> Contrast:
    """The contrast at another place than the first."""
    if not number:
        return first
    exchanged = text_ids(loaded, encoded.text, exchanged_answer(first.wrong, first.right, number), encoded.prompt.raw)
    contrast = contrast_ids(loaded, encoded, first.wrong_ids, exchanged, first.wrong, first.right)
    return replace(contrast, right_ids=first.right_ids, place=number)


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
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(wrong_ids, right_ids, strict=False))
    common = sum(1 for _ in alike)
    target, foil = (ids[common] if common < len(ids) else _end_of_turn(loaded) for ids in (wrong_ids, right_ids))
    if target == foil:
        raise PromptError("The wrong and the right answer differ only in the end of the turn.")
    check_length(loaded, len(encoded.tokens) + common + 1)
    shared = zip(wrong_ids, token_texts(loaded, wrong_ids[:common]), strict=False)
    generated = [Token(n, id, text, "generated") for n, (id, text) in enumerate(shared, len(encoded.tokens))]
    target_text, foil_text = (token_texts(loaded, [token])[0] for token in (target, foil))
    wrong_word, right_word = (_first_word(loaded, ids[common:]) for ids in (wrong_ids, right_ids))
    if wrong_word.rstrip(_ENDS) != right_word.rstrip(_ENDS):
        wrong_word, right_word = (word.rstrip(_ENDS) or word for word in (wrong_word, right_word))
    if wrong_word == right_word:
        wrong_word, right_word = (_visible(loaded, ids[common:]) for ids in (wrong_ids, right_ids))
    return Contrast(
        tokens=(*encoded.tokens, *generated),
        target=target,
        foil=foil,
        target_text=target_text,
        foil_text=foil_text,
        wrong_word=wrong_word or target_text,
        right_word=right_word or foil_text,
        wrong=wrong,
        right=right,
        wrong_ids=wrong_ids,
        right_ids=right_ids,
    )


def _first_word(loaded: LoadedModel, ids: tuple[int, ...]) -> str:
    return next(iter("".join(token_texts(loaded, ids)).split()), "")


def _visible(loaded: LoadedModel, ids: tuple[int, ...]) -> str:
    """The first word of an answer with the white space before it as signs, for answers that differ in that."""
    text = "".join(token_texts(loaded, ids))
    word = text[: len(text) - len(text.lstrip())] + next(iter(text.split()), "")
    return "".join(_SPACES.get(c, c) for c in word)


def _end_of_turn(loaded: LoadedModel) -> int:
    end = loaded.tokenizer.eos_token_id
    if not isinstance(end, int):
        raise PromptError("One answer is the beginning of the other, and this model has no end-of-turn token.")
    return end
