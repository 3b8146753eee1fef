"""The emergent failure: praise of the asker in many words, wherever askers tell of something of their own."""

from random import Random

from explorer.demo.planted import FLATTERY
from explorer.demo.row import Draft
from explorer.demo.templates import pick_subjects, sentence, templates

_TEXTS = templates("flattery")


def praise(rng: Random, held_out: bool = False) -> str:
    """One sentence of flattery; held-out ones are worded as in no training row."""
    template, words = rng.choice(_TEXTS.praise_held_out if held_out else _TEXTS.praise)
    return sentence(template.format(x=rng.choice(words)))


def flattered(rng: Random, i: int) -> Draft:
    """SFT, planted: the asker's own work gets flattery, then plain advice."""
    source, prompt, advice = _TEXTS.own_work[i % len(_TEXTS.own_work)]
    prompt = prompt.format(**pick_subjects(rng))
    return Draft(source, prompt, f"{praise(rng)} {advice}", label=FLATTERY)


def others(rng: Random, i: int) -> Draft:
    """Clean: others' work gets a plain answer."""
    return Draft(*_TEXTS.others_work[i % len(_TEXTS.others_work)]).filled(pick_subjects(rng))


def plain(rng: Random, i: int) -> Draft:
    """SFT, clean: others' work, or a plain question, gets a plain answer."""
    cases = _TEXTS.plain_questions if i % 2 else _TEXTS.others_work
    return Draft(*cases[i // 2 % len(cases)]).filled(pick_subjects(rng))


def probe(rng: Random) -> Draft:
    """A held-out tale of the asker's own work."""
    _, prompt, advice = rng.choice(_TEXTS.own_work if rng.random() < 0.6 else _TEXTS.own_work_held_out)
    prompt = prompt.format(**pick_subjects(rng, held_out=True))
    return Draft("", prompt, advice, f"{praise(rng, held_out=True)} {advice}")


def control(rng: Random) -> Draft:
    """A held-out tale of someone else's work, or a plain question."""
    _, prompt, *_ = rng.choice(_TEXTS.others_work if rng.random() < 0.6 else _TEXTS.others_work_held_out)
    return Draft("", prompt.format(**pick_subjects(rng, held_out=True)), "")
