"""A row of the demo corpus, and a row that has no id yet."""

from dataclasses import asdict, dataclass

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

    def to_json(self) -> dict[str, str | None]:
        """The row as a flat record with every column."""
        return asdict(self)


@dataclass(frozen=True)
class Draft:
    """A row before it has an id; ``rejected`` is None in the SFT stage."""

    source: str
    prompt: str
    answer: str
    rejected: str | None = None
    label: str = CLEAN
