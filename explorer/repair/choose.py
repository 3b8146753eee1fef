"""Planning a repair: the stage to train again, and the datapoints that each arm edits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import Ranking, rank
from explorer.repair.checks import held_out
from explorer.repair.plan import ARMS, BOTTOM, EDITS, NONE, PRESETS, RANDOM, TOP, Arm, Plan, Preset
from explorer.repair.stages import TRAINING, read_stages, rows_of


class NotRepeatable(ExplorerError):
    """The study does not tell how it was trained; its edited data can be exported, not trained on."""


def plan_repair(
    study: Study,
    behavior: str,
    edit: str,
    ks: Sequence[int] = (),
    *,
    preset: str | Preset = "full",
    train: str | None = None,
    chosen: Sequence[str] = (),
    ranking: Ranking | None = None,
    **ranked_by: Any,
) -> Plan:
    """Choose the datapoints of every arm. Writes nothing.

    Args:
        ks: numbers of datapoints to edit from the top of the ranking; several make a dose curve.
        preset: a name in ``PRESETS``, or a preset of your own.
        train: the stage to edit and train again; default: the one that most of the top belongs to.
        chosen: ids of datapoints to edit instead of a ranking's top. All of them take part, whatever the preset's
            share; ``ks`` is then ignored, and there is no ``bottom`` arm.
        ranking: a ranking for the behavior that was made before.
        ranked_by: arguments of ``rank`` where no ranking is given: ``method``, ``layer``, ``stage``, ``progress``, …

    Raises NotRepeatable; ExplorerError for a behavior without held-out prompts, an edit that the stage's rows do not
    allow, an empty choice, or a k larger than the stage.
    """
    held_out(study, behavior)
    data, size = _Datapoints(study), _checked(preset)
    if edit not in EDITS:
        raise ExplorerError(f"Edit '{edit}' is unknown; expected {', '.join(EDITS)}.")
    if chosen:
        pool = data.by_hand(chosen, train, size)
    else:
        if ks and ranking is None:
            ranking = rank(study, AboutBehavior(behavior), **ranked_by)
        pool = data.by_rank(ranking, ks, train, size)
    if edit not in (allowed := data.stages[pool.stage].edits):
        raise ExplorerError(f"'{edit}' does not apply to stage '{pool.stage}'; expected {' or '.join(allowed)}.")
    return Plan(behavior, edit, pool.stage, pool.ranking, size.share, len(pool.rows), tuple(pool.arms(data.ids)))


def _checked(preset: str | Preset) -> Preset:
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ExplorerError(f"Preset '{preset}' is unknown; expected {' or '.join(PRESETS)}.")
        return PRESETS[preset]
    if unknown := set(preset.arms) - set(ARMS):
        raise ExplorerError(f"Arm '{unknown.pop()}' is unknown; expected some of {', '.join(ARMS)}.")
    if not 0 < preset.share <= 1 or preset.seeds < 1:
        raise ExplorerError(
            f"share is {preset.share}, seeds {preset.seeds}; expected above 0 and at most 1, and a seed or more."
        )
    return preset


@dataclass(frozen=True)
class _Pool:
    """Datapoints of one stage by row number: ``rows`` take part, those of ``order`` may be edited, best first."""

    stage: str
    rows: np.ndarray
    order: np.ndarray
    ks: Sequence[int]
    size: Preset
    ranking: dict[str, Any] = field(default_factory=dict)

    def arms(self, ids: np.ndarray) -> list[Arm]:
        """Return the trainings with the ids of the datapoints that they edit."""
        return [
            Arm(arm, k, seed, tuple(sorted(ids[self._edited(arm, k, seed)])))
            for seed in range(self.size.seeds)
            for arm in self.size.arms
            for k in ((0,) if arm == NONE else sorted(set(self.ks)))
            if not (arm == BOTTOM and seed)
        ]

    def _edited(self, arm: str, k: int, seed: int) -> np.ndarray:
        n = len(self.order)
        if k > n or (arm != NONE and not k):
            raise ExplorerError(f"k is {k}; expected 1 to {n}, the rows of stage '{self.stage}' that are ranked.")
        if arm == RANDOM:
            return np.random.default_rng([seed, k]).choice(self.rows, k, replace=False)
        return {NONE: self.order[:0], TOP: self.order[:k], BOTTOM: self.order[n - k :]}[arm]


class _Datapoints:
    """A study's datapoints by stage: ``ids`` (n,) in the study's order, ``rows`` the row numbers of each stage."""

    def __init__(self, study: Study) -> None:
        self.study, self.stages = study, read_stages(study)
        if not self.stages:
            raise NotRepeatable(
                f"{study.folder}: no {TRAINING}, so how the model was trained is not known here and can't be repeated; "
                "the edited data can be exported for your own trainer."
            )
        table = study.datapoints()
        self.ids = np.array(table["id"].to_pylist(), dtype=object)
        self.rows = {name: rows_of(table, stage, self.stages) for name, stage in self.stages.items()}

    def by_hand(self, chosen: Sequence[str], train: str | None, size: Preset) -> _Pool:
        """Edit the datapoints with these ids, which have to be of one stage."""
        marked = np.isin(self.ids, list(chosen))
        counts = {name: int(marked[rows].sum()) for name, rows in self.rows.items()}
        homes = [name for name, count in counts.items() if count]
        if len(homes) != 1:
            listed = ", ".join(f"{counts[name]} of '{name}'" for name in homes) or "none of this study's training"
            raise ExplorerError(f"The chosen datapoints are {listed}; expected datapoints of one stage.")
        stage = self._known(train or homes[0])
        order = self.rows[stage][marked[self.rows[stage]]]
        rows = np.union1d(sampled(self.rows[stage], size.share), order)
        size = replace(size, arms=tuple(arm for arm in size.arms if arm != BOTTOM))
        return _Pool(stage, rows, order, [len(order)], size)

    def by_rank(self, ranking: Ranking | None, ks: Sequence[int], train: str | None, size: Preset) -> _Pool:
        """Edit the k best of a ranking."""
        if ranking is None or not ks or min(ks) < 1:
            raise ExplorerError(f"Nothing to edit: k is {', '.join(map(str, ks)) or 'missing'}; expected 1 or more.")
        if max(ks) > (ranked := int((~np.isnan(ranking.scores)).sum())):
            raise ExplorerError(f"k is {max(ks)}; expected 1 to {ranked:,}, the datapoints that are ranked.")
        top = ranking.top(max(ks))
        stage = self._known(train or max(self.rows, key=lambda name: int(np.isin(top, self.rows[name]).sum())))
        rows = sampled(self.rows[stage], size.share)
        order = rows[np.argsort(-ranking.scores[rows], kind="stable")]
        settings = asdict(ranking.choice) | ({"checkpoint": ranking.stage} if ranking.stage else {})
        return _Pool(stage, rows, order[~np.isnan(ranking.scores[order])], ks, size, settings)

    def _known(self, stage: str) -> str:
        if stage not in self.stages:
            expected = ", ".join(self.stages)
            raise ExplorerError(f"{self.study.folder}: no stage '{stage}' in {TRAINING}; expected {expected}.")
        return stage


def sampled(rows: np.ndarray, share: float) -> np.ndarray:
    """Return a random share of a stage's row numbers, in their order and the same every time."""
    drawn = np.random.default_rng(0).permutation(len(rows))[: max(1, round(share * len(rows)))]
    return rows[np.sort(drawn)]
