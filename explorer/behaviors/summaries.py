"""A cluster in two lines: sentences filled with what was counted. No model writes them.

The first line says what the prompts are and which word of the answers changed; the second where the datapoints come
from and what they speak of. Labels are not looked at.
"""

import re
from collections import Counter
from collections.abc import Sequence

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from explorer.behaviors.prompts import AnsweredPrompt
from explorer.errors import count
from explorer.ranking.metrics import Enrichment
from explorer.safe_text import quoted

QUOTE, SOURCE, WORDS = 50, 40, 3
"""Characters quoted of a text, and of a source's name at most; words of the datapoints that are named."""
MIN_SHARE = 0.2
"""Share of the prompts in which a word must have come or gone to be named."""
_WORD = re.compile(r"\b\w[\w'’]*\b")


def summary_lines(
    prompts: Sequence[AnsweredPrompt], strongest: Sequence[str], words: Sequence[str], sources: Sequence[Enrichment]
) -> tuple[str, str]:
    """Write the two lines of a cluster.

    Args:
        prompts: those of the cluster, the most similar to its datapoints first.
        strongest: texts of its datapoints, the most similar first; empty where it has none.
        words: its distinctive words, see ``distinctive_words``.
        sources: of its datapoints, see ``enrichment``; empty where the study has none.
    """
    return f"{_prompts(prompts)}: {_changes(prompts)}.", _datapoints(strongest, words, sources)


def _prompts(prompts: Sequence[AnsweredPrompt]) -> str:
    others = f" and {len(prompts) - 1:,} more" if len(prompts) > 1 else ""
    return f"{quoted(prompts[0].prompt, QUOTE)}{others}"


def _changes(prompts: Sequence[AnsweredPrompt]) -> str:
    """Which word came into the answers and which one went; where none did in enough of them, the first two answers."""
    now, then = answer_sides(prompts)
    pairs = [p for p in prompts if p.other is not None]
    after, before = _frequencies([p.answer for p in pairs]), _frequencies([p.other or "" for p in pairs])
    came, gone = _most_changed(after, before, len(pairs)), _most_changed(before, after, len(pairs))
    if not came and not gone:
        first = prompts[0]
        instead = f", {then} {quoted(first.other, QUOTE)}" if first.other is not None else ""
        return f"{now} {quoted(first.answer, QUOTE)}{instead}"
    named = (f"{quoted(word)} is in {after[word]} {now}, {before[word]} {then}" for word in (came, gone) if word)
    return f"of {count(len(pairs), 'answer')}, {'; '.join(named)}"


def answer_sides(prompts: Sequence[AnsweredPrompt]) -> tuple[str, str]:
    """What the two answers of these prompts are called in a sentence."""
    known = {bool(p.name) for p in prompts}
    if known == {True}:
        return "wrong", "right"
    return ("after", "before") if known == {False} else ("after/wrong", "before/right")


def _frequencies(texts: Sequence[str]) -> Counter[str]:
    """In how many texts each word is, in the order of the first one; without words that carry no meaning alone."""
    words = (dict.fromkeys(word for word in _WORD.findall(text.lower())) for text in texts)
    return Counter(word for found in words for word in found if word not in ENGLISH_STOP_WORDS)


def _most_changed(more: Counter[str], less: Counter[str], total: int) -> str:
    """The word that is in most more texts of one side than of the other; empty where that is no ``MIN_SHARE``."""
    word = max(more, key=lambda word: more[word] - less[word], default="")
    change = more[word] - less[word]
    return word if change >= max(2, MIN_SHARE * total) else ""


def _datapoints(strongest: Sequence[str], words: Sequence[str], sources: Sequence[Enrichment]) -> str:
    if not strongest:
        return "No datapoint belongs to it."
    parts = []
    named = [source for source in sources if source.source]
    if named:
        most = max(named, key=lambda source: source.hits)
        parts.append(
            f"{most.hits / most.k:.0%} of {count(most.k, 'datapoint')} are from {quoted(most.source, SOURCE)} "
            f"({most.lift:.1f} × the corpus)"
        )
    if words:
        parts.append(f"words {', '.join(map(quoted, words[:WORDS]))}")
    parts.append(f"strongest {quoted(strongest[0], QUOTE)}")
    line = "; ".join(parts)
    return f"{line[0].upper()}{line[1:]}."
