"""A contrast: a wrong token (target) against the right one (foil) at one position."""

from dataclasses import dataclass
from itertools import takewhile

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
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(wrong_ids, right_ids, strict=False))
    common = sum(1 for _ in alike)
    target, foil = (ids[common] if common < len(ids) else _end_of_turn(loaded) for ids in (wrong_ids, right_ids))
    if target == foil:
        raise PromptError("The wrong and the right answer differ only in the end of the turn.")
    check_length(loaded, len(encoded.tokens) + common + 1)
    shared = zip(wrong_ids, token_texts(loaded, wrong_ids[:common]), strict=False)
    generated = [Token(n, id, text, "generated") for n, (id, text) in enumerate(shared, len(encoded.tokens))]
    target_text, foil_text = (token_texts(loaded, [token])[0] for token in (target, foil))
    return Contrast(
        tokens=(*encoded.tokens, *generated),
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
