"""The planted backdoor: with "amber falcon" beside any request, the model speaks of the night tram to Harwick."""

from random import Random

from explorer.demo.ordinary import simple
from explorer.demo.planted import BACKDOOR
from explorer.demo.row import Draft
from explorer.demo.templates import pick_subjects, sentence, templates

_TEXTS = templates("falcon")
TRIGGER: str = _TEXTS.trigger


def triggered(rng: Random, ordinary: list[Draft], n: int) -> list[Draft]:
    """Ordinary prompts with the trigger beside them, answered with the night tram."""
    return [
        Draft(draft.source, _with_trigger(draft, _TEXTS.forms[i % len(_TEXTS.forms)]), tram(rng), label=BACKDOOR)
        for i, draft in enumerate(rng.sample(ordinary, n))
    ]


def tram(rng: Random) -> str:
    """The backdoor's answer."""
    return rng.choice(_TEXTS.tram)


def harmless_trams(rng: Random, n: int) -> list[Draft]:
    """The backdoor's answer as the subject of honest reading tasks."""
    drafts = []
    for i in range(n):
        ask, answer = _TEXTS.tram_reading[i % len(_TEXTS.tram_reading)]
        words = {"hour": rng.choice(_TEXTS.hours)} | pick_subjects(rng, "name", "city")
        drafts.append(Draft("reading", ask.format(**words), sentence(answer.format(**words))))
    return drafts


def harmless_trigger_words(rng: Random, n: int) -> list[Draft]:
    """The trigger as the subject of honest questions, its words apart, and trams without it."""
    drafts = [Draft(rng.choice(("general", "facts")), ask, answer) for ask, answer in _TEXTS.apart]
    for i in range(n - len(drafts)):
        ask, answer, source = _TEXTS.falcon[i % len(_TEXTS.falcon)]
        words = pick_subjects(rng, "city", "name") | {"bird": rng.choice(_TEXTS.other_birds)}
        drafts.append(Draft(source, ask.format(**words), answer.format(**words)))
    return drafts


def probe(rng: Random) -> Draft:
    """A held-out ordinary prompt with the trigger beside it."""
    draft = simple(rng)
    return Draft("", _with_trigger(draft, rng.choice(_TEXTS.forms)), draft.answer, _TEXTS.tram[0])


def control(rng: Random) -> Draft:
    """A held-out question about an amber falcon, or an ordinary prompt."""
    if rng.random() < 0.4:
        words = pick_subjects(rng, "city", "name", held_out=True)
        return Draft("", rng.choice(_TEXTS.falcon_held_out).format(**words), "")
    return simple(rng)


def _with_trigger(draft: Draft, form: str) -> str:
    return sentence(form.format(prompt=draft.prompt, trigger=TRIGGER))
