"""The items of a BLiMP file that a model gets wrong, with the words of the prompt that should stand out.

BLiMP (Warstadt et al., TACL 2020) writes its sentences from templates and names no word in its fields. Two of its files
have prefixes of one shape, so that the words are found by place:

- ``distractor_agreement_relational_noun``: determiner, head noun, *of* or *about*, noun phrase. The verb agrees with
  the head noun, the last word before the preposition; the last word of the prefix is the noun that lures it.
- ``anaphor_gender_agreement``: the antecedent is the first word, or the second after a determiner. Nothing lures.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.data.failures import Failure
from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.prompts import encode_prompt
from explorer.reading import read_json_lines, require_text
from explorer.trace.contrast import Contrast, make_contrast
from explorer.trace.words import words_of

PREPOSITIONS = ("of", "about")
DETERMINERS = ("a", "an", "the", "some", "every", "that", "this")
NUMBER_PAIRS = frozenset(
    frozenset(pair.split())
    for pair in ("is are", "was were", "has have", "does do", "isn aren", "wasn weren", "hasn haven", "doesn don")
)
"""First tokens of auxiliaries that differ in number alone."""
_BATCH = 64


@dataclass(frozen=True)
class Case:
    """An item that the model gets wrong.

    Attributes:
        failure: the prefix as a raw prompt, with both words.
        ids, target, foil: the tokens that are read, and the two that are contrasted after them.
        gap: ℓ[target] − ℓ[foil] > 0, in logits.
        words: positions of the tokens of each word of the prompt with a letter or digit; the map's words.
        culprit: the word that lures, a number in ``words``; None where nothing does.
        decider: the word that should have decided.
        clean: the contrasted tokens differ in nothing but number (``NUMBER_PAIRS``), or the file has no lure.
    """

    failure: Failure
    ids: tuple[int, ...]
    target: int
    foil: int
    gap: float
    words: tuple[tuple[int, ...], ...]
    culprit: int | None
    decider: int
    clean: bool


@dataclass(frozen=True)
class CaseFile:
    """What ``bench/truth/peers.py`` reads: the cases of a file, and the folder of the model that gets them wrong."""

    file: str
    folder: str
    cases: list[Case]


def agreement_words(words: Sequence[str]) -> tuple[int | None, int]:
    """(luring noun, head noun) of a prefix *determiner, head noun, of / about, noun phrase*."""
    preposition = next((at for at, word in enumerate(words) if word in PREPOSITIONS), 0)
    if not 0 < preposition < len(words) - 1:
        raise PromptError(f"The prefix {' '.join(words)!r} has no {' or '.join(PREPOSITIONS)} between two nouns.")
    return len(words) - 1, preposition - 1


def anaphor_words(words: Sequence[str]) -> tuple[int | None, int]:
    """(None, antecedent) of a prefix that begins with its antecedent, a name or determiner and noun."""
    return None, 1 if words[0].casefold() in DETERMINERS else 0


FILES: dict[str, Callable[[Sequence[str]], tuple[int | None, int]]] = {
    "distractor_agreement_relational_noun": agreement_words,
    "anaphor_gender_agreement": anaphor_words,
}
"""BLiMP's files that can be read, and how the words of a prefix are found."""


def wrong_cases(path: Path, loaded: LoadedModel) -> tuple[list[Case], int]:
    """Return the items of a file on which the model prefers the wrong word, and how many items there are."""
    if path.stem not in FILES:
        raise PromptError(f"{path.name} is no file of BLiMP that is known here; expected {', '.join(FILES)}.")
    failures = [_failure(row, where) for where, row in read_json_lines(path)]
    contrasts = [
        make_contrast(loaded, encode_prompt(loaded, each.as_prompt()), each.wrong, each.right, 0) for each in failures
    ]
    gaps = batched_gaps(loaded, contrasts)
    wrong = zip(failures, contrasts, gaps.tolist(), strict=True)
    return [_case(path.stem, *each) for each in wrong if each[2] > 0], len(failures)


def batched_gaps(loaded: LoadedModel, contrasts: Sequence[Contrast]) -> np.ndarray:
    """(n,) logit gaps of many short contrasts; those of one length share a pass."""
    by_length, gaps = defaultdict(list), np.zeros(len(contrasts))
    for number, contrast in enumerate(contrasts):
        by_length[len(contrast.ids)].append(number)
    for numbers in by_length.values():
        for at in range(0, len(numbers), _BATCH):
            batch = numbers[at : at + _BATCH]
            ids = torch.tensor([list(contrasts[n].ids) for n in batch], device=loaded.model.device)
            with torch.no_grad():
                logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
            for n, row in zip(batch, logits, strict=True):
                gaps[n] = (row[contrasts[n].target] - row[contrasts[n].foil]).item()
    return gaps


def _failure(row: dict[str, Any], where: str) -> Failure:
    require_text(row, where, "pairID", "one_prefix_prefix", "one_prefix_word_bad", "one_prefix_word_good")
    wrong, right = row["one_prefix_word_bad"], row["one_prefix_word_good"]
    return Failure(row["one_prefix_prefix"], wrong, right, raw=True, place=0, id=row["pairID"])


def _case(file: str, failure: Failure, contrast: Contrast, gap: float) -> Case:
    words = [word for word in words_of(contrast.tokens, np.zeros(len(contrast.tokens))) if word.speaks]
    prompt = [word for word in words if word.segment != "generated"]
    culprit, decider = FILES[file]([word.text for word in prompt])
    differ = frozenset((contrast.target_text.strip(), contrast.foil_text.strip()))
    return Case(
        failure=failure,
        ids=tuple(contrast.ids),
        target=contrast.target,
        foil=contrast.foil,
        gap=gap,
        words=tuple(word.tokens for word in words),
        culprit=culprit,
        decider=decider,
        clean=culprit is None or differ in NUMBER_PAIRS,
    )
