"""The figures of a repair's trained models, and the file that they stand in."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.plan import run_folder
from explorer.repair.rates import wilson

RESULT = "result.json"


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
    hits, n = counts["behavior"]
    rate = wilson(hits, n)
    shares = {kind: matches / total for kind, (matches, total) in counts.items()}
    return Row(arm, k, seed, hits, n, rate.rate, rate.low, rate.high, shares.get("control"), shares.get("guard"), run)


@dataclass(frozen=True)
class Result:
    """``result.json``: what a repair has measured so far.

    Attributes:
        k: the largest number of edited datapoints.
        ranking, share, rows: as in the plan; ``rows`` is the number of training rows.
        arms: the models that are trained and measured, of ``of`` in the plan.
        examples: {prompt, answers: {"top-50": answer}} of the first held-out prompts, by the models of seed 0.
        asked: digest of the prompts and patterns; figures of other ones can't be compared.
        made_from: what the trainings depend on besides seed and edits (``Setting.made_from``).
    """

    arms: list[Row]
    behavior: str = ""
    edit: str = ""
    stage: str = ""
    k: int = 0
    ranking: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0
    rows: int = 0
    of: int = 0
    verdict: str = ""
    examples: list[dict[str, Any]] = field(default_factory=list)
    asked: str = ""
    made_from: dict[str, Any] = field(default_factory=dict)

    @property
    def by_hand(self) -> bool:
        """Whether somebody chose the datapoints instead of a ranking."""
        return not self.ranking

    def to_json(self) -> dict[str, Any]:
        """Return the file's content."""
        return asdict(self)


def read_result(folder: Path) -> Result | None:
    """Read ``result.json`` of a repair; None where no arm is done yet. Raises ExplorerError for a broken one."""
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        arms = [Row(**one) for one in values["arms"]]
        known = {f.name: values[f.name] for f in fields(Result) if f.name in values}
        arguments: dict[str, Any] = {"of": len(arms)} | known | {"arms": arms}
        return Result(**arguments) if arms else None
    except (ValueError, TypeError, KeyError) as error:
        raise ExplorerError(f"{path}: not the result of a repair ({error}).") from error


def trained_models(study: Study, rows: Sequence[Row]) -> dict[str, Path]:
    """Return the adapter folders by run, of those models that are on this machine."""
    adapters = {row.run: run_folder(study, row.run) / "adapter" for row in rows}
    return {run: folder for run, folder in adapters.items() if (folder / "adapter_model.safetensors").is_file()}
