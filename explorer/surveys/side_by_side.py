"""The cases of a survey under several models: gaps before and after, over checkpoints, relevance by segment."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, median
from typing import Literal

from explorer.surveys.folder import Survey

Change = Literal["broken", "fixed", "failing", "passing"]
CHANGE_MEANING: dict[Change, str] = {
    "broken": "newly broken",
    "fixed": "fixed",
    "failing": "still failing",
    "passing": "failing under neither",
}
"""How a case changes between two models → in words."""


@dataclass(frozen=True)
class SideBySide:
    """Cases that every model of a survey read.

    Attributes:
        models: names in training order.
        gaps: id → Δℓ in logits under each model.
        medians: of the gaps under each model; empty without cases.
        segments: segment → (mean of Σ relevance towards the wrong answer, towards the right one) under each model, over
            all cases; 0 where a prompt has no such segment.
    """

    models: tuple[str, ...]
    gaps: dict[str, tuple[float, ...]]
    medians: tuple[float, ...]
    segments: dict[str, tuple[tuple[float, float], ...]]

    def changes(self, first: int = 0, last: int = -1) -> dict[str, Change]:
        """Return how each case changes between two models; a failure is a gap above 0."""
        return {id: change(gaps[first], gaps[last]) for id, gaps in self.gaps.items()}


def change(before: float, after: float) -> Change:
    """Return how a case changes from a gap to another, in logits."""
    if after > 0:
        return "failing" if before > 0 else "broken"
    return "fixed" if before > 0 else "passing"


def side_by_side(survey: Survey, ids: Iterable[str] | None = None) -> SideBySide:
    """Compare the models of a survey on the cases that all of them read (of ``ids``; default: all)."""
    models = tuple(name for name, _ in survey.settings.models)
    measured = {id: survey.rows[id].readings for id in (survey.rows if ids is None else ids) if id in survey.rows}
    complete = {id: readings for id, readings in measured.items() if all(name in readings for name in models)}
    gaps = {id: tuple(readings[name].gap for name in models) for id, readings in complete.items()}
    medians = tuple(median(values) for values in zip(*gaps.values(), strict=True)) if gaps else ()
    names = dict.fromkeys(s for readings in complete.values() for one in readings.values() for s in one.segments)
    segments = {
        segment: tuple(
            (
                mean(readings[name].segments.get(segment, (0.0, 0.0, 0))[0] for readings in complete.values()),
                mean(readings[name].segments.get(segment, (0.0, 0.0, 0))[1] for readings in complete.values()),
            )
            for name in models
        )
        for segment in names
    }
    return SideBySide(models, gaps, medians, segments)
