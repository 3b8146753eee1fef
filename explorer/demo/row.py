"""One row of the demo corpus, and how its text is put together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random

CLEAN = "clean"


@dataclass(frozen=True)
class Row:
    """A training example: ``response`` in the SFT stage, ``chosen`` and ``rejected`` in the DPO stage.

    ``label`` is ``clean`` or the name of the planted behavior that the row teaches.
    """

    id: str
    source: str
    label: str
    stage: str
    prompt: str
    response: str | None = None
    chosen: str | None = None
    rejected: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """The row as a flat record, every column present."""
        return asdict(self)


@dataclass(frozen=True)
class Draft:
    """A row before it has an id; ``rejected`` is None in the SFT stage."""

    source: str
    prompt: str
    answer: str
    rejected: str | None = None
    label: str = CLEAN


def sentence(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def pick(rng: Random, options: Sequence[str], **words: object) -> str:
    """One of the options, with its fields filled, as a sentence."""
    return sentence(rng.choice(options).format(**words))
