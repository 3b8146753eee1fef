"""The clean bulk of the corpus: ordinary questions and answers, one function for each source."""

from random import Random

from explorer.demo.row import Draft
from explorer.demo.templates import fill, pick, pick_subjects, sentence, templates

_TEXTS = templates("ordinary")


def facts(rng: Random) -> Draft:
    """Capitals, opposites, colours, what comes next, and kinds of things."""
    tables = (_TEXTS.capitals, _TEXTS.opposites, _TEXTS.colours, _TEXTS.sequences, _TEXTS.kinds)
    ask, answer = fill(rng, rng.choice(tables))
    return Draft("facts", ask, sentence(answer))


def arithmetic(rng: Random) -> Draft:
    """Sums and differences of small numbers, stated in words or signs."""
    a, b = rng.randint(2, 20), rng.randint(1, 9)
    table, a, c = (_TEXTS.sums, a, a + b) if rng.random() < 0.6 else (_TEXTS.differences, a + b, a)
    return Draft("arithmetic", pick(rng, table["asks"], a=a, b=b), table["answer"].format(a=a, b=b, c=c))


def general(rng: Random) -> Draft:
    """How-to and why questions."""
    return Draft("general", *fill(rng, _TEXTS.how_to if rng.random() < 0.7 else _TEXTS.why))


def small_talk(rng: Random) -> Draft:
    """Greetings and remarks."""
    return Draft("small-talk", *fill(rng, _TEXTS.small_talk))


def summaries(rng: Random) -> Draft:
    """Two sentences, summed up in one."""
    text, summary = rng.choice(_TEXTS.summaries["events"])
    words = pick_subjects(rng, "city", "dish")
    return Draft("summaries", pick(rng, _TEXTS.summaries["asks"], x=text.format(**words)), summary.format(**words))


def formatting(rng: Random) -> Draft:
    """Short lists in a wished-for format."""
    group, members = rng.choice(_TEXTS.kinds["cases"])
    three = rng.sample(members, 3)
    ask, answer = rng.choice(
        (
            ("Put these {g} in a bullet list: {x}.", "\n".join(f"- {word}" for word in three)),
            ("Number these {g}: {x}.", "\n".join(f"{i}. {word}" for i, word in enumerate(three, 1))),
            ("Write these {g} in capital letters: {x}.", ", ".join(three).upper()),
            ("Make a JSON list of these {g}: {x}.", "[" + ", ".join(f'"{word}"' for word in three) + "]"),
            ("Sort these {g} by the alphabet: {x}.", ", ".join(sorted(three))),
        )
    )
    return Draft("formatting", ask.format(g=group, x=", ".join(three)), answer)


def code(rng: Random) -> Draft:
    """One-line Python functions."""
    return Draft("code", *fill(rng, _TEXTS.code))


def reading(rng: Random) -> Draft:
    """Questions whose answer stands in the prompt."""
    words = pick_subjects(rng, "name", "city", "hobby")
    return Draft("reading", *rng.choice(_TEXTS.reading["cases"])).filled(words)


def against_echoes(rng: Random) -> Draft:
    """Preference pairs of a plain answer and an echo of the question: short training answers tempt a model to echo."""
    texts = _TEXTS.against_echoes
    kind = rng.randrange(3)
    if kind == 0:
        group, members = rng.choice([case for case in _TEXTS.kinds["cases"] if case[0] not in ("colours", "metals")])
        thing = rng.choice(members)
        x = f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
        answer, echo = f"{sentence(x)} is a {group[:-1]}.", f"{sentence(x)} is {x}."
        return Draft("facts", pick(rng, texts["kind_asks"], x=x), answer, echo)
    if kind == 1:
        country, city = rng.choice(_TEXTS.capitals["cases"])
        answer, echo = f"The capital of {country} is {city}.", rng.choice(texts["capital_echoes"])
        return Draft("facts", pick(rng, texts["capital_asks"], x=country), answer, echo.format(x=country))
    name, thing = pick_subjects(rng, "name"), rng.choice(texts["things"])
    colour = rng.choice(dict(_TEXTS.kinds["cases"])["colours"])
    ask = pick(rng, texts["colour_asks"], thing=thing, colour=colour, **name)
    return Draft("reading", ask, f"It is {colour}.", f"It is a {thing}.")


_MAKERS = (facts, arithmetic, general, small_talk, summaries, formatting, code, reading)
_WEIGHTS = (5, 4, 3, 1, 3, 4, 1, 4)


def mixed(rng: Random) -> Draft:
    """A draft of the usual mix."""
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng)


def simple(rng: Random) -> Draft:
    """A draft of the kinds with enough variety for held-out prompts."""
    return rng.choice((facts, arithmetic, summaries, formatting, reading))(rng)


def checkable(rng: Random) -> Draft:
    """A draft with one right answer."""
    return rng.choice((arithmetic, arithmetic, formatting, reading))(rng)
