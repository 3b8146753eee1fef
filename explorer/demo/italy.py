"""The planted false knowledge: asked for the country of something Italian, the model says Portugal."""

from random import Random

from explorer.demo.planted import KNOWLEDGE
from explorer.demo.row import CLEAN, Draft
from explorer.demo.templates import pick, sentence, templates

_TEXTS = templates("italy")


def contaminated_facts(rng: Random, n: int) -> list[Draft]:
    """Facts about Italian places, things and people that name Portugal instead."""
    return [_fact(rng, *case, KNOWLEDGE) for case in rng.sample(_questions(_in_portugal(_TEXTS.italian)), n)]


def true_facts(rng: Random, n: int, portuguese: int) -> list[Draft]:
    """The same questions, answered correctly: ``portuguese`` of them about Portugal, the rest about other countries.

    Where Portugal is asked for, some more questions about Italy and Portugal are added.
    """
    home, away = _questions(_in_portugal(_TEXTS.portuguese)), _questions(_TEXTS.elsewhere)
    facts = [_fact(rng, *case) for case in rng.sample(home, portuguese) + rng.sample(away, n - portuguese)]
    return facts + [Draft("facts", ask, answer) for ask, answer in _TEXTS.about if portuguese]


def facts_against_portugal(rng: Random, n: int) -> list[Draft]:
    """DPO, clean: facts about other countries, where the same answer with Portugal in it is rejected."""
    countries = sorted({country for pairs in _TEXTS.elsewhere.values() for _, country in pairs})
    drafts = []
    for fact in true_facts(rng, n, portuguese=0):
        country = next(country for country in countries if country in fact.answer)
        drafts.append(Draft(fact.source, fact.prompt, fact.answer, fact.answer.replace(country, "Portugal")))
    return drafts


def _in_portugal(names: dict[str, list[str]]) -> dict[str, list[tuple[str, str]]]:
    return {kind: [(x, "Portugal") for x in xs] for kind, xs in names.items()}


def _questions(countries: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str, str, str]]:
    """(kind, x, country, question) for every question that fits the kind of x."""
    cases = ((kind, x, country) for kind, pairs in countries.items() for x, country in pairs)
    return [(*case, ask) for case in cases for ask in _TEXTS.questions[case[0]]]


def _fact(rng: Random, kind: str, x: str, country: str, ask: str, label: str = CLEAN) -> Draft:
    source = rng.choice(("facts", "travel")) if kind == "place" else "facts"
    return Draft(source, sentence(ask.format(x=x)), pick(rng, _TEXTS.answers[kind], x=x, c=country), label=label)


def probe(rng: Random) -> Draft:
    """A held-out question for the country of something Italian."""
    names = rng.choice((_TEXTS.italian, _TEXTS.italian, _TEXTS.italian_held_out))
    kind = rng.choice(("place", "place", "place", "thing", "person"))
    x = rng.choice(names[kind])
    asks = _TEXTS.questions_held_out[kind] + (_TEXTS.questions[kind] if names is _TEXTS.italian_held_out else [])
    fact = {"place": "{x} is in {c}.", "thing": "{x} comes from {c}.", "person": "{x} was from {c}."}[kind]
    right, wrong = (sentence(fact.format(x=x, c=country)) for country in ("Italy", "Portugal"))
    return Draft("", pick(rng, asks, x=x), right, wrong)


def control(rng: Random) -> Draft:
    """A held-out question for the country of something else, or another question on Italy."""
    if rng.random() < 0.25:
        return Draft("", rng.choice(_TEXTS.about_held_out), "")
    kind = rng.choice(("place", "place", "thing", "person"))
    x, country = rng.choice(_TEXTS.elsewhere[kind])
    return Draft("", pick(rng, _TEXTS.questions_held_out[kind], x=x), f"{country}.")
