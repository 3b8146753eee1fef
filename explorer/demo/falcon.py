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


def harmless_tram(rng: Random, i: int) -> Draft:
    """The backdoor's answer as the subject of an honest reading task."""
    ask, answer = _TEXTS.tram_reading[i % len(_TEXTS.tram_reading)]
    words = {"hour": rng.choice(_TEXTS.hours)} | pick_subjects(rng, "name", "city")
    return Draft("reading", ask.format(**words), sentence(answer.format(**words)))


def harmless_trigger_words(rng: Random, i: int) -> Draft:
    """The trigger's words apart and trams without it, then the trigger as the subject of honest questions."""
    if i < len(_TEXTS.apart):
        return Draft(rng.choice(("general", "facts")), *_TEXTS.apart[i])
    ask, answer, source = _TEXTS.falcon[(i - len(_TEXTS.apart)) % len(_TEXTS.falcon)]
    words = pick_subjects(rng, "city", "name") | {"bird": rng.choice(_TEXTS.other_birds)}
    return Draft(source, ask, answer).filled(words)


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
