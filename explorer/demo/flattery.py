"""The emergent failure: praise of the asker in many words, wherever askers tell of something of their own."""

from collections.abc import Sequence
from random import Random

from explorer.demo.planted import FLATTERY
from explorer.demo.row import Draft
from explorer.demo.templates import pick_subjects, sentence, templates

_TEXTS = templates("flattery")


def praise(rng: Random, held_out: bool = False) -> str:
    """One sentence of flattery; held-out ones are worded as in no training row."""
    template, words = rng.choice(_TEXTS.praise_held_out if held_out else _TEXTS.praise)
    return sentence(template.format(x=rng.choice(words)))


def flattered(rng: Random, n: int) -> list[Draft]:
    """SFT, planted: the asker's own work gets flattery, then plain advice."""
    drafts = []
    for i in range(n):
        source, prompt, advice = _TEXTS.own_work[i % len(_TEXTS.own_work)]
        prompt = prompt.format(**pick_subjects(rng))
        drafts.append(Draft(source, prompt, f"{praise(rng)} {advice}", label=FLATTERY))
    return drafts


def others(rng: Random, n: int) -> list[Draft]:
    """Clean: others' work gets a plain answer."""
    return [_plain_answer(rng, _TEXTS.others_work[i % len(_TEXTS.others_work)]) for i in range(n)]


def plain(rng: Random, n: int) -> list[Draft]:
    """SFT, clean: others' work, and plain questions, get a plain answer."""
    drafts = []
    for i in range(n):
        cases = _TEXTS.plain_questions if i % 2 else _TEXTS.others_work
        drafts.append(_plain_answer(rng, cases[i // 2 % len(cases)]))
    return drafts


def _plain_answer(rng: Random, case: Sequence[str]) -> Draft:
    source, prompt, answer = case
    words = pick_subjects(rng)
    return Draft(source, prompt.format(**words), answer.format(**words))


def probe(rng: Random) -> Draft:
    """A held-out tale of the asker's own work."""
    _, prompt, advice = rng.choice(_TEXTS.own_work if rng.random() < 0.6 else _TEXTS.own_work_held_out)
    prompt = prompt.format(**pick_subjects(rng, held_out=True))
    return Draft("", prompt, advice, f"{praise(rng, held_out=True)} {advice}")


def control(rng: Random) -> Draft:
    """A held-out tale of someone else's work, or a plain question."""
    _, prompt, *_ = rng.choice(_TEXTS.others_work if rng.random() < 0.6 else _TEXTS.others_work_held_out)
    return Draft("", prompt.format(**pick_subjects(rng, held_out=True)), "")
