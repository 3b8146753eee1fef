"""Sentence templates and word lists of the demo corpus (``assets/demo/corpus/*.toml``), and how they become text."""

from collections.abc import Mapping, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

from explorer.files import shipped
from explorer.reading import read_toml


def templates(name: str) -> SimpleNamespace:
    """The tables of one file, as attributes."""
    return SimpleNamespace(**read_toml(shipped(f"demo/corpus/{name}.toml"), "templates"))


_SUBJECTS = templates("subjects")


def pick_subjects(rng: Random, *fields: str, held_out: bool = False) -> dict[str, str]:
    """A word for each of the fields hobby, city, dish, spice and name (default: all). No row names one held out."""
    words = _SUBJECTS.held_out if held_out else _SUBJECTS.training
    return {field: rng.choice(words[field]) for field in fields or words}


def sentence(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def pick(rng: Random, options: Sequence[str], **words: object) -> str:
    """One of the options with its fields filled, as a sentence."""
    return sentence(rng.choice(options).format(**words))


def fill(rng: Random, table: Mapping[str, Any]) -> tuple[str, str]:
    """Question and answer of a table with ``asks``, ``answer`` and ``cases``.

    The fields {0}, {1}, … are the words of one of the cases; where a case holds a list, one word of it is taken.
    """
    words = [rng.choice(word) if isinstance(word, list) else word for word in rng.choice(table["cases"])]
    return sentence(rng.choice(table["asks"]).format(*words)), table["answer"].format(*words)
