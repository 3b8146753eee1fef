"""A repair's plan: which datapoints each arm edits, and the file it stands in. Light to import.

Arms: ``none`` (unedited), ``top`` (the k best of the ranking, or the chosen datapoints), ``random`` (k of the whole
stage, drawn anew for every seed) and ``bottom`` (the k last of the ranking). The seed also sets the order of training:
arms of the same seed see the same steps in the same order and differ in the edited rows alone.
"""

import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import ExplorerError
from explorer.files import write_json, writing
from explorer.limits import DATA_ROWS
from explorer.reading import read_json

if TYPE_CHECKING:
    from explorer.data.study import Study

REPAIRS, RUNS, PLAN = "repairs", "runs", "plan.json"
NONE, TOP, RANDOM, BOTTOM = "none", "top", "random", "bottom"
ARMS = (NONE, TOP, RANDOM, BOTTOM)
DROP, SWAP, REPLACE = "drop", "swap", "replace"
EDITS = {
    DROP: "Leave them out.",
    SWAP: "Exchange the chosen and the rejected answer (pairs), or take a wanted answer for an unwanted one (KTO).",
    REPLACE: "Replace the answer by a corrected one (single answers): the column 'corrected' where the data have it, "
    "else what the model says that the stage started from.",
}


@dataclass(frozen=True)
class Preset:
    """How much is trained: a random share of the stage's rows, 0..1, and the seeds of each arm (``bottom`` has one)."""

    share: float = 1.0
    seeds: int = 3
    arms: tuple[str, ...] = ARMS

    @property
    def short(self) -> str:
        """Rows and seeds in words: ``30 % of the rows, 1 seed``."""
        rows = "all rows" if self.share == 1 else f"{100 * self.share:.0f} % of the rows"
        return f"{rows}, {self.seeds} seed{'s' if self.seeds > 1 else ''}"

    def summary(self) -> str:
        """Say what is trained: ``30 % of the rows, 1 seed, arms none, top, random``."""
        return f"{self.short}, arms {', '.join(self.arms)}"


PRESETS = {"small": Preset(0.3, 1, (NONE, TOP, RANDOM)), "full": Preset()}


@dataclass(frozen=True)
class Arm:
    """One training: ``k`` datapoints, those of ``ids``, are edited; ``seed`` sets the order and the random draw."""

    arm: str
    k: int
    seed: int
    ids: tuple[str, ...] = ()


def arm_label(arm: str, k: int, by_hand: bool = False, seed: int | None = None) -> str:
    """Return an arm as people read it: ``Top 50``, and where a seed is given ``Top 50, seed 0``."""
    top = f"{'Chosen' if by_hand else 'Top'} {k}"
    labels = {NONE: "Unedited", TOP: top, RANDOM: f"{k} at random", BOTTOM: f"Last {k}"}
    return labels.get(arm, f"{arm} {k}") + ("" if seed is None else f", seed {seed}")


@dataclass(frozen=True)
class Plan:
    """A repair: ``rows`` of the stage take part, a random ``share`` of all, the same for all arms.

    ``ranking`` says how the top was found (method, layer, centre, query, checkpoint); it is empty for datapoints chosen
    by hand. ``arms`` are in the order of training: all arms of one seed, then the next.
    """

    behavior: str
    edit: str
    stage: str
    ranking: dict[str, str | int | float | bool | None]
    share: float
    rows: int
    arms: tuple[Arm, ...] = ()

    def __repr__(self) -> str:
        return f"Plan({self.title()}, {len(self.arms)} trainings)"

    @property
    def name(self) -> str:
        """Name of the repair's folder; plans that differ have different names."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        behavior = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.behavior)[:60]
        return f"{behavior}-{self.edit}-{'-'.join(map(str, self.ks))}-{digest[:6]}"

    @property
    def ks(self) -> list[int]:
        """Sizes of the edits, ascending."""
        return sorted({arm.k for arm in self.arms if arm.k})

    @property
    def top(self) -> Arm:
        """The largest ``top`` arm; one without datapoints where the plan has none."""
        return max((arm for arm in self.arms if arm.arm == TOP), key=lambda arm: arm.k, default=Arm(TOP, 0, 0))

    @property
    def by_hand(self) -> bool:
        """Whether somebody chose the datapoints instead of a ranking."""
        return not self.ranking

    def title(self) -> str:
        """Name the repair in a few words: behavior, edit, sizes, share of the data."""
        ks = ", ".join(map(str, self.ks))
        edited = f"{ks} chosen by hand" if self.by_hand else f"top {ks} by {self.ranking.get('method', 'a ranking')}"
        share = f" · {self.share:.0%} of the data" if self.share < 1 else ""
        return f"{self.behavior} · {self.edit} {edited}{share}"

    def summary(self) -> str:
        """List the trainings in a sentence."""
        counts = Counter(f"{arm.arm} {arm.k}" if arm.k else arm.arm for arm in self.arms)
        arms = ", ".join(f"{name} × {count}" for name, count in counts.items())
        return f"{len(self.arms)} trainings of stage '{self.stage}' on {self.rows:,} rows ({self.edit}): {arms}."

    def source(self) -> str:
        """Say how the datapoints were found."""
        if self.by_hand:
            return "chosen by hand"
        words = f"ranked by {self.ranking.get('method', '')}"
        if layer := self.ranking.get("layer"):
            words += f", layer {layer}, {'centred' if self.ranking.get('centre') else 'not centred'}"
        checkpoint = self.ranking.get("checkpoint")
        return f"{words}, vectors in {checkpoint}" if checkpoint else words


def save_plan(study: "Study", plan: Plan) -> Path:
    """Write ``repairs/<name>/plan.json`` and return the folder, the same for the same plan. Raises ExplorerError."""
    folder = study.folder / REPAIRS / plan.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, asdict(plan))
    return folder


def read_plan(folder: Path) -> Plan:
    """Read what ``save_plan`` wrote. Raises ExplorerError for a folder without a whole plan."""
    path = folder / PLAN
    plan: Plan = read_json(path, "a plan of a repair", Plan)
    if plan.edit not in EDITS or not 0 < plan.share <= 1:
        expected = f"{', '.join(EDITS)}, and a share above 0, at most 1"
        raise ExplorerError(f"{path}: field 'edit' is '{plan.edit[:40]}', 'share' {plan.share}; expected {expected}.")
    for arm in plan.arms:
        if not (0 <= arm.k <= DATA_ROWS and 0 <= arm.seed < 2**32):
            raise ExplorerError(f"{path}: an arm has k {arm.k} and seed {arm.seed}; expected a plan of a repair.")
    return plan


def repair_folders(study: "Study") -> list[Path]:
    """Return the folders of the study's repairs, the latest first."""
    plans = (study.folder / REPAIRS).glob(f"*/{PLAN}")
    return [path.parent for path in sorted(plans, key=_changed, reverse=True)]


def _changed(path: Path) -> float:
    """When a file was last written; 0 for one that can't be looked at."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def repair_folder(study: "Study", name: str) -> Path:
    """Return the folder of a repair by its name. Raises ExplorerError for what is none, a path for instance."""
    folder = study.folder / REPAIRS / Path(name).name
    if Path(name).name != name or not name.strip(".") or not os.path.isfile(folder / PLAN):
        names = ", ".join(folder.name for folder in repair_folders(study)) or "none: it has none"
        raise ExplorerError(f"{study.folder}: no repair '{name[:80]}'; expected {names}.")
    return folder


def run_folder(study: "Study", run: str) -> Path:
    """Return the folder of a training. The name of a run may come from elsewhere and can't lead out of the study."""
    name = Path(run.replace("\0", "")).name[:100]
    return study.folder / REPAIRS / RUNS / (name if name.strip(".") else "-")
