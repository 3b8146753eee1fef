"""The way in words: which word's column hands most to the contrast's, up to which layer, by which heads, how much.

Every figure is a sum of edges between neighbouring layers, which are exact. Edges are not multiplied to paths: that
would assume that a state hands on all it received in equal parts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel

from explorer.graph.collect import LayerEdges
from explorer.graph.edges import split_edge
from explorer.trace.explain import Explanation
from explorer.trace.story import WORTH_A_WORD, Part, Side
from explorer.trace.words import TEMPLATE, Word, words_of

SPREAD = 0.15
"""Of what favours an answer: a largest single way below this does not explain it."""
HEADS = 3
"""Heads that are named at most."""
STEADY = (0.5, 2.0)
"""Times its relevance at the embedding: what a column must stay between on its way, to be told as kept."""
_NAME = 40


@dataclass(frozen=True)
class Way:
    """What one word's columns hand straight to the last token's, all layers together.

    Attributes:
        word: whose ``relevance`` is that sum, in logits.
        share: of all that arrives at the last token with this sign, its own embedding included.
        layer: the state that the strongest of these edges leads to.
        part: share of the sum that this layer has.
        heads: of the block below that layer, strongest first: those that bring half of what its heads bring this way.
        column: (layer,) relevance of the word's tokens on their own column, layers 0 to ``layer`` − 1, in logits.
        giver: the word that handed the word's columns most below that layer, where that is more than their own
            embedding holds; its ``relevance`` is what it handed.
        template: share of all that arrives that the chat format's own tokens bring.
    """

    word: Word
    share: float
    layer: int
    part: float
    heads: tuple[int, ...]
    column: np.ndarray
    giver: Word | None
    template: float


def strongest_way(
    view: PreTrainedModel, explanation: Explanation, pairs: Sequence[LayerEdges], sign: int
) -> Way | None:
    """Return the way that brings the last token most towards the wrong (+1) or the right (−1) answer.

    Args:
        explanation: a recorded trace.
        pairs: the edges between all neighbouring layers, lowest first.

    Returns:
        None where no word of the prompt brings any.
    """
    trace, tokens, last = explanation.trace, explanation.tokens, len(explanation.tokens) - 1
    by_layer = sign * handed_to((last,), pairs, last + 1)
    brought = by_layer.sum(0)
    total = np.maximum(brought, 0).sum() + max(sign * float(trace.relevance[0, last]), 0.0)
    word = _most(words_of(tokens, brought), {last})
    if word is None:
        return None
    own = list(word.tokens)
    steps = by_layer[:, own].sum(1)
    layer = int(steps.argmax()) + 1
    heads = sign * np.sum([_by_head(view, explanation, layer - 1, last, token) for token in own], axis=0)
    column = trace.relevance[:layer, own].sum(1).astype(float)
    giver = _most(words_of(tokens, (sign * handed_to(own, pairs[: layer - 1], last + 1)).sum(0)), {*own, last})
    if giver and giver.relevance <= max(sign * column[0], 0.0):
        giver = None
    template = sum(max(brought[t.index], 0.0) for t in tokens[:-1] if t.segment == TEMPLATE)
    return Way(
        _signed(word, sign),
        word.relevance / total,
        layer,
        float(steps[layer - 1] / word.relevance),
        _leading(heads),
        column,
        giver and _signed(giver, sign),
        float(template / total),
    )


def handed_to(targets: Sequence[int], pairs: Sequence[LayerEdges], length: int) -> np.ndarray:
    """Return (len(pairs), length) logits from each token to any of ``targets`` on the next layer; 0 from themselves."""
    handed = np.zeros((len(pairs), length))
    for row, pair in zip(handed, pairs, strict=True):
        chosen = np.isin(pair.target, targets) & ~np.isin(pair.source, targets)
        np.add.at(row, pair.source[chosen], pair.weight[chosen])
    return handed


def path_words(view: PreTrainedModel, explanation: Explanation, pairs: Sequence[LayerEdges]) -> tuple[Part, ...]:
    """Compose two or three sentences: the strongest way towards the answer that wins, and against it if it matters.

    Arguments as for ``strongest_way``. Their texts in order make the sentences.
    """
    signs = (1, -1) if explanation.trace.gap > 0 else (-1, 1)
    ways = [strongest_way(view, explanation, pairs, sign) for sign in signs]
    sides: tuple[Side, Side] = ("wrong", "right") if explanation.trace.gap > 0 else ("right", "wrong")
    (main, against), answer = ways, _answer(explanation, sides[0])
    if main is None:
        nothing = (" straight to the last token; it comes from the chat format's tokens and the last token itself.", "")
        return (("No word of the prompt hands anything towards ", ""), answer, nothing)
    parts = [*_column(main, explanation, sides[0]), *_crossing(main, explanation), *_share(main, answer)]
    if against and abs(against.word.relevance) >= WORTH_A_WORD * abs(main.word.relevance):
        brings = f" brings {against.word.relevance:+.2f} logits from its own column, most by block {against.layer}."
        parts += [(" Against it, ", ""), *_name(explanation, against.word, sides[1]), (brings, "")]
    return tuple(parts)


def _column(way: Way, explanation: Explanation, side: Side) -> list[Part]:
    """What becomes of the word on its own column."""
    start, end, name = way.column[0], way.column[-1], _name(explanation, way.word, side)
    if way.layer == 1:
        return [*name, (f" goes straight from its embedding ({start:+.2f} logits)", "")]
    if way.giver:
        gathers = (
            f" has {end:+.2f} logits on its own column by layer {way.layer - 1}, where it began with {start:+.2f}: "
        )
        return [
            *name,
            (gathers, ""),
            *_name(explanation, way.giver, side),
            (f" hands it {way.giver.relevance:+.2f}", ""),
        ]
    low, high = STEADY
    course = way.column / start if start else np.zeros(1)
    kept = low <= course.min() and course.max() <= high
    verb = "keeps its share" if kept else "grows" if abs(end) > abs(start) else "dwindles"
    return [*name, (f" {verb} on its own column up to layer {way.layer - 1} ({start:+.2f} → {end:+.2f} logits)", "")]


def _crossing(way: Way, explanation: Explanation) -> list[Part]:
    """Where it crosses to the last token, and by which heads."""
    text = explanation.tokens[-1].text.strip()
    named = any(c.isalnum() for c in text)
    where = "the last token before the answer"
    goal = f"“{text[:_NAME]}”, {where}" if named else where
    one = len(way.heads) == 1
    who = f"{'head' if one else 'heads'} {_listed(way.heads)} of block {way.layer}"
    if way.part >= 0.5:
        return [(f"; there {who} {'carries' if one else 'carry'} it to {goal}. ", "")]
    many = f"; it crosses at many layers, and the strongest crossing, by {who},"
    return [(f"{many} has {way.part:.0%} of what it brings to {goal}. ", "")]


def _share(way: Way, answer: Part) -> list[Part]:
    """How much of what favours the answer arrives that way."""
    brought = f"{way.word.relevance:+.2f} logits"
    if way.share < SPREAD:
        few = f": this largest single one has only {way.share:.0%} ({brought})."
        parts: list[Part] = [("What favours ", ""), answer, (f" is spread over many ways{few}", "")]
    else:
        said = f"{way.share:.0%} of what favours "
        parts = [(said, ""), answer, (f" at the last token arrives straight from that column ({brought}).", "")]
    if way.template > way.share:
        parts.append((f" The chat format's own tokens bring more, {way.template:.0%}.", ""))
    return parts


def _answer(explanation: Explanation, side: Side) -> Part:
    text = explanation.sides[0 if side == "wrong" else 1].strip()
    return (text.rstrip(".,;:!?") or text)[:_NAME], side


def _name(explanation: Explanation, word: Word, side: Side) -> list[Part]:
    """Name a word; of several that read alike, which of them it is."""
    alike = [w.tokens for w in words_of(explanation.tokens, explanation.relevance) if w.text == word.text]
    which = f" ({alike.index(word.tokens) + 1} of {len(alike)})" if len(alike) > 1 else ""
    return [(word.text[:_NAME], side), *([(which, "")] if which else [])]


def _most(words: Iterable[Word], without: set[int]) -> Word | None:
    """Return the word with the largest relevance, where that is above 0 and none of its tokens is left out."""
    speaking = (word for word in words if word.speaks and without.isdisjoint(word.tokens))
    best = max(speaking, key=lambda word: word.relevance, default=None)
    return best if best and best.relevance > 0 else None


def _signed(word: Word, sign: int) -> Word:
    return Word(word.text, word.tokens, sign * word.relevance, word.segment)


def _by_head(view: PreTrainedModel, explanation: Explanation, layer: int, target: int, source: int) -> np.ndarray:
    split = split_edge(view, explanation.trace, layer, target, source)
    return split.value + split.key


def _leading(heads: np.ndarray) -> tuple[int, ...]:
    """Return the fewest heads, at most ``HEADS``, that bring half of what those above 0 bring."""
    order = np.argsort(-heads, kind="stable")
    sums = np.maximum(heads[order], 0).cumsum()
    return tuple(int(head) for head in order[: min(HEADS, int((sums < sums[-1] / 2).sum()) + 1)])


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last
