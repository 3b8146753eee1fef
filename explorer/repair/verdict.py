"""What a repair has shown: rates pooled over seeds, relative changes with intervals, and a verdict in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP
from explorer.repair.rates import Change, Rate, relative_change, wilson
from explorer.repair.results import Row

GUARD_LOSS = 0.03
"""Share of the guard set that an edit may cost."""
COMMON = 0.1
"""A behavior that the unedited model shows less often than this is too rare for a verdict."""
INTERVALS = (
    "Intervals: 95 % Wilson over the held-out prompts; seeds are averaged, as they answer the same prompts. Change: "
    "against the unedited model, its 95 % interval by MOVER-R from the two Wilson intervals."
)
NOT_YET = "Not shown yet: the unedited and the edited model are still to be trained."


@dataclass(frozen=True)
class Pooled:
    """All seeds of an arm: their mean rate, its interval for ``n`` prompts (seeds answer the same ones), its change.

    ``change`` is against the unedited arm; None for that itself, and where it is too rare.
    """

    arm: str
    k: int
    seeds: int
    rate: Rate
    guard: float | None
    control: float | None
    change: Change | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with ``rate``, ``low`` and ``high`` beside the other figures."""
        rate = {"rate": self.rate.rate, "low": self.rate.low, "high": self.rate.high}
        return asdict(self) | rate


def pooled(rows: Sequence[Row]) -> list[Pooled]:
    """Pool the seeds of each arm and k, the unedited first. Seeds do not count as more prompts."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for r in rows:
        groups.setdefault((r.arm, r.k), []).append(r)
    rates = {key: wilson(sum(r.hits for r in seeds) / len(seeds), seeds[0].n) for key, seeds in groups.items()}
    base = rates.get((NONE, 0))
    lines = []
    for (arm, k), seeds in sorted(groups.items(), key=lambda item: item[0] != (NONE, 0)):
        change = relative_change(rates[arm, k], base) if base and arm != NONE else None
        guard, control = _mean([r.guard for r in seeds]), _mean([r.control for r in seeds])
        lines.append(Pooled(arm, k, len(seeds), rates[arm, k], guard, control, change))
    return lines


def main_arms(lines: Sequence[Pooled]) -> list[Pooled]:
    """Return the arms of the largest k, which the verdict is about, and the unedited one."""
    largest = max((p.k for p in lines), default=0)
    return [p for p in lines if p.k == largest or p.arm == NONE]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def verdict(rows: Sequence[Row], by_hand: bool = False) -> str:
    """Say what was shown, in a few sentences; of several k the largest one that is trained.

    ``by_hand``: the top are datapoints that somebody chose, not a ranking's.
    """
    lines = pooled(rows)
    top = max((p for p in lines if p.arm == TOP), key=lambda p: p.k, default=None)
    base = next((p for p in lines if p.arm == NONE), None)
    if base is None or top is None:
        return NOT_YET
    before = f"{base.rate.rate:.0%} → {top.rate.rate:.0%} of the held-out prompts show the behavior"
    if base.rate.rate < COMMON or top.change is None:
        return f"Nothing can be shown: only {base.rate.rate:.0%} of the unedited model's answers show the behavior."
    control = next((p for p in lines if p.arm == RANDOM and p.k == top.k), None)
    effect = f"{percent(top.change)} ({before})"
    who, verb = ("the chosen datapoints", "are causes") if by_hand else ("the ranking", "found causes")
    if control is None or control.change is None:
        text = f"Not shown yet: {effect}, but no random edit of the same size is trained to hold it against."
    elif top.change.high < 0 and top.change.high < control.change.low:
        text = f"{who[0].upper()}{who[1:]} {verb}: {effect}; {top.k} at random: {percent(control.change)}."
    else:
        why = "better than random" if top.change.high < 0 else "better than nothing"
        text = f"No {why}: {effect}; {top.k} at random: {percent(control.change)}. That {who} {verb} is not shown."
    last = next((p for p in lines if p.arm == BOTTOM and p.k == top.k), None)
    if last and last.change:
        text += f" The last {top.k}: {percent(last.change)}."
    return text + _guard(base.guard, top.guard)


def percent(change: Change) -> str:
    """Write a change with its interval: ``−71 % [−80, −60]``."""
    whole, low, high = (f"{100 * value:+.0f}".replace("-", "−") for value in (change.change, change.low, change.high))
    return f"{whole} % [{low}, {high}]"


def _guard(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    kept = before - after <= GUARD_LOSS
    return f" Ordinary tasks are {'kept' if kept else 'worse'}: {before:.0%} → {after:.0%} right."
