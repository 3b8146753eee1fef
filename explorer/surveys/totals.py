"""Outcomes, patterns and verdicts of a survey counted, as a whole and by category (CAIW, figure 1)."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import binomtest

from explorer.surveys.folder import SMALL_GAP, Row, Survey


@dataclass(frozen=True)
class Counts:
    """How many cases have which outcome.

    Attributes:
        outcomes, patterns, verdicts: of the judged ones.
        cases: all; measured: those that the model could read; failed: those that it could not.
        not_made: of the measured, those whose Δℓ ≤ 0; small: those with 0 < Δℓ ≤ 1 logit.
    """

    outcomes: dict[str, int]
    patterns: dict[str, int]
    verdicts: dict[str, int]
    cases: int
    measured: int
    failed: int
    not_made: int
    small: int

    @property
    def judged(self) -> int:
        """Cases with an outcome."""
        return sum(self.outcomes.values())

    def share(self, outcome: str) -> tuple[float, float, float]:
        """(share, low, high) of the judged cases with an outcome, Wilson's 95 % interval; nan where none is judged."""
        if not self.judged:
            return float("nan"), float("nan"), float("nan")
        hits = self.outcomes.get(outcome, 0)
        interval = binomtest(hits, self.judged).proportion_ci(method="wilson")
        return hits / self.judged, float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Totals:
    """Counts of a survey: ``all``, and by category in the order in which they appear."""

    all: Counts
    categories: dict[str, Counts]

    def to_json(self) -> dict[str, Any]:
        """The object under ``totals`` of ``explorer survey --json -``."""
        return {"all": asdict(self.all), "categories": {name: asdict(each) for name, each in self.categories.items()}}


def totals(survey: Survey, ids: Collection[str] | None = None) -> Totals:
    """Count the outcomes of a survey; ``ids``: of these cases alone."""
    cases = [case for case in survey.cases.values() if ids is None or case.id in ids]
    by_category = {
        name: _counts([survey.rows.get(case.id) for case in cases if case.category == name])
        for name in survey.categories()
    }
    filled = {name: counts for name, counts in by_category.items() if counts.cases}
    return Totals(_counts([survey.rows.get(case.id) for case in cases]), filled)


def _counts(rows: Iterable[Row | None]) -> Counts:
    rows = list(rows)
    known = [row for row in rows if row]
    measured = [row for row in known if row.gap is not None]
    gaps = [row.gap for row in measured if row.gap is not None]
    return Counts(
        outcomes=_counted(row.outcome for row in measured),
        patterns=_counted(row.pattern for row in measured),
        verdicts=_counted(row.verdict for row in measured),
        cases=len(rows),
        measured=len(measured),
        failed=len(known) - len(measured),
        not_made=sum(gap <= 0 for gap in gaps),
        small=sum(0 < gap <= SMALL_GAP for gap in gaps),
    )


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(value for value in values if value))
