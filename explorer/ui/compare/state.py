"""What the Compare page can put side by side: the study's checkpoints, its retrained models, the model on screen."""

from collections import Counter
from dataclasses import dataclass, replace

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec
from explorer.repair.plan import arm_label, read_plan, repair_folders
from explorer.repair.results import read_result, trained_models
from explorer.ui.study import distinct

ON_SCREEN = "shown"
"""Key in the link of the model on screen, where it is none of the study's."""


@dataclass(frozen=True)
class Choices:
    """The models on offer, in training order: key in the link → label, and → the model."""

    labels: dict[str, str]
    specs: dict[str, ModelSpec]

    def keys_of(self, wanted: list[ModelSpec]) -> list[str]:
        """Return the keys of some models, whatever device and precision they have."""
        names = {spec.weights for spec in wanted}
        return [key for key, spec in self.specs.items() if spec.weights in names]


def choices(study: Study, on_screen: ModelSpec) -> Choices:
    """Collect the models on this machine; they run on the device and in the precision of the model on screen."""
    specs = study.checkpoints()
    labels, repair_of = {key: key for key in specs}, {}
    for folder in repair_folders(study):
        try:
            plan, result = read_plan(folder), read_result(folder)
        except ExplorerError:
            continue  # the Repair page says what is wrong with it
        rows = {row.run: row for row in result.arms} if result else {}
        for run, path in trained_models(study, list(rows.values())).items():
            if run not in specs:
                row, repair_of[run] = rows[run], plan.title()
                labels[run] = arm_label(row.arm, row.k, plan.by_hand, row.seed).lower()
                specs[run] = ModelSpec(study.model, adapter=str(path))
    if not Choices(labels, specs).keys_of([on_screen]):
        labels[ON_SCREEN], specs[ON_SCREEN] = on_screen.title, on_screen
    often = Counter(labels.values())
    labels |= {run: f"{labels[run]} ({words})" for run, words in repair_of.items() if often[labels[run]] > 1}
    specs = {key: replace(spec, device=on_screen.device, dtype=on_screen.dtype) for key, spec in specs.items()}
    return Choices(distinct(labels), specs)


def usual(study: Study, offered: Choices, on_screen: ModelSpec) -> list[str]:
    """Return the models to begin with: before all training, before its last stage, after it, and the one on screen."""
    return offered.keys_of([ModelSpec(study.model), study.reference_spec, study.spec, on_screen])
