"""What the Compare page can put side by side: the study's models, the one on screen, and any that is typed."""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.load import ModelSpec
from explorer.model.spec import local_adapter, place_of
from explorer.repair.plan import arm_label, read_plan, repair_folders
from explorer.repair.results import read_result, trained_models
from explorer.safe_text import hold_direction
from explorer.trace.compare import parse_models, spelled, split_adapter
from explorer.ui import link
from explorer.ui.places import Place, allow, is_allowed, place_name, places_of
from explorer.ui.study import distinct

LINKED = "models"
"""Key in the link of the models that are compared."""
ON_SCREEN = "shown"
"""Key in the link of the model on screen, where it is none of the study's."""


@dataclass(frozen=True)
class Choices:
    """The models on offer, in training order, then those that were typed: key in the link → label, and → the model.

    Attributes:
        refused: key → why it can be no model.
    """

    labels: dict[str, str]
    specs: dict[str, ModelSpec]
    refused: dict[str, str] = field(default_factory=dict)

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


def typed_parts(offered: Choices) -> list[str]:
    """What the link names beside the models on offer; nothing of it has been looked at."""
    parts = dict.fromkeys(map(str.strip, link.get(LINKED).split(",")))
    return [part for part in parts if part not in {*offered.specs, ON_SCREEN, ""}]


def unallowed_places(offered: Choices) -> list[Place]:
    """Return what the typed models of the link would open, and nobody here has allowed."""
    places: list[Place] = []
    for part in typed_parts(offered):
        with suppress(ExplorerError):  # the page says what is wrong with it
            places += places_of(_named(part))
    return [place for place in dict.fromkeys(places) if not is_allowed(place)]


def with_typed(offered: Choices, on_screen: ModelSpec) -> Choices:
    """Add the typed models of the link, with a sentence for each that can be no model; their places are allowed.

    An adapter alone stands for the model on screen with it.
    """
    labels, specs, refused = dict(offered.labels), dict(offered.specs), {}
    for part in typed_parts(offered):
        labels[part] = hold_direction(part)
        try:
            specs[part] = _checked(part, on_screen)
        except ExplorerError as error:
            refused[part] = str(error)
        else:
            labels[part] = hold_direction(specs[part].title)
    return Choices(distinct(labels), specs, refused)


def take_typed(offered: Choices, on_screen: ModelSpec) -> None:
    """Spell what was typed so that the link means one thing; what is typed by hand needs no further question."""
    keys: list[str] = []
    for part in filter(None, map(str.strip, link.get(LINKED).split(","))):
        key = part
        if part not in offered.specs:
            with suppress(ExplorerError):
                allow(places_of(_named(_spelled_out(part))))
                spec = _checked(_spelled_out(part), on_screen)
                key = next(iter(offered.keys_of([spec])), spelled(spec))
        keys.append(key)
    if link.has(LINKED):
        link.put({LINKED: ",".join(dict.fromkeys(keys))})


def _named(part: str) -> ModelSpec:
    """The model that a part of the link names; the disk is not asked. Raises ExplorerError for what can be none."""
    source, adapter = split_adapter(part)
    if not source:
        raise ExplorerError(f"{part}: names no model before the +; expected MODEL+ADAPTER.")
    if _is_bare(source):
        raise ExplorerError(f"{part}: no model of this study; one of that name on the hub is {source}@main.")
    return ModelSpec(source, adapter)


def _is_bare(name: str) -> bool:
    """Whether a name on the hub has neither owner nor revision, so that it looks like a checkpoint of a study."""
    return "/" not in name and "@" not in name and Place("model", name).on_hub


def _spelled_out(part: str) -> str:
    """A typed name with whole paths in the place of relative ones, and a bare name on the hub with its main branch."""
    places = []
    for number, name in enumerate(map(str.strip, part.split("+", 1))):
        if name == embedded.NAME:
            places.append(name)
        elif os.path.exists(os.path.expanduser(place_name(name))):
            places.append(os.path.abspath(os.path.expanduser(name)))
        else:
            places.append(f"{name}@main" if not number and _is_bare(name) else name)
    return "+".join(places)


def _checked(part: str, on_screen: ModelSpec) -> ModelSpec:
    """The model that a part of the link names, with what can be checked at once. Raises ExplorerError."""
    _named(part)
    for name in split_adapter(part):
        place_name(name or "")
    (spec,) = parse_models(part, replace(on_screen, adapter=None))
    if spec.source != embedded.NAME or spec.revision:
        place_of(spec.source, spec.revision)
    if spec.adapter:
        local_adapter(spec.adapter)
    return spec
