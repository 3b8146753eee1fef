"""Maps of one failure by several models, put side by side: token by token, or by words where tokenizers differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from explorer.model.prompts import Token
from explorer.trace.explain import Explanation
from explorer.trace.words import common_words

By = Literal["tokens", "words", "own tokens"]
LISTED = 3
"""Tokens or words that ``Cut.strongest`` lists."""


@dataclass(frozen=True)
class Cut:
    """One map, cut as the first model's one is.

    Attributes:
        by: ``tokens`` or ``words``: the i-th stands for the same text in every map; ``own tokens`` of a map that has no
            counterpart, as its model reads another text.
        tokens: the U tokens, or words in the shape of tokens (their index is that of their first token).
        relevance: (U,) of them, in the explanation's unit; a word's is the sum of its tokens'.
        members: for each of them, the positions of its tokens in its model's own map.
    """

    by: By
    tokens: tuple[Token, ...]
    relevance: np.ndarray
    members: tuple[tuple[int, ...], ...]

    def strongest(self, values: np.ndarray, count: int = LISTED) -> list[tuple[str, float]]:
        """Return the (text, value) of the largest |values| (U,) outside the template, largest first."""
        order = (i for i in np.argsort(-np.abs(values), kind="stable") if self.tokens[i].segment != "template")
        return [(self.tokens[i].text.strip(), float(values[i])) for i, _ in zip(order, range(count), strict=False)]


@dataclass(frozen=True)
class Change:
    """Relevance in a later map minus that in the first.

    Attributes:
        by: what was subtracted: ``tokens``, or ``words`` without the template (see ``words.common_words``).
        values: (U,) the differences, at the U tokens or words of the cuts.
    """

    by: By
    values: np.ndarray


def side_by_side(explanations: Sequence[Explanation]) -> list[Cut]:
    """Cut maps of one failure so that they can be compared place by place.

    By tokens where all models read the same; else by the words that all have in common. A map of another question
    (another place or unit) or of another prompt keeps its own tokens.
    """
    first = explanations[0]
    same = [_same_question(first, e) and _same_tokens(first, e) for e in explanations]
    fits = [alike or _words([first, e]) is not None for e, alike in zip(explanations, same, strict=True)]
    if same == fits:
        return [_own(e, "tokens" if alike else "own tokens") for e, alike in zip(explanations, same, strict=True)]
    words = iter(_words([e for e, fit in zip(explanations, fits, strict=True) if fit]) or [])
    return [next(words) if fit else _own(e, "own tokens") for e, fit in zip(explanations, fits, strict=True)]


def relevance_change(before: Explanation, after: Explanation) -> Change | None:
    """Return relevance in ``after`` minus that in ``before``; None where they answer another question or prompt."""
    return _change(*side_by_side([before, after]))


def changes_from_first(cuts: Sequence[Cut]) -> list[Change | None]:
    """Return the change of every later cut against the first; None where it has no counterpart."""
    return [_change(cuts[0], cut) for cut in cuts[1:]]


def side_by_side_json(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """Return the object ``side_by_side`` of ``explorer compare --json -``."""
    cuts = side_by_side(explanations)
    changes = [None if change is None else change.values.tolist() for change in changes_from_first(cuts)]
    texts, relevance = [token.text for token in cuts[0].tokens], [cut.relevance.tolist() for cut in cuts]
    aligned = [None if cut.by == "own tokens" else values for cut, values in zip(cuts, relevance, strict=True)]
    return {"by": cuts[0].by, "texts": texts, "relevance": aligned, "change_from_first": changes}


def _change(first: Cut, later: Cut) -> Change | None:
    return None if later.by == "own tokens" else Change(later.by, later.relevance - first.relevance)


def _same_question(first: Explanation, other: Explanation) -> bool:
    """Whether both contrast the same answers, at the same place, in the same unit."""
    asked = [(e.contrast.wrong, e.contrast.right, e.contrast.place, e.unit) for e in (first, other)]
    return asked[0] == asked[1]


def _same_tokens(first: Explanation, other: Explanation) -> bool:
    """Whether both read the same tokens, and contrast the same."""
    read = [([(t.id, t.text) for t in e.tokens], e.contrast.wrong_ids, e.contrast.right_ids) for e in (first, other)]
    return read[0] == read[1]


def _words(explanations: Sequence[Explanation]) -> list[Cut] | None:
    """Cut maps into the words that all have, spelt as in the first; None where their questions or prompts differ."""
    maps = common_words([(e.tokens, e.relevance) for e in explanations])
    if maps is None or not all(_same_question(explanations[0], e) for e in explanations):
        return None
    spelt = _spelt(explanations[0].tokens, [word.tokens for word in maps[0]])
    cuts = []
    for explanation, words in zip(explanations, maps, strict=True):
        firsts = (explanation.tokens[word.tokens[0]] for word in words)
        tokens = tuple(Token(t.index, t.id, text, t.segment) for t, text in zip(firsts, spelt, strict=True))
        members = tuple(word.tokens for word in words)
        cuts.append(Cut("words", tokens, np.array([word.relevance for word in words]), members))
    return cuts


def _spelt(tokens: Sequence[Token], members: Sequence[tuple[int, ...]]) -> list[str]:
    """The texts of words with their white space; a line ends with the word before it."""
    texts: list[str] = []
    for text in ("".join(tokens[place].text for place in places) for places in members):
        end = text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1 if texts else 0
        if end:
            texts[-1] += text[:end]
        texts.append(text[end:])
    return texts


def _own(explanation: Explanation, by: By) -> Cut:
    members = tuple((token.index,) for token in explanation.tokens)
    return Cut(by, explanation.tokens, explanation.relevance, members)
