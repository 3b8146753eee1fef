"""What a repair has shown: rates of the behavior with intervals, pooled over seeds, a verdict, and their file."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import sqrt
from pathlib import Path
from typing import Any, TypedDict

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.limits import DATA_ROWS
from explorer.reading import as_type, read_json
from explorer.repair.checks import BEHAVIOR, CONTROL, GUARD, digest_of, held_out
from explorer.repair.plan import BOTTOM, NONE, RANDOM, TOP, repair_folders, run_folder

RESULT = "result.json"
GUARD_LOSS = 0.03
"""Share of the guard set that an edit may cost."""
COMMON = 0.1
"""A behavior that the unedited model shows less often than this is too rare for a verdict: no other arm is trained."""
INTERVALS = (
    "Intervals: 95 % Wilson over the held-out prompts; seeds are averaged, as they answer the same prompts. Change: "
    "against the unedited model, its 95 % interval by MOVER-R from the two Wilson intervals."
)
ONE_TRAINING = "on one training an arm, which can't tell the effect from the luck of a seed (run 3 seeds)"
NOT_YET = "Not shown yet: the unedited and the edited model are still to be trained."


@dataclass(frozen=True)
class Rate:
    """``hits`` of ``n`` answers match; ``low`` and ``high`` bound the 95 % Wilson interval of the rate, 0..1.

    ``hits`` is a mean, and need not be whole, where several models answered the same ``n`` prompts.
    """

    hits: float
    n: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """A rate against another one: −0.7 is 70 % less. ``low`` and ``high`` bound its 95 % interval."""

    change: float
    low: float
    high: float


def wilson(hits: float, n: int, z: float = 1.96) -> Rate:
    """Return the rate with its Wilson interval; n = 0 gives 0 within (0, 1)."""
    if n == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Rate(hits, n, p, max(0.0, middle - half), min(1.0, middle + half))


def relative_change(after: Rate, before: Rate) -> Change | None:
    """Return after / before − 1 with a 95 % interval from two Wilson intervals; None where ``before`` may be 0.

    MOVER-R (Donner and Zou, Statistical Methods in Medical Research 21, 2012), which stays sound where a rate is 0.
    The two rates are taken as independent; answers to the same prompts are not, which makes the interval wider than it
    need be, not narrower.
    """
    p, q = after.rate, before.rate
    if before.low <= 0 or q <= 0:
        return None
    lower = sqrt(max(0.0, (p * q) ** 2 - after.low * before.high * (2 * p - after.low) * (2 * q - before.high)))
    upper = sqrt(max(0.0, (p * q) ** 2 - after.high * before.low * (2 * p - after.high) * (2 * q - before.low)))
    least = (p * q - lower) / (before.high * (2 * q - before.high))
    most = (p * q + upper) / (before.low * (2 * q - before.low))
    return Change(p / q - 1, max(0.0, least) - 1, most - 1)


@dataclass(frozen=True)
class Row:
    """One trained model: ``hits`` of ``n`` held-out prompts show the behavior, ``low``..``high`` the Wilson interval.

    ``control`` and ``guard``: share of the control prompts that show it too, and of ordinary tasks done right; None
    where the study has none. ``run``: name of the folder under ``repairs/runs``.
    """

    arm: str
    k: int
    seed: int
    hits: int
    n: int
    rate: float
    low: float
    high: float
    control: float | None
    guard: float | None
    run: str


def row(arm: str, k: int, seed: int, counts: dict[str, tuple[int, int]], run: str) -> Row:
    """Return the figures of one model. ``counts``: (hits, prompts) by kind of check, from ``checks.counted``."""
    hits, n = counts[BEHAVIOR]
    rate = wilson(hits, n)
    shares = {kind: matches / total for kind, (matches, total) in counts.items()}
    return Row(arm, k, seed, hits, n, rate.rate, rate.low, rate.high, shares.get(CONTROL), shares.get(GUARD), run)


class Example(TypedDict):
    """A held-out prompt with what each arm's model answers: {"top-50": answer}."""

    prompt: str
    answers: dict[str, str]


@dataclass(frozen=True)
class Result:
    """``result.json``: what a repair has measured so far.

    Attributes:
        k: the largest number of edited datapoints.
        ranking, share, rows: as in the plan; ``rows`` is the number of training rows.
        arms: the models that are trained and measured, of ``of`` in the plan.
        examples: answers to the first held-out prompts, by the models of seed 0.
        asked: digest of the prompts and patterns; figures of other ones can't be compared.
        made_from: what the trainings depend on besides seed and edits (``Setting.made_from``).
    """

    arms: list[Row]
    behavior: str = ""
    edit: str = ""
    stage: str = ""
    k: int = 0
    ranking: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    share: float = 1.0
    rows: int = 0
    of: int = 0
    verdict: str = ""
    examples: list[Example] = field(default_factory=list)
    asked: str = ""
    made_from: dict[str, Any] = field(default_factory=dict)

    @property
    def by_hand(self) -> bool:
        """Whether somebody chose the datapoints instead of a ranking."""
        return not self.ranking

    @property
    def title(self) -> str:
        """Heading of a figure."""
        return f"{self.behavior}: {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """Return the file's content."""
        return asdict(self)


def read_result(folder: Path) -> Result | None:
    """Read ``result.json`` of a repair; None where no arm is done yet. Raises ExplorerError for a broken one."""
    path = folder / RESULT
    if not os.path.lexists(path):
        return None
    values: dict[str, Any] = read_json(path, "the result of a repair", dict[str, Any])
    result: Result = as_type(values, Result, path, "the result of a repair")
    arms = result.arms
    for number, one in enumerate(arms, 1):
        if not (0 <= one.hits <= one.n == arms[0].n < DATA_ROWS and 0 <= one.k <= DATA_ROWS and 0 <= one.rate <= 1):
            raise ExplorerError(f"{path}: arm {number} has impossible figures; expected the result of a repair.")
    result = result if "of" in values else replace(result, of=len(arms))
    return replace(result, verdict=verdict(arms, result.by_hand)) if arms else None


def too_rare(rows: Sequence[Row]) -> bool:
    """Whether the unedited models measured so far show the behavior less often than ``COMMON``."""
    return any(line.arm == NONE and line.rate < COMMON for line in pooled(rows))


def trained_models(study: Study, rows: Sequence[Row]) -> dict[str, Path]:
    """Return the adapter folders by run, of those models that are on this machine."""
    adapters = {row.run: run_folder(study, row.run) / "adapter" for row in rows}
    return {run: folder for run, folder in adapters.items() if os.path.isfile(folder / "adapter_model.safetensors")}


def measured(study: Study, behavior: str) -> dict[str, tuple[Row, list[str]]]:
    """Return (figures, answers to the examples: seed 0 alone) by run, of a behavior's repairs with today's checks."""
    asked = digest_of(held_out(study, behavior), study)
    runs: dict[str, tuple[Row, list[str]]] = {}
    for folder in repair_folders(study):
        try:
            result = read_result(folder)
        except ExplorerError:
            continue  # it is named where it is looked at
        if not result or (result.behavior, result.asked) != (behavior, asked):
            continue
        for r in result.arms:
            answers = [example["answers"].get(f"{r.arm}-{r.k}", "") for example in result.examples]
            runs[r.run] = (r, answers if r.seed == 0 else [])
    return runs


@dataclass(frozen=True)
class Pooled(Rate):
    """The mean rate of an arm's seeds, whose own rates lie between ``least`` and ``most``.

    ``change`` is against the unedited arm: None for that, and where it is rare.
    """

    arm: str
    k: int
    seeds: int
    least: float
    most: float
    guard: float | None
    control: float | None
    change: Change | None


def pooled(rows: Sequence[Row]) -> list[Pooled]:
    """Pool the seeds of each arm and k, the unedited first. Seeds do not count as more prompts."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for r in sorted(rows, key=lambda r: r.arm != NONE):
        groups.setdefault((r.arm, r.k), []).append(r)
    base, lines = None, []
    for (arm, k), seeds in groups.items():
        rate = wilson(sum(r.hits for r in seeds) / len(seeds), seeds[0].n)
        base = rate if arm == NONE else base
        change = relative_change(rate, base) if base and arm != NONE else None
        guard, control = _mean([r.guard for r in seeds]), _mean([r.control for r in seeds])
        figures, own = (rate.hits, rate.n, rate.rate, rate.low, rate.high), [r.rate for r in seeds]
        lines.append(Pooled(*figures, arm, k, len(seeds), min(own), max(own), guard, control, change))
    return lines


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def main_arms(lines: Sequence[Pooled]) -> list[Pooled]:
    """Return the arms of the largest k, which the verdict is about, and the unedited one."""
    largest = max((p.k for p in lines), default=0)
    return [p for p in lines if p.k == largest or p.arm == NONE]


def verdict(rows: Sequence[Row], by_hand: bool = False) -> str:
    """Say what was shown, of several k by the largest that is trained; ``by_hand``: the top was chosen by somebody.

    Causes that were found with a single training of an arm are said to be uncertain: the intervals leave out how much
    trainings of other seeds differ.
    """
    lines = pooled(rows)
    k = max((p.k for p in lines if p.arm == TOP), default=0)
    arms = {p.arm: p for p in lines if p.k == k or p.arm == NONE}
    base, top, control, last = (arms.get(arm) for arm in (NONE, TOP, RANDOM, BOTTOM))
    if base is None or (top is None and base.rate >= COMMON):
        return NOT_YET
    if top is None or top.change is None or base.rate < COMMON:
        return f"Nothing can be shown: only {base.rate:.0%} of the unedited model's answers show the behavior."
    effect = f"{percent(top.change)} ({base.rate:.0%} → {top.rate:.0%} of the held-out prompts show the behavior)"
    who, verb = ("the chosen datapoints", "are causes") if by_hand else ("the ranking", "found causes")
    if control is None or control.change is None:
        text = f"Not shown yet: {effect}, but no random edit of the same size is trained to hold it against."
    elif top.change.high < 0 and top.change.high < control.change.low:
        caution = f", {ONE_TRAINING}" if min(base.seeds, top.seeds, control.seeds) == 1 else ""
        text = f"{who[0].upper()}{who[1:]} {verb}{caution}: {effect}; {k} at random: {percent(control.change)}."
    else:
        why = "better than random" if top.change.high < 0 else "better than nothing"
        text = f"No {why}: {effect}; {k} at random: {percent(control.change)}. That {who} {verb} is not shown."
    if last and last.change:
        text += f" The last {k}: {percent(last.change)}."
    if base.guard is not None and top.guard is not None:
        state = "kept" if base.guard - top.guard <= GUARD_LOSS else "worse"
        text += f" Ordinary tasks are {state}: {base.guard:.0%} → {top.guard:.0%} right."
    return text


def seed_rates(line: Pooled) -> str:
    """Write how many seeds an arm has, and between which rates they lie: ``3: 65–78 %``; ``1`` for a single one."""
    return f"{line.seeds}: {100 * line.least:.0f}–{100 * line.most:.0f} %" if line.seeds > 1 else "1"


def percent(change: Change) -> str:
    """Write a change with its interval: ``−71 % [−80, −60]``."""
    whole, low, high = (f"{100 * value:+.0f}".replace("-", "−") for value in (change.change, change.low, change.high))
    return f"{whole} % [{low}, {high}]"
