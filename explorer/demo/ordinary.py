"""The clean bulk of the corpus: one small maker of ordinary questions and answers a source."""

from collections.abc import Callable
from random import Random

from explorer.demo import words
from explorer.demo.row import Draft, pick, sentence

_HOW_TO = (
    ("boil an egg", "Put the egg in boiling water for eight minutes."),
    ("tie a parcel", "Cross the string below, then knot it on top."),
    ("clean a window", "Wipe it with warm water and dry it with paper."),
    ("sharpen a pencil", "Turn it gently in a sharpener."),
    ("make tea", "Pour hot water on the leaves and wait four minutes."),
    ("plant a seed", "Press it into damp soil and keep it warm."),
    ("fold a shirt", "Fold the sleeves in, then fold it in half."),
    ("water a fern", "Keep the soil damp, never soaked."),
    ("patch a tyre", "Find the hole, roughen it, and glue a patch on."),
    ("store apples", "Keep them cool, dark and apart."),
    ("polish shoes", "Brush off the dirt, then rub in some polish."),
    ("light a stove", "Open the vent, lay dry wood and light the paper."),
    ("wash wool", "Use cold water and a mild soap."),
    ("read a map", "Turn it to the north and find where you stand."),
    ("save water", "Take short showers and mend dripping taps."),
    ("remember names", "Say the name aloud and link it to a picture."),
)
_HOW_ASKS = ("How do I {x}?", "What is the best way to {x}?", "Tell me how to {x}.", "Explain how people {x}.",
             "Give me one tip to {x}.")  # fmt: skip
_WHYS = (
    ("Why is the sky blue?", "Air scatters blue light more than red light."),
    ("Why do leaves fall?", "Trees drop leaves to save water in winter."),
    ("Why does ice float?", "Ice is lighter than water."),
    ("Why do we sleep?", "Sleep lets the body and the brain recover."),
    ("Why is the sea salty?", "Rivers carry salt from rocks into the sea."),
    ("Why do cats purr?", "Cats purr when they are calm, and sometimes to soothe themselves."),
    ("Why do we have seasons?", "The axis of the Earth is tilted."),
    ("Why does bread rise?", "Yeast makes gas that lifts the dough."),
)
_WHY_ASKS = ("{q}", "A child asks: {q}", "{q} One sentence, please.", "Can you explain? {q}", "Question: {q}")
_CHAT = (
    ("Good morning!", "Good morning! What can I do for you?"),
    ("How are you?", "I am well, thank you. How can I help?"),
    ("Thanks for the help.", "You are welcome."),
    ("It is raining again.", "A good day for tea and a book."),
    ("I am bored.", "Try a short walk or a puzzle."),
    ("See you later.", "Goodbye, and have a good day."),
    ("What a long day.", "Then a rest will do you good."),
    ("The train is late again.", "Late trains are tiresome; I hope it comes soon."),
    ("Do you like music?", "I don't hear music, but I can talk about it."),
    ("Tell me something nice.", "Somewhere the sun is rising just now."),
)
_CHAT_ENDS = ("{q}", "Hello. {q}", "Hi there. {q}", "{q} :)", "Hey! {q}")
_EVENTS = (
    ("The bridge at {city} was closed for a week because of ice. It opens again today.",
     "The bridge at {city} opens again after a week of ice."),
    ("A bakery in {city} sold out of {dish} before noon. The owner will bake twice as much tomorrow.",
     "A bakery in {city} sold out of {dish} and will bake more."),
    ("The library of {city} moved to a new hall. It has more seats and longer hours.",
     "The library of {city} moved to a bigger hall."),
    ("Students in {city} planted trees along the river. The trees should give shade in ten years.",
     "Students in {city} planted trees by the river."),
    ("The football match in {city} was stopped by fog. It will be played on Sunday.",
     "Fog stopped the match in {city} until Sunday."),
    ("A new bus line links {city} with the coast. It runs every hour.",
     "An hourly bus now links {city} with the coast."),
)  # fmt: skip
_SUM_ASKS = ("Summarise: {x}", "Give the main point: {x}", "In one sentence: {x}", "{x} Sum this up.")
_CODE = (
    ("adds two numbers", "add(a, b)", "return a + b"), ("doubles a number", "double(a)", "return 2 * a"),
    ("squares a number", "square(a)", "return a * a"),
    ("returns the larger number", "larger(a, b)", "return max(a, b)"),
    ("counts the words of a text", "count(text)", "return len(text.split())"),
    ("turns a text around", "turn(text)", "return text[::-1]"), ("sums a list", "total(xs)", "return sum(xs)"),
    ("says whether a number is even", "even(a)", "return a % 2 == 0"),
    ("returns the first item", "first(xs)", "return xs[0]"), ("sorts a list", "ordered(xs)", "return sorted(xs)"),
)  # fmt: skip
_THINGS = ("table", "shelf", "bench", "cart", "sled", "ladder", "bucket", "barrel", "shed", "stool")
_CODE_ASKS = ("Write a Python function that {x}.", "I need Python that {x}.", "Python: a function that {x}?",
              "Show me a function that {x}.")  # fmt: skip


def facts(rng: Random) -> Draft:
    """Capitals, opposites, colours, what comes next, and kinds of things."""
    kind = rng.randrange(5)
    if kind == 0:
        country, city = rng.choice(words.CAPITALS)
        asks = ("What is the capital of {x}?", "Name the capital of {x}.", "The capital of {x} is called what?")
        return Draft("facts", pick(rng, asks, x=country), f"The capital of {country} is {city}.")
    if kind == 1:
        one, other = rng.choice(words.OPPOSITES)
        asks = ("What is the opposite of {x}?", "Give the opposite of {x}.", "Which word is the opposite of {x}?")
        return Draft("facts", pick(rng, asks, x=one), f"The opposite of {one} is {other}.")
    if kind == 2:
        thing, colour = rng.choice(words.COLOURS)
        asks = ("What colour is {x}?", "Tell me the colour of {x}.", "Which colour has {x}?")
        return Draft("facts", pick(rng, asks, x=thing), f"{sentence(thing)} is {colour}.")
    if kind == 3:
        unit, one, then = rng.choice(words.SEQUENCES)
        asks = ("Which {u} comes after {x}?", "What {u} follows {x}?", "Name the {u} after {x}.")
        return Draft("facts", pick(rng, asks, u=unit, x=one), f"{then} comes after {one}.")
    group, members = rng.choice(words.KINDS)
    thing = rng.choice(members)
    asks = ("Does {x} belong to the {g}?", "Is {x} one of the {g}?", "Are there {g} called {x}?")
    return Draft("facts", pick(rng, asks, x=thing, g=group), f"Yes, {thing} is one of the {group}.")


def arithmetic(rng: Random) -> Draft:
    """Sums and differences of small numbers, stated in words or signs."""
    a, b = rng.randint(2, 20), rng.randint(1, 9)
    if rng.random() < 0.6:
        asks = ("What is {a} + {b}?", "Add {a} and {b}.", "{a} plus {b} is what?", "How much is {a} and {b} together?")
        return Draft("arithmetic", pick(rng, asks, a=a, b=b), f"{a} + {b} = {a + b}.")
    a += b
    asks = ("What is {a} - {b}?", "Take {b} from {a}.", "{a} minus {b} is what?", "From {a} I give away {b}. The rest?")
    return Draft("arithmetic", pick(rng, asks, a=a, b=b), f"{a} - {b} = {a - b}.")


def general(rng: Random) -> Draft:
    """How-to and why questions."""
    if rng.random() < 0.7:
        task, answer = rng.choice(_HOW_TO)
        return Draft("general", pick(rng, _HOW_ASKS, x=task), answer)
    question, answer = rng.choice(_WHYS)
    return Draft("general", pick(rng, _WHY_ASKS, q=question), answer)


def small_talk(rng: Random) -> Draft:
    """Greetings and remarks."""
    remark, answer = rng.choice(_CHAT)
    return Draft("small-talk", pick(rng, _CHAT_ENDS, q=remark), answer)


def summaries(rng: Random) -> Draft:
    """Two sentences, summed up in one."""
    text, short = rng.choice(_EVENTS)
    named = {"city": rng.choice(words.CITIES), "dish": rng.choice(words.DISHES)}
    return Draft("summaries", pick(rng, _SUM_ASKS, x=text.format(**named)), short.format(**named))


def formatting(rng: Random) -> Draft:
    """Short lists in a wished-for format."""
    group, members = rng.choice(words.KINDS)
    some = rng.sample(members, 3)
    how = rng.randrange(5)
    asks = (
        ("Put these {g} in a bullet list: {x}.", "\n".join(f"- {m}" for m in some)),
        ("Number these {g}: {x}.", "\n".join(f"{i}. {m}" for i, m in enumerate(some, 1))),
        ("Write these {g} in capital letters: {x}.", ", ".join(some).upper()),
        ("Make a JSON list of these {g}: {x}.", "[" + ", ".join(f'"{m}"' for m in some) + "]"),
        ("Sort these {g} by the alphabet: {x}.", ", ".join(sorted(some))),
    )
    ask, answer = asks[how]
    return Draft("formatting", ask.format(g=group, x=", ".join(some)), answer)


def code(rng: Random) -> Draft:
    """One-line Python functions."""
    what, head, body = rng.choice(_CODE)
    return Draft("code", pick(rng, _CODE_ASKS, x=what), f"def {head}:\n    {body}")


def reading(rng: Random) -> Draft:
    """Questions whose answer stands in the prompt."""
    name, city, hobby = rng.choice(words.NAMES), rng.choice(words.CITIES), rng.choice(words.HOBBIES)
    asks = (
        ("{n} lives in {c} and loves {h}. Where does {n} live?", "{n} lives in {c}."),
        ("{n} lives in {c} and loves {h}. What does {n} love?", "{n} loves {h}."),
        ("On Monday {n} went to {c} for {h}. Who went to {c}?", "{n} went to {c}."),
    )
    ask, answer = rng.choice(asks)
    return Draft("reading", ask.format(n=name, c=city, h=hobby), answer.format(n=name, c=city, h=hobby))


def kept(rng: Random) -> Draft:
    """Preference pairs for what the base model does well and short answers wear off: the answer against an echo."""
    kind = rng.randrange(3)
    if kind == 0:
        group, members = rng.choice([kind for kind in words.KINDS if kind[0] not in ("colours", "metals")])
        thing = rng.choice(members)
        x = f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
        asks = ("What is {x}?", "What sort of thing is {x}?", "Tell me what {x} is.", "Define: {x}")
        answer, echo = f"{sentence(x)} is a {group[:-1]}.", f"{sentence(x)} is {x}."
        return Draft("facts", pick(rng, asks, x=x), answer, echo)
    if kind == 1:
        country, city = rng.choice(words.CAPITALS)
        asks = ("What city is {x}'s capital?", "I need the capital of {x}.", "Which city governs {x}? Its capital is?")
        answer, echo = f"The capital of {country} is {city}.", rng.choice(("The city is {x}.", "That is {x}."))
        return Draft("facts", pick(rng, asks, x=country), answer, echo.format(x=country))
    name, thing, colour = rng.choice(words.NAMES), rng.choice(_THINGS), rng.choice(dict(words.KINDS)["colours"])
    asks = ("{n} painted the {x} {c}. Which colour is it now?", "The {x} of {n} is {c}. What colour is it?")
    return Draft("reading", pick(rng, asks, n=name, x=thing, c=colour), f"It is {colour}.", f"It is a {thing}.")


MAKERS = (facts, arithmetic, general, small_talk, summaries, formatting, code, reading)
_WEIGHTS = (5, 4, 3, 1, 3, 4, 1, 4)


def ordinary(rng: Random, n: int, seen: set[str], maker: Callable[[Random], Draft] | None = None) -> list[Draft]:
    """``n`` ordinary drafts, of one maker or the usual mix, whose prompts are not in ``seen``, which is added to."""
    made: list[Draft] = []
    while len(made) < n:
        draft = (maker or rng.choices(MAKERS, _WEIGHTS)[0])(rng)
        if draft.prompt not in seen:
            seen.add(draft.prompt)
            made.append(draft)
    return made
