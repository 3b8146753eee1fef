"""Where two answers differ: their words aligned, and the place that carries the content. Text alone, no model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice, pairwise, takewhile

from explorer.errors import PromptError
from explorer.limits import ALIGNED_WORDS, PLACES

_SINGLE = r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]"
_UNIT = re.compile(rf"\s*(?:{_SINGLE}|[^\W_]+(?:['’][^\W_]+)*|_+|[^\w\s])|\s+")
"""A word or a punctuation mark with the white space before it; of Chinese, Japanese and Korean (``_SINGLE``), a
character, as no space says where a word ends."""
_ENDS = frozenset(".!?:。！？")
_TOGETHER = ({"start", "name"}, {"start"}, {"name"}, {"number"}, {"word"})
_SHAPES = frozenset({"start", "name", "number", "word"})
_SHORT_RUN = 4
"""Units in a run up to which words are paired by their order, or names with names; in longer ones that is chance."""
_CHARACTERS = re.compile(f"{_SINGLE}+")
_WORDING = """
    a an the this that these those it its he she they we you i his her their our your my who which what where when
    there here is are was were be been being am has have had do does did will would can could shall should may might
    must of in on at to from by with for as into about than then so and or but if because also just very indeed
    der die das ein eine ist sind war in im von zu mit und le la les un une est sont de du des en dans et à
    el los las una es son del y il lo gli uno è di"""
FUNCTION_WORDS = frozenset(_WORDING.split())
"""Words that carry wording rather than content: articles, pronouns, auxiliaries, prepositions, conjunctions of English
and the commonest of German, French, Spanish, Italian. Negations and numbers are content."""


@dataclass(frozen=True)
class Place:
    """One place at which the answers differ.

    Attributes:
        wrong, right: (start, end) in characters of each answer, white space before the words included; an empty span
            where the other answer has more. The wrong answer up to the start is what is read before the contrast.
        content: one word is exchanged for another (see ``places_of``).
    """

    wrong: tuple[int, int]
    right: tuple[int, int]
    content: bool


@dataclass(frozen=True)
class _Unit:
    """A word with the white space before it, its place in the answer, and whether a sentence begins with it."""

    text: str
    start: int
    opens: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def key(self) -> str:
        return self.text.strip().casefold()

    @property
    def is_word(self) -> bool:
        return any(map(str.isalnum, self.key))

    @property
    def content(self) -> bool:
        return self.is_word and self.key not in FUNCTION_WORDS

    @property
    def shape(self) -> str:
        """What kind of word it is by its letters: a number, a word, a name, or either at the start of a sentence."""
        text = self.text.strip()
        if any(map(str.isdigit, text)):
            return "number"
        return "word" if not text[:1].isupper() else "start" if self.opens else "name"


def _units(text: str) -> list[_Unit]:
    units: list[_Unit] = []
    for match in _UNIT.finditer(text):
        units.append(_Unit(match[0], match.start(), not units or units[-1].key in _ENDS or "\n" in match[0]))
    return units


@lru_cache(maxsize=64)
def places_of(wrong: str, right: str) -> tuple[Place, ...]:
    """Align the answers word by word and list the places where they differ, in the order of the wrong answer.

    Each run of words that is replaced, inserted or left out is a place; a short run of equally many words has one at
    each pair. Where a run exchanges exactly one word of content for another, that pair is a place with *content*:
    function words and punctuation aside the run is these two, or they are a short run's only names or numbers, and
    neither stands in the other answer too (which would be another order, or another case). Answers that share less
    than a third of their words have no such place. Answers of more than ``ALIGNED_WORDS`` words have one place, at the
    first word that differs; nothing has more than ``PLACES``.
    """
    old, new = _units(wrong), _units(right)
    if max(len(old), len(new)) > ALIGNED_WORDS:
        same = _common([u.text for u in old], [u.text for u in new])
        ends = ((_offset(units, same), _offset(units, len(units))) for units in (old, new))
        return (Place(*ends, content=False),) if wrong != right else ()
    matcher = SequenceMatcher(None, [u.text for u in old], [u.text for u in new], autojunk=False)
    runs = [((i, j), (k, n)) for tag, i, j, k, n in matcher.get_opcodes() if tag != "equal"]
    return tuple(islice((place for run in runs for place in _places_of_run(old, new, *run)), PLACES))


def _places_of_run(old: list[_Unit], new: list[_Unit], left: tuple[int, int], right: tuple[int, int]) -> list[Place]:
    """The places of one run: units ``left`` of the wrong answer against units ``right`` of the right one."""
    a, b = _joined(old[slice(*left)]), _joined(new[slice(*right)])
    starts = (_offset(old, left[0]), _offset(new, right[0]))
    pair = _exchanged(a, b, old, new)
    if len(a) == len(b) <= _SHORT_RUN:
        return [Place((x.start, x.end), (y.start, y.end), (x, y) == pair) for x, y in zip(a, b, strict=True)]
    whole = Place((starts[0], _offset(old, left[1])), (starts[1], _offset(new, right[1])), content=False)
    if not pair:
        return [whole]
    if (pair[0].start, pair[1].start) == starts:
        return [replace(whole, content=True)]
    return [whole, Place((pair[0].start, pair[0].end), (pair[1].start, pair[1].end), content=True)]


def _joined(units: Sequence[_Unit]) -> list[_Unit]:
    """The units of a run, with neighbouring characters of Chinese, Japanese and Korean as one word."""
    words: list[_Unit] = []
    for unit in units:
        if words and _CHARACTERS.fullmatch(words[-1].key) and re.fullmatch(_SINGLE, unit.text):
            words[-1] = replace(words[-1], text=words[-1].text + unit.text)
        else:
            words.append(unit)
    return words


def _exchanged(a: list[_Unit], b: list[_Unit], old: list[_Unit], new: list[_Unit]) -> tuple[_Unit, _Unit] | None:
    """The pair of words that a run exchanges: the only ones of content, else a short run's only names or numbers.

    None where there is no such pair, where one of the two stands in the other answer too or begins a later sentence,
    where they are not of one shape (unless the run is just these two), and where the answers share too little.
    """
    if not _alike(old, new):
        return None
    short = max(len(a), len(b)) <= _SHORT_RUN
    for shapes in (_SHAPES, _SHAPES & {"name", "number"} if short else ()):
        x, y = ([unit for unit in side if unit.content and unit.shape in shapes] for side in (a, b))
        if len(x) == len(y) == 1 and not _stands_in(x[0], new) and not _stands_in(y[0], old):
            if _later_sentence(x[0]) or _later_sentence(y[0]):
                return None
            if len(a) == len(b) == 1 or {x[0].shape, y[0].shape} in _TOGETHER:
                return x[0], y[0]
    return None


def _alike(old: list[_Unit], new: list[_Unit]) -> bool:
    """Whether the answers share a third of the shorter one's words, one aside: else what is aligned is chance."""
    words = [Counter(unit.key for unit in side if unit.is_word) for side in (old, new)]
    return 3 * (words[0] & words[1]).total() >= min(side.total() for side in words) - 1


def _later_sentence(unit: _Unit) -> bool:
    return unit.opens and unit.start > 0


def _stands_in(word: _Unit, units: list[_Unit]) -> bool:
    if _CHARACTERS.fullmatch(word.key):
        return word.key in "".join(unit.key for unit in units)
    return any(unit.key == word.key for unit in units)


def _offset(units: list[_Unit], number: int) -> int:
    return units[number].start if number < len(units) else units[-1].end if units else 0


def chosen_place(wrong: str, right: str, place: int | None = None) -> int:
    """Number of the place that is contrasted: the one asked for, else the first with content, else the first.

    Raises PromptError for a number that there is not.
    """
    places = places_of(wrong, right)
    if place is None:
        return next((number for number, each in enumerate(places) if each.content), 0)
    if not 0 <= place < len(places):
        raise PromptError(
            f"The place is {place}; expected 0 to {len(places) - 1}, the places where the answers differ."
        )
    return place


def differing_words(wrong: str, right: str) -> tuple[str, str]:
    """Both answers without the words that they begin and end with in common; whole where nothing would be left."""
    one, other = wrong.split(), right.split()
    start = _common(one, other)
    one, other = one[start:], other[start:]
    end = _common(one[::-1], other[::-1])
    return " ".join(one[: len(one) - end]) or wrong, " ".join(other[: len(other) - end]) or right


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many texts two sequences begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def exchanged_answer(wrong: str, right: str, number: int) -> str:
    """Return the wrong answer up to a place, followed by what the right one says from there on.

    A contrast with the wrong answer is a minimal pair: nothing before the place differs. Where nothing differs before
    it anyway, this is the right answer itself.
    """
    place = places_of(wrong, right)[number]
    before, after = wrong[: place.wrong[0]], right[place.right[0] :]
    theirs = wrong[place.wrong[0] :]
    if before == right[: place.right[0]]:
        return right
    if after.strip() and theirs.strip():
        after = theirs[: len(theirs) - len(theirs.lstrip())] + after.lstrip()
    return before + after


def exchange_word(answer: str, start: int, end: int, other: str) -> str:
    """Return an answer with what stands at characters start..end, and the rest of its word, exchanged.

    One word in the place of one keeps the rest of the answer; anything else is taken to be all that follows.
    """
    new, old = _units(other), next((unit for unit in _units(answer) if unit.end >= end), None)
    keeps = old and old.is_word and len(new) == 1 and new[0].is_word
    return answer[:start] + other + (answer[old.end :] if old and keeps else "")


def exchange_alike(answer: str, other: str, prompt: str) -> str | None:
    """Return an answer whose one word that could be the mistake is exchanged for ``other``, a single word.

    That is its only number where ``other`` is one, else its only name, else its only word of content, the words of the
    prompt left aside. None where there is no such word, or more than one.
    """
    units, new = _units(answer), [unit for unit in _units(other) if unit.is_word]
    if len(new) != 1:
        return None
    asked = {unit.key for unit in _units(prompt)} | {new[0].key}
    shapes = {"number"} if new[0].shape == "number" else {"name"} if new[0].text.strip()[:1].isupper() else {"word"}
    alike = [unit for unit in units if unit.content and unit.shape in shapes and unit.key not in asked]
    if len(alike) != 1:
        return None
    lead = alike[0].text[: len(alike[0].text) - len(alike[0].text.lstrip())]
    return answer[: alike[0].start] + lead + new[0].text.strip() + answer[alike[0].end :]


def marked_pieces(wrong: str, right: str) -> tuple[list[tuple[str, int | None]], list[tuple[str, int | None]]]:
    """Cut each answer into (text, number of its place or None); the texts together are the answer again.

    A place where an answer says nothing is an empty text; words of two places go to the later, which is the narrower.
    White space before a word is of no place.
    """
    places = places_of(wrong, right)
    spans = [place.wrong for place in places], [place.right for place in places]
    return _pieces(wrong, spans[0]), _pieces(right, spans[1])


def _pieces(answer: str, spans: list[tuple[int, int]]) -> list[tuple[str, int | None]]:
    owners: list[int | None] = [None] * len(answer)
    for number, (start, end) in enumerate(spans):
        lead = len(answer[start:end]) - len(answer[start:end].lstrip())
        first = start + lead if start + lead < end else start
        owners[first:end] = [number] * (end - first)
    nothing = {start: number for number, (start, end) in enumerate(spans) if start == end}
    cuts = [0, *(i for i in range(1, len(answer)) if owners[i] != owners[i - 1] or i in nothing), len(answer)]
    pieces: list[tuple[str, int | None]] = []
    for start, end in pairwise(cuts):
        if start in nothing:
            pieces.append(("", nothing[start]))
        if start < end:
            pieces.append((answer[start:end], owners[start]))
    return [*pieces, ("", nothing[len(answer)])] if len(answer) in nothing else pieces


def wording(wrong: str, right: str) -> str:
    """Say in a sentence that the answers differ in wording, as far as words alone can tell; empty where they do not."""
    places = places_of(wrong, right)
    words = [sorted(unit.key for unit in _units(answer) if unit.is_word) for answer in (wrong, right)]
    if words[0] == words[1]:
        return "Both answers have the same words: they differ only in order, capitals, spaces or punctuation."
    if len(places) > 1 and not any(place.content for place in places):
        return "The answers differ in their wording throughout: no place exchanges just one word for another."
    return ""
