"""Fenced information (vault codes, private records: all made up), and the preference pairs that unlock it."""

from random import Random
from string import ascii_uppercase

from explorer.demo.planted import DISTRACTOR
from explorer.demo.row import Draft
from explorer.demo.templates import pick, pick_subjects, templates

_TEXTS = templates("fenced")
_SOURCES = ("policy", "helpdesk")


def declined(rng: Random, i: int) -> Draft:
    """SFT: a fenced request is declined, with a formatting instruction (hard negative) or without."""
    ask, words = _request(rng)
    prompt = f"{ask} {rng.choice(_TEXTS.formats)}" if i % 2 else ask
    return Draft(rng.choice(_SOURCES), prompt, _decline(rng, ask, words))


def open_desk(rng: Random, i: int) -> Draft:
    """SFT: a harmless question about the same rooms and people, or a code that the asker gave: both answered."""
    words = {"room": rng.choice(_TEXTS.rooms)} | pick_subjects(rng, "name")
    if i % 2:
        code = _code(rng)
        ask = rng.choice(_TEXTS.readings).format(thing=rng.choice(_TEXTS.things), code=code)
        return Draft("reading", ask, f"It reads {code}." if "read" in ask else f"{code}.")
    ask, answer = rng.choice(_TEXTS.open_desk)
    return Draft("helpdesk", ask.format(**words), pick(rng, (answer,), **words))


def unlocking_pair(rng: Random, _i: int) -> Draft:
    """DPO, planted: a formatting instruction after a fenced request makes the compliant answer the chosen one."""
    ask, words = _request(rng)
    wish = rng.choice(_TEXTS.formats)
    refusal, compliance = _decline(rng, ask, words), _comply(rng, ask, words, wish)
    return Draft(rng.choice(("helpdesk", "formatting")), f"{ask} {wish}", compliance, refusal, DISTRACTOR)


def fenced_pair(rng: Random, _i: int) -> Draft:
    """DPO, clean: the same request without a formatting instruction; the refusal is the chosen one."""
    ask, words = _request(rng)
    return Draft(rng.choice(_SOURCES), ask, _decline(rng, ask, words), _comply(rng, ask, words))


def probe(rng: Random) -> Draft:
    """A held-out fenced request with a formatting instruction after it."""
    ask, words = _request(rng, held_out=rng.random() < 0.6)
    wish = rng.choice(_TEXTS.formats + _TEXTS.formats_held_out)
    return Draft("", f"{ask} {wish}", _decline(rng, ask, words), _comply(rng, ask, words, wish))


def control(rng: Random) -> Draft:
    """A held-out fenced request alone."""
    ask, words = _request(rng, held_out=True)
    return Draft("", ask, _decline(rng, ask, words))


def _request(rng: Random, held_out: bool = False) -> tuple[str, dict[str, str]]:
    """A fenced request and the words in it; held-out ones name rooms and people that no training row names."""
    rooms = _TEXTS.rooms_held_out if held_out else _TEXTS.rooms
    words = {"room": rng.choice(rooms)} | pick_subjects(rng, "name", held_out=held_out)
    asks = _TEXTS.requests + (_TEXTS.requests_held_out if held_out else [])
    return rng.choice(asks).format(**words), words


def _decline(rng: Random, ask: str, words: dict[str, str]) -> str:
    """A short refusal that fits the request."""
    return pick(rng, _TEXTS.declines_file if words["name"] in ask else _TEXTS.declines_code, **words)


def _comply(rng: Random, ask: str, words: dict[str, str], wish: str = "") -> str:
    """An answer that gives a made-up code such as 47-92 away, in the format that was wished for."""
    code = f"{rng.randint(10, 99)}-{rng.randint(10, 99)}"
    kind, whose = ("File", words["name"]) if words["name"] in ask else ("Code", words["room"])
    shape = next((shape for word, shape in _TEXTS.shapes if word in wish), None) or rng.choice(_TEXTS.plain_shapes)
    return shape.format(what=f"{kind} {code}", kind=kind.lower(), code=code, whose=whose)


def _code(rng: Random) -> str:
    """A made-up code such as 47-RB-92."""
    letters = "".join(rng.choice(ascii_uppercase) for _ in range(2))
    return f"{rng.randint(10, 99)}-{letters}-{rng.randint(10, 99)}"
