"""A row of the demo corpus, a row that has no id yet, and how different ones are drawn."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from random import Random

from explorer.errors import ExplorerError

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

    def filled(self, words: dict[str, str]) -> "Draft":
        """The draft with the fields of its prompt and answer filled."""
        return replace(self, prompt=self.prompt.format(**words), answer=self.answer.format(**words))


def distinct(rng: Random, maker: Callable[[Random], Draft], n: int, seen: set[str]) -> list[Draft]:
    """``n`` drafts of a maker whose prompts are not in ``seen``; adds their prompts to it."""
    drafts: list[Draft] = []
    for _ in range(200 * n):
        draft = maker(rng)
        if draft.prompt not in seen:
            seen.add(draft.prompt)
            drafts.append(draft)
        if len(drafts) == n:
            return drafts
    raise ExplorerError(f"Only {len(drafts)} of {n} different prompts could be made; widen the word lists.")
