"""A map in one sentence: what pushes hardest each way, who wins by how much, and whether the prompt explains it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from explorer.trace.explain import Explanation
from explorer.trace.words import GENERATED, Word, plain_words, words_of

LEAST_SHARE = 0.08
"""Of the gap: what the strongest word of the prompt for the wrong answer must have, to explain it."""
LEAST_RATIO = 0.5
"""Of the strongest word against the wrong answer: what the strongest one for it must reach."""
WORTH_A_WORD = 0.2
"""Of the strongest word for the wrong answer: what the strongest one against it must reach to be named."""

Side = Literal["", "wrong", "right"]
Part = tuple[str, Side]


@dataclass(frozen=True)
class Story:
    """A sentence about a map, in parts: text, and the side whose colour it has.

    Attributes:
        parts: their texts in order make the sentence.
        explained: whether words of the prompt explain the wrong answer (see ``tell``).
    """

    parts: tuple[Part, ...]
    explained: bool

    @property
    def text(self) -> str:
        """The sentence."""
        return "".join(text for text, _ in self.parts)


def tell(explanation: Explanation) -> Story:
    """Compose the sentence from the map's figures alone.

    The prompt explains a wrong answer where the word that pushes hardest towards it has at least ``LEAST_SHARE`` of the
    gap, and at least ``LEAST_RATIO`` of the |relevance| of the strongest one against it. Both bounds were chosen on the
    gallery and the demo's failures, whose causes are known (docs/contrast.md).
    """
    words = [word for word in words_of(explanation.tokens, explanation.relevance) if word.speaks]
    prompt = [word for word in words if word.segment != GENERATED]
    towards, against = (_strongest(prompt, sign) for sign in (1, -1))
    gap = explanation.trace.gap
    if gap <= 0:
        return Story(_right_wins(explanation, towards, against), False)
    pushing = sum(word.relevance for word in prompt if word.relevance > 0)
    least = max(LEAST_SHARE * gap, LEAST_RATIO * -against.relevance if against else 0.0)
    if not towards or towards.relevance < least:
        return Story(_prompt_is_silent(explanation, pushing, against), False)
    if against and -against.relevance < WORTH_A_WORD * towards.relevance:
        against = None
    return Story(_wrong_wins(explanation, towards, against), True)


def _wrong_wins(explanation: Explanation, towards: Word, against: Word | None) -> tuple[Part, ...]:
    gap = f"{explanation.trace.gap:.2f} {explanation.unit}"
    subject, repeats = _named(towards, explanation, "wrong")
    answer = "it" if repeats == "wrong" else "the wrong answer"
    parts: list[Part] = [
        *subject,
        (f" pushes hardest towards {answer} ({towards.relevance:+.2f} {explanation.unit})", ""),
    ]
    if against is None:
        return (*parts, (f", which wins by {gap}.", ""))
    opponent, _ = _named(against, explanation, "right")
    return (*parts, ("; ", ""), *opponent, (f" pushes against it ({against.relevance:+.2f}) and loses by {gap}.", ""))


def _right_wins(explanation: Explanation, towards: Word | None, against: Word | None) -> tuple[Part, ...]:
    parts: list[Part] = [
        (f"The model prefers the right answer here, by {-explanation.trace.gap:.2f} {explanation.unit}", "")
    ]
    if against:
        subject, _ = _named(against, explanation, "right")
        parts += [("; ", ""), *subject, (f" pushes hardest towards it ({against.relevance:+.2f})", "")]
    if towards:
        subject, _ = _named(towards, explanation, "wrong")
        joint: Part = (", " if against else "; ", "")
        parts += [joint, *subject, (f" against it ({towards.relevance:+.2f})", "")]
    return (*parts, (".", ""))


def _prompt_is_silent(explanation: Explanation, pushing: float, against: Word | None) -> tuple[Part, ...]:
    gap, unit, wrong = explanation.trace.gap, explanation.unit, explanation.sides[0].strip()
    sums = f": its words that push there add up to {pushing:+.2f} of {gap:+.2f} {unit}"
    named: Part = (wrong.rstrip(".,;:!?") or wrong, "wrong")
    parts: list[Part] = [("The prompt alone does not explain ", ""), named, (sums, "")]
    if against and -against.relevance >= WORTH_A_WORD * pushing:
        subject, _ = _named(against, explanation, "right")
        parts += [(", and ", ""), *subject, (f" pushes away from it ({against.relevance:+.2f})", "")]
    return (*parts, (". The next place to look is the training data.", ""))


def _named(word: Word, explanation: Explanation, side: Side) -> tuple[list[Part], Side]:
    """Name a word, with what it is: the evidence, or what an answer repeats; and that answer, if so."""
    wrong, right = (word.text.casefold() in plain_words(answer) for answer in explanation.sides)
    repeats: Side = side if wrong and right else "wrong" if wrong else "right" if right else ""
    if word.segment == "evidence":
        return [("The evidence " if side == "wrong" else "the evidence ", ""), (word.text, side)], ""
    return [(word.text, side), (f", which the {repeats} answer repeats," if repeats else "", "")], repeats


def _strongest(words: Iterable[Word], sign: int) -> Word | None:
    """The word that pushes most one way; None where none does."""
    best = max(words, key=lambda word: sign * word.relevance, default=None)
    return best if best and sign * best.relevance > 0 else None
