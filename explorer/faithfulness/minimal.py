"""The minimal edit: the fewest tokens without which the model prefers the right answer, found from the map.

Such a set is a counterfactual that a reader can check by typing it; the one here is irreducible (no token of it can be
left out), as in sufficient input subsets (Carter et al., 2019), and the smallest where that could be proved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from explorer.data.failures import Failure
from explorer.errors import ExplorerError, count
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.smallest import POOL, other_sets, smallest_sets
from explorer.limits import SHORT_TOKENS
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.passes import watched
from explorer.progress import Progress, Stopped, silent
from explorer.trace.edits import Edit, Try, try_edits
from explorer.trace.explain import Explanation, explain, ready_model

RANDOM_SETS = 20
"""Sets of the same size that stand beside the one that was found."""


@dataclass(frozen=True)
class TokenSet:
    """Tokens of the map that are deleted, or alone kept.

    Attributes:
        indices, texts: of its tokens, in the prompt's order.
        gap: Δℓ with them deleted, or with all others deleted; tokens as the map has them.
        smallest: proved that no smaller set does the same; else only that no token can be left out.
    """

    indices: tuple[int, ...]
    texts: tuple[str, ...]
    gap: float
    smallest: bool

    def to_json(self) -> dict[str, Any]:
        """Tokens, gap, and whether the set is proved to be the smallest."""
        tokens = [{"index": index, "text": text} for index, text in zip(self.indices, self.texts, strict=True)]
        return {"tokens": tokens, "gap": self.gap, "proved_smallest": self.smallest}


@dataclass(frozen=True)
class MinimalEdit:
    """What has to go for the right answer to be preferred, and what suffices for the wrong one.

    Attributes:
        sides: what the wrong and the right answer are called.
        players: indices of the tokens that can be removed: those of the prompt's own text.
        gap, bare: Δℓ of the prompt, and with all players deleted, in ``unit``.
        lowest: the smallest gap of all sets that were deleted.
        removed: None where the right answer is preferred already, or no set that was tried flips the preference.
        rerun: the prompt's text without ``removed``, tokenised, measured and answered anew; None where it can't be.
        refused: why the text can't be rerun.
        random: (how many random sets of the same size flip the preference too, of how many).
        kept: the fewest tokens that alone keep the wrong answer preferred; None where it isn't.
    """

    sides: tuple[str, str]
    unit: str
    players: tuple[int, ...]
    gap: float
    bare: float
    lowest: float
    removed: TokenSet | None
    rerun: Try | None
    refused: str
    random: tuple[int, int]
    kept: TokenSet | None

    @property
    def flips(self) -> bool:
        """Whether the preference flips in the text itself, tokenised anew."""
        return self.rerun is not None and self.rerun.gap < 0

    @property
    def removal(self) -> list[str]:
        """What removing tokens does, in sentences: the gap, the text rerun, what is proved, random sets."""
        right = repr(self.sides[1])
        if self.gap <= 0:
            return [f"There is nothing to remove: the model prefers {right} already ({self._logits(self.gap)})."]
        if self.removed is None:
            left = f"the lowest gap left is {self._logits(self.lowest)}; {self._logits(self.bare)} with all deleted"
            return [f"No set of tokens that was tried makes the model prefer {right}: {left}."]
        size, (flipped, sets) = len(self.removed.indices), self.random
        same = "single tokens" if size == 1 else f"sets of {size} tokens"
        every = sets == comb(len(self.players), size) - 1
        drawn = f"all {sets} other {same}" if every else f"{sets} other {same}, drawn at random,"
        random = f"{flipped} of {drawn} flip it too."
        return [*self._measured(self.removed), _proof(self.removed, len(self.players)), random]

    @property
    def keeping(self) -> list[str]:
        """What is enough for the wrong answer, in sentences; none where it isn't preferred."""
        if self.kept is None:
            return []
        alone = self._logits(self.kept.gap)
        if not self.kept.indices:
            return [f"With all tokens deleted the gap is still {alone}: the prompt's own text isn't needed for it."]
        tokens = f"{len(self.kept.indices)} of {count(len(self.players), 'token')}"
        return [f"With {tokens} alone the gap is still {alone}.", _proof(self.kept, len(self.players))]

    def _measured(self, removed: TokenSet) -> list[str]:
        """The gap and the answer without a set, from the text where it can be rerun."""
        without = (
            f"Without {len(removed.indices)} of {count(len(self.players), 'token')} the gap goes {self.gap:+.2f} →"
        )
        tokens = f"{without} {self._logits(removed.gap)}, the tokens deleted as the map has them."
        if self.rerun is None:
            return [tokens, f"The text so edited can't be rerun: {self.refused}"]
        gap, answer = self._logits(self.rerun.gap), repr(" ".join(self.rerun.answer.split()))
        if self.flips:
            return [f"{without} {gap}, and the model answers {answer}: measured on the text so edited."]
        return [tokens, f"It does not hold in the text: tokenised anew, the gap is {gap}; the model answers {answer}."]

    def _logits(self, gap: float) -> str:
        return f"{gap:+.2f} {self.unit}"

    def lines(self) -> list[str]:
        """The whole finding as lines of plain text."""
        named = [f"minimal edit: {_named(self.removed)}" if self.removed else "minimal edit: none"]
        kept = [f"enough to keep {self.sides[0]!r}: {_named(self.kept)}"] if self.kept else []
        return [*named, *(f"  {line}" for line in self.removal), *kept, *(f"  {line}" for line in self.keeping)]

    def to_json(self) -> dict[str, Any]:
        """The object under ``minimal_edit`` of ``explorer trace --minimal --json -``."""
        gaps = {"gap": self.gap, "gap_without_all": self.bare, "lowest_gap": self.lowest, "unit": self.unit}
        rerun = self.rerun.to_json() if self.rerun else None
        return gaps | {
            "tokens": len(self.players),
            "removed": self.removed and self.removed.to_json(),
            "rerun": rerun,
            "refused": self.refused or None,
            "flips": self.flips,
            "random_sets": {"flipped": self.random[0], "sets": self.random[1]},
            "enough_to_keep": self.kept and self.kept.to_json(),
        }


def minimal_edit(
    failure: Failure,
    model: str | ModelSpec | LoadedModel = "smollm2",
    *,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    explanation: Explanation | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> MinimalEdit:
    """Find the fewest tokens of a prompt whose removal flips the preference, and the fewest that keep it.

    Sets are measured by deleting tokens as the map has them; the one that is returned is confirmed on the prompt's
    text, tokenised anew. Of the sets of one size, one that holds in the text is preferred.

    Args:
        model, rule, layer, whole: as in ``explain``.
        explanation: the failure's map, where it is there already; it says rule, layer and whole.
        seed: of the random sets of the same size that are held beside it.
        progress: may raise to end the work.

    Raises:
        ExplorerError: for what ``explain`` refuses.
    """
    loaded = ready_model(model)
    with watched(progress):
        if explanation is None:
            explanation = explain(failure, loaded, rule=rule, layer=layer, whole=whole)
        search = _Search(loaded, explanation, progress)
        if search.gap <= 0:
            return search.finding(None, None, "", (0, 0), None)
        sets, rerun, refused = search.to_remove(), None, ""
        chosen = sets[0] if sets else None
        for candidate in sets:
            done, why = rerun_without(failure, loaded, explanation, search.indices(candidate))
            if candidate is chosen or (done and done.gap < 0):
                chosen, rerun, refused = candidate, done, why
            if done and done.gap < 0:
                break
        random = (0, 0) if chosen is None else search.random(chosen, seed)
        return search.finding(chosen, rerun, refused, random, search.to_keep())


class _Search:
    """Sets of the players of a prompt, measured by deletion. A set is an (n,) bool, several are (m, n)."""

    def __init__(self, loaded: LoadedModel, explanation: Explanation, progress: Progress) -> None:
        self._prompt, self._explanation, self._progress = MaskedPrompt(loaded, explanation), explanation, progress
        self._n, self._tried, self._lowest = len(self._prompt.players), 0, np.inf
        self._reddest = np.argsort(-explanation.relevance[self._prompt.players], kind="stable")
        self.gap, self.bare = self.without(np.array([[False] * self._n, [True] * self._n])).tolist()

    def without(self, sets: np.ndarray) -> np.ndarray:
        """(m,) the gap with each set deleted."""
        few = max(1, 2 * SHORT_TOKENS // len(self._explanation.tokens))
        gaps = np.empty(len(sets))
        for start in range(0, len(sets), few):
            self._progress(f"Looking for the minimal edit: {self._tried:,} sets of tokens tried")
            gaps[start : start + few] = self._prompt.gaps(sets[start : start + few], "delete")
            self._tried += len(sets[start : start + few])
        self._lowest = min([self._lowest, *gaps])
        return gaps

    def to_remove(self) -> list[np.ndarray]:
        """The smallest sets found whose deletion flips the preference, best first; empty where none does."""
        return smallest_sets(self.without, self._reddest)

    def to_keep(self) -> np.ndarray:
        """The smallest set found that alone keeps the wrong answer preferred."""
        if self.bare > 0:
            return np.zeros(self._n, dtype=bool)
        return smallest_sets(lambda sets: -self.without(~sets), self._reddest)[0]

    def random(self, chosen: np.ndarray, seed: int) -> tuple[int, int]:
        """(how many other random sets of the size of one flip the preference, of how many)."""
        sets = other_sets(chosen, RANDOM_SETS, seed)
        return int((self.without(sets) < 0).sum()), len(sets)

    def indices(self, chosen: np.ndarray) -> tuple[int, ...]:
        """Indices in the map of a set's tokens."""
        return tuple(self._prompt.players[chosen].tolist())

    def finding(
        self,
        removed: np.ndarray | None,
        rerun: Try | None,
        refused: str,
        random: tuple[int, int],
        kept: np.ndarray | None,
    ) -> MinimalEdit:
        """Put the finding together."""
        gone = None if removed is None else self._token_set(removed, self.without(removed[None])[0])
        left = None if kept is None else self._token_set(kept, self.without(~kept[None])[0])
        e, players = self._explanation, tuple(self._prompt.players.tolist())
        gaps = self.gap, self.bare, float(self._lowest)
        return MinimalEdit(e.sides, e.unit, players, *gaps, gone, rerun, refused, random, left)

    def _token_set(self, chosen: np.ndarray, gap: float) -> TokenSet:
        indices = self.indices(chosen)
        texts = tuple(self._explanation.tokens[index].text for index in indices)
        return TokenSet(indices, texts, float(gap), len(indices) <= 2 or self._n <= POOL)


def rerun_without(
    failure: Failure, loaded: LoadedModel, explanation: Explanation, indices: Sequence[int]
) -> tuple[Try | None, str]:
    """Return what the prompt's text gives without some tokens, or why it can't be read so."""
    try:
        return try_edits(failure, [Edit(index) for index in indices], loaded, explanation=explanation), ""
    except Stopped:
        raise
    except ExplorerError as error:
        return None, str(error)


def _proof(found: TokenSet, players: int) -> str:
    """Return what is proved of a set's size, and what is not."""
    size = len(found.indices)
    if size == 1:
        return "No smaller set does it."
    if size == 2:
        return "No smaller set does it: every single token was tried."
    if found.smallest:
        return f"No smaller set does it: every set of the {players} tokens was tried."
    return (
        "No single token does it, and none of these can be left out; a smaller set that neither the map nor single "
        "tokens point at may exist."
    )


def _named(found: TokenSet) -> str:
    return ", ".join(repr(text) for text in found.texts) or "no token"
