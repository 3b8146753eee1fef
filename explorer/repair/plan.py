"""What a repair will do: which datapoints each arm edits. Decided once, before anything is trained.

Arms: ``none`` (unedited), ``top`` (the k best of the ranking, or the chosen ones), ``random`` (as many at random from
the whole stage, drawn anew for every seed) and ``bottom`` (the k last of the ranking). The seed also sets the order of
training; arms of the same seed see the same steps in the same order, and differ in the edited rows alone.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.ranking.rank import Ranking
from explorer.repair.checks import held_out
from explorer.repair.recipe import DROP, SWAP
from explorer.repair.stages import DPO, SFT, TRAINING, Stage, read_stages, rows_of

REPAIRS, PLAN = "repairs", "plan.json"
REPLACE = "replace"
EDITS = {
    DROP: "Leave them out.",
    SWAP: "Exchange the chosen and the rejected answer (pairs).",
    REPLACE: "Replace the answer by a corrected one (single answers): the column 'corrected' where the data have it, "
    "else what the model says that the stage started from.",
}
NONE, TOP, RANDOM, BOTTOM = "none", "top", "random", "bottom"
ARMS = (NONE, TOP, RANDOM, BOTTOM)
SMALL = 0.3
"""Share of the stage's rows that the small preset trains on."""


class NotRepeatable(ExplorerError):
    """The study does not tell how it was trained; its edited data can be exported, not trained on."""


@dataclass(frozen=True)
class Arm:
    """One training: the datapoints ``ids`` are edited, ``k`` of them; ``seed`` sets the order and the random draw."""

    arm: str
    k: int
    seed: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A repair.

    Attributes:
        ranking: how the top was found (method, layer, centre, query, checkpoint); empty for datapoints chosen by hand.
        share: of the stage's rows that take part, drawn at random, the same for all arms; 1 is all of them.
        rows: how many these are.
        arms: in the order of training: all arms of one seed, then the next.
    """

    behavior: str
    edit: str
    stage: str
    ranking: dict[str, Any]
    share: float
    rows: int
    arms: tuple[Arm, ...] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        """What the folder of this repair is called: other plans have other names."""
        ks = "-".join(str(k) for k in sorted({a.k for a in self.arms if a.k}))
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{_safe(self.behavior)}-{self.edit}-{ks}-{digest[:6]}"


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text)[:60]


def make_plan(
    study: Study,
    behavior: str,
    edit: str,
    ks: Sequence[int],
    ranking: Ranking | None = None,
    chosen: Sequence[str] = (),
    stage: str | None = None,
    seeds: int = 3,
    share: float = 1.0,
    arms: Sequence[str] = ARMS,
    checkpoint: str = "",
) -> Plan:
    """Choose the datapoints of every arm; nothing is written.

    Args:
        ks: how many of the top of ``ranking`` are edited; several make a dose curve.
        chosen: ids of datapoints to edit instead of a ranking's top; ``ks`` is then their number, without ``bottom``.
        stage: whose rows are edited and which is trained again; default: where most of the top is.
        seeds: trainings of each arm but ``bottom``, which has one.
        share: train on a random share of the stage's rows, above 0 and at most 1: less true, and sooner done. Chosen
            datapoints take part in any case.
        checkpoint: the model whose vectors the ranking compared, for the record.

    Raises NotRepeatable; ExplorerError for a behavior without held-out prompts, an edit that the stage's rows do not
    have, an empty choice, or a k larger than the stage.
    """
    held_out(study, behavior)
    stages, table = _stages(study), study.datapoints()
    if edit not in EDITS:
        raise ExplorerError(f"Edit '{edit}' is unknown; expected {', '.join(EDITS)}.")
    if not 0 < share <= 1 or seeds < 1:
        raise ExplorerError(f"share is {share}, seeds {seeds}; expected above 0 and at most 1, and a seed or more.")
    own = {name: rows_of(table, one, stages) for name, one in stages.items()}
    ids = np.array(table["id"].to_pylist(), dtype=object)
    usual = _home(np.isin(ids, list(chosen)), own) if chosen else _home_of_top(ranking, ks, own)
    stage = stage or usual
    if stage not in stages:
        raise ExplorerError(f"{study.folder}: no stage '{stage}' in {TRAINING}; expected {', '.join(stages)}.")
    if edit == {SFT: SWAP, DPO: REPLACE}[stages[stage].kind]:
        other = REPLACE if edit == SWAP else SWAP
        raise ExplorerError(f"'{edit}' does not apply to stage '{stage}'; expected drop or {other}.")
    rows, how = sampled(own[stage], share), {}
    if chosen:
        order = own[stage][np.isin(ids[own[stage]], list(chosen))]
        rows = np.union1d(rows, order)
        ks, arms = [len(order)], [arm for arm in arms if arm != BOTTOM]
    else:
        assert ranking is not None  # _home_of_top sees to it
        order = rows[np.argsort(-ranking.scores[rows], kind="stable")]
        order = order[~np.isnan(ranking.scores[order])]
        how = asdict(ranking.choice) | ({"checkpoint": checkpoint} if checkpoint else {})
    made = [
        Arm(arm, k, seed, tuple(sorted(ids[_edited(arm, k, seed, order, rows, stage)])))
        for seed in range(seeds)
        for arm in arms
        for k in ((0,) if arm == NONE else sorted(set(ks)))
        if not (arm == BOTTOM and seed)
    ]
    return Plan(behavior, edit, stage, how, share, len(rows), tuple(made))


def _home_of_top(ranking: Ranking | None, ks: Sequence[int], own: dict[str, np.ndarray]) -> str:
    """The stage that most of a ranking's top is of; raises ExplorerError where there is no such top."""
    if ranking is None or not ks or min(ks) < 1:
        raise ExplorerError(f"Nothing to edit: k is {', '.join(map(str, ks)) or 'missing'}; expected 1 or more.")
    if max(ks) > (ranked := int((~np.isnan(ranking.scores)).sum())):
        raise ExplorerError(f"k is {max(ks)}; expected 1 to {ranked:,}, the datapoints that are ranked.")
    top = ranking.top(max(ks))
    return max(own, key=lambda name: int(np.isin(top, own[name]).sum()))


def _stages(study: Study) -> dict[str, Stage]:
    stages = read_stages(study)
    if not stages:
        raise NotRepeatable(
            f"{study.folder}: no {TRAINING}, so how the model was trained is not known here and can't be repeated; the "
            "edited data can be exported for your own trainer."
        )
    return stages


def _home(chosen: np.ndarray, own: dict[str, np.ndarray]) -> str:
    """The stage of rows (n,) chosen by hand; raises ExplorerError where they are of several, or of none."""
    counts = {name: int(chosen[rows].sum()) for name, rows in own.items()}
    there = [name for name, count in counts.items() if count]
    if len(there) != 1:
        said = ", ".join(f"{counts[name]} of '{name}'" for name in there) or "none of this study's training"
        raise ExplorerError(f"The chosen datapoints are {said}; expected datapoints of one stage.")
    return there[0]


def sampled(rows: np.ndarray, share: float) -> np.ndarray:
    """A share of a stage's rows, drawn at random, always the same ones, in their order."""
    drawn = np.random.default_rng(0).permutation(len(rows))[: max(1, round(share * len(rows)))]
    return rows[np.sort(drawn)]


def _edited(arm: str, k: int, seed: int, order: np.ndarray, rows: np.ndarray, stage: str) -> np.ndarray:
    """Row numbers that an arm edits."""
    if k > len(order) or (arm != NONE and not k):
        raise ExplorerError(f"k is {k}; expected 1 to {len(order)}, the rows of stage '{stage}' that are ranked.")
    if arm == RANDOM:
        return np.random.default_rng([seed, k]).choice(rows, k, replace=False)
    return {NONE: order[:0], TOP: order[:k], BOTTOM: order[len(order) - k :]}[arm]


def save_plan(study: Study, plan: Plan) -> Path:
    """Write ``repairs/<name>/plan.json``; returns the folder. The same plan again is the same folder.

    Raises ExplorerError where the folder can't be written.
    """
    folder = study.folder / REPAIRS / plan.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PLAN, asdict(plan))
    except OSError as error:
        raise ExplorerError(f"{folder}: the repair can't be written there ({error.strerror}).") from error
    return folder


def read_plan(folder: Path) -> Plan:
    """What ``save_plan`` wrote; raises ExplorerError for a folder without a whole plan."""
    path = folder / PLAN
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        arms = tuple(Arm(str(a["arm"]), int(a["k"]), int(a["seed"]), tuple(a["ids"])) for a in found["arms"])
        return Plan(**found | {"arms": arms})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ExplorerError(f"{path}: not a plan of a repair ({error}).") from error
