"""Tokens as people read them: words, each with the sum of its tokens' relevance."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile

import numpy as np

from explorer.model.prompts import Token

TEMPLATE = "template"
GENERATED = "generated"


@dataclass(frozen=True)
class Word:
    """Neighbouring tokens that make a word, a number or a piece of punctuation.

    Attributes:
        text: its characters, without spaces around them.
        tokens: positions of its tokens.
        relevance: their sum, in the unit of the explanation.
        segment: the part of the prompt that they stand in.
    """

    text: str
    tokens: tuple[int, ...]
    relevance: float
    segment: str

    @property
    def speaks(self) -> bool:
        """Whether it has a letter or a digit."""
        return any(c.isalnum() for c in self.text)


def words_of(tokens: Sequence[Token], relevance: np.ndarray) -> list[Word]:
    """Group the tokens outside the template into words.

    A token goes on with the word before it where a letter or digit follows one without a space between. Letters of
    scripts that are written without spaces (Chinese, Japanese) begin a word each.

    Args:
        relevance: (T,) of the tokens.
    """

    def add(groups: list[list[Token]], token: Token) -> list[list[Token]]:
        last = groups[-1] if groups else None
        if last and last[-1].segment == token.segment and _joined("".join(part.text for part in last), token.text):
            last.append(token)
        else:
            groups.append([token])
        return groups

    groups: list[list[Token]] = reduce(add, tokens, [])
    return [_word(group, relevance) for group in groups if group[0].segment != TEMPLATE]


def common_words(maps: Sequence[tuple[Sequence[Token], np.ndarray]]) -> list[list[Word]] | None:
    """Cut maps of one text, made by different tokenizers, into the same words.

    A word ends where ``words_of`` ends one, provided that a token ends there in every map: words that one tokenizer
    has in one token are one word of all. White space counts for nothing but the end of a word, and its tokens belong
    to the word after it, at the end to the last one. The template, which every model has its own of, is left out; so
    is the end of the answer's beginning that not every model has read, where tokenizers cut the answers differently.

    Args:
        maps: (tokens, (T,) their relevance), one for each model.

    Returns:
        A list for each map, equally long: the i-th words have the same letters. None where the prompts differ.
    """
    read = [[token for token in tokens if token.segment != TEMPLATE] for tokens, _ in maps]
    texts = [_letters(tokens) for tokens in read]
    same = sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False)))
    if same < max(1, *(len(_letters([t for t in tokens if t.segment != GENERATED])) for tokens in read)):
        return None
    starts = set.intersection(*({*_starts(tokens), len(text)} for tokens, text in zip(read, texts, strict=True)))
    ends = set.union({same}, *map(_word_ends, read))
    cuts = sorted(place for place in starts & ends if place <= same)
    return [_cut(tokens, values, cuts) for tokens, (_, values) in zip(read, maps, strict=True)]


def _letters(tokens: Sequence[Token]) -> str:
    """The text of tokens without white space."""
    return "".join("".join(token.text for token in tokens).split())


def _starts(tokens: Sequence[Token]) -> list[int]:
    """How many letters stand before each token."""
    starts, n = [], 0
    for token in tokens:
        starts.append(n)
        n += len(_letters([token]))
    return starts


def _word_ends(tokens: Sequence[Token]) -> set[int]:
    """Numbers of letters after which a word begins: after white space, a letter that stands alone, another segment."""
    ends, n, last, segment = {0}, 0, "", ""
    for token in tokens:
        for c in token.text:
            if not c.isspace():
                if last.isspace() or token.segment != segment or not _joined(last, c):
                    ends.add(n)
                n, segment = n + 1, token.segment
            last = c
    return ends


def _cut(tokens: Sequence[Token], relevance: np.ndarray, cuts: Sequence[int]) -> list[Word]:
    """Sum tokens between cuts, which are numbers of letters; what comes after the last one is left out."""
    groups: list[list[Token]] = [[] for _ in cuts[1:]]
    end = len(_letters(tokens))
    for token, start in zip(tokens, _starts(tokens), strict=True):
        number = (bisect_right if token.text else bisect_left)(cuts, start) - 1  # "": of the letter before it
        if start == end:
            number = len(groups) - (cuts[-1] == end)  # white space at the end of all
        if number < len(groups):
            groups[number].append(token)
    return [_word(group, relevance) for group in groups]


def _word(tokens: Sequence[Token], relevance: np.ndarray) -> Word:
    places = tuple(token.index for token in tokens)
    text = "".join(token.text for token in tokens).strip()
    return Word(text, places, float(sum(relevance[place] for place in places)), tokens[0].segment)


def plain_words(text: str) -> set[str]:
    """Return the words of a text without punctuation and case."""
    return {"".join(c for c in word if c.isalnum()).casefold() for word in text.split()}


def _joined(before: str, after: str) -> bool:
    """Whether a token belongs to the word before it."""
    if not after:
        return True  # the rest of a character that takes several tokens
    return bool(before) and _spaced(before[-1]) and _spaced(after[0])


def _spaced(c: str) -> bool:
    """Whether a character is a letter or digit of a script with spaces between words."""
    return c.isalnum() and unicodedata.east_asian_width(c) not in "WF"
