"""Planning a repair: the stage to train again, and the datapoints that each arm edits."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import Ranking, rank
from explorer.repair.checks import held_out
from explorer.repair.plan import ARMS, BOTTOM, EDITS, NONE, PRESETS, RANDOM, Arm, Plan, Preset
from explorer.repair.stages import TRAINING, read_stages, rows_of

_Pool = tuple[str, np.ndarray, np.ndarray]
"""A stage, its rows that take part, and those that may be edited."""


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
    planner = _Planner(study, preset)
    if edit not in EDITS:
        raise ExplorerError(f"Edit '{edit}' is unknown; expected {', '.join(EDITS)}.")
    if not chosen and ks and ranking is None:
        ranking = rank(study, AboutBehavior(behavior), **ranked_by)
    stage, rows, order = planner.by_hand(chosen, train) if chosen else planner.by_rank(ranking, ks, train)
    if edit not in (allowed := planner.stages[stage].edits):
        raise ExplorerError(f"'{edit}' does not apply to stage '{stage}'; expected {' or '.join(allowed)}.")
    source: dict[str, Any] = {}
    if ranking and not chosen:
        source = asdict(ranking.choice) | ({"checkpoint": ranking.stage} if ranking.stage else {})
    arms = planner.arms(stage, rows, order, ks=[] if chosen else ks)
    return Plan(behavior, edit, stage, source, planner.size.share, len(rows), arms)


class _Planner:
    """A study's datapoints by stage: ``ids`` (n,) in the study's order, ``homes`` the row numbers of each stage."""

    def __init__(self, study: Study, preset: str | Preset) -> None:
        self.study, self.stages = study, read_stages(study)
        if not self.stages:
            raise NotRepeatable(
                f"{study.folder}: no {TRAINING}, so how the model was trained is not known here and can't be repeated; "
                "the edited data can be exported for your own trainer ('repair --export FILE.zip', or on the page)."
            )
        self.size = _checked(preset)
        table = study.datapoints()
        self.ids = np.array(table["id"].to_pylist(), dtype=object)
        self.homes = {name: rows_of(table, stage, self.stages) for name, stage in self.stages.items()}

    def by_hand(self, chosen: Sequence[str], train: str | None) -> _Pool:
        """Return a pool of the chosen datapoints, all of one stage."""
        marked = np.flatnonzero(np.isin(self.ids, list(chosen)))
        counts = {name: n for name, rows in self.homes.items() if (n := int(np.isin(marked, rows).sum()))}
        if len(counts) != 1:
            listed = ", ".join(f"{n} of '{name}'" for name, n in counts.items()) or "none of this study's training"
            raise ExplorerError(f"The chosen datapoints are {listed}; expected datapoints of one stage.")
        stage, rows = self._sampled(train or next(iter(counts)))
        edited = np.intersect1d(marked, self.homes[stage])
        return stage, np.union1d(rows, edited), edited

    def by_rank(self, ranking: Ranking | None, ks: Sequence[int], train: str | None) -> _Pool:
        """Return a pool of the ranked datapoints of a stage, best first."""
        if ranking is None or not ks or min(ks) < 1:
            raise ExplorerError(f"Nothing to edit: k is {', '.join(map(str, ks)) or 'missing'}; expected 1 or more.")
        if max(ks) > (ranked := int((~np.isnan(ranking.scores)).sum())):
            raise ExplorerError(f"k is {max(ks)}; expected 1 to {ranked:,}, the datapoints that are ranked.")
        top = ranking.top(max(ks))
        stage, rows = self._sampled(train or max(self.homes, key=lambda name: np.isin(top, self.homes[name]).sum()))
        order = rows[np.argsort(-ranking.scores[rows], kind="stable")]
        return stage, rows, order[~np.isnan(ranking.scores[order])]

    def _sampled(self, stage: str) -> tuple[str, np.ndarray]:
        if stage not in self.stages:
            expected = ", ".join(self.stages)
            raise ExplorerError(f"{self.study.folder}: no stage '{stage}' in {TRAINING}; expected {expected}.")
        return stage, sampled(self.homes[stage], self.size.share)

    def arms(self, stage: str, rows: np.ndarray, order: np.ndarray, ks: Sequence[int]) -> tuple[Arm, ...]:
        """Return the trainings with the ids of the datapoints that they edit; no ``ks``: all of ``order``, by hand."""

        def edited(arm: str, k: int, seed: int) -> np.ndarray:
            if arm == RANDOM:
                return np.random.default_rng([seed, k]).choice(rows, k, replace=False)
            return order[n - k :] if arm == BOTTOM else order[:k]

        n, sizes = len(order), sorted(set(ks)) or [len(order)]
        if wrong := [k for k in sizes if not 0 < k <= n]:
            raise ExplorerError(f"k is {wrong[0]}; expected 1 to {n}, the rows of stage '{stage}' that are ranked.")
        return tuple(
            Arm(arm, k, seed, tuple(sorted(self.ids[edited(arm, k, seed)])))
            for seed in range(self.size.seeds)
            for arm in self.size.arms
            for k in (sizes if arm != NONE else [0])
            if arm != BOTTOM or (ks and not seed)
        )


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


def sampled(rows: np.ndarray, share: float) -> np.ndarray:
    """Return a random share of a stage's row numbers, in their order and the same every time."""
    drawn = np.random.default_rng(0).permutation(len(rows))[: max(1, round(share * len(rows)))]
    return rows[np.sort(drawn)]
