"""What the Compare page can put side by side: the study's checkpoints, its retrained models, the model on screen."""

from collections import Counter
from dataclasses import replace

import streamlit as st

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import encode_prompt
from explorer.repair.plan import arm_label, read_plan, repair_folders
from explorer.repair.results import read_result, trained_models
from explorer.trace.compare import Compared, Reading, read_prompt
from explorer.trace.contrast import make_contrast
from explorer.trace.explain import default_layer
from explorer.ui.session import asked, explained_at, plain

SHOWN = "shown"
"""What the link calls the model on screen where it is none of the study's."""


def choices(study: Study, shown: ModelSpec) -> dict[str, tuple[str, ModelSpec]]:
    """What the link says → (what people read, the model), in training order; models on this machine only."""
    found = {name: (name, spec) for name, spec in study.checkpoints().items()}
    whole: dict[str, str] = {}  # with the repair, for names that stand twice
    for folder in repair_folders(study):
        try:
            plan, result = read_plan(folder), read_result(folder)
        except ExplorerError:
            continue  # the Repair page says what is wrong with it
        rows = {row.run: row for row in result.arms} if result else {}
        for run, path in trained_models(study, list(rows.values())).items():
            row = rows[run]
            said = arm_label(row.arm, row.k, plan.by_hand, row.seed).lower()
            found.setdefault(run, (said, ModelSpec(study.model, adapter=str(path))))
            whole.setdefault(run, f"{said} ({plan.title()})")
    if not any(_same(spec, shown) for _, spec in found.values()):
        found[SHOWN] = (shown.title, shown)
    often = Counter(said for said, _ in found.values())
    runs_on = {"device": shown.device, "dtype": shown.dtype}
    return {
        name: (whole.get(name, said) if often[said] > 1 else said, replace(spec, **runs_on))
        for name, (said, spec) in found.items()
    }


def usual(study: Study, found: dict[str, tuple[str, ModelSpec]], shown: ModelSpec) -> list[str]:
    """The models to begin with: before all training, before its last stage, after it, and the one on screen."""
    wanted = (ModelSpec(study.model), study.reference_spec, study.spec, shown)
    return [name for name, (_, spec) in found.items() if any(_same(spec, one) for one in wanted)]


def _same(one: ModelSpec, other: ModelSpec) -> bool:
    return (one.source, one.adapter) == (other.source, other.adapter)


@st.cache_resource(max_entries=32, show_spinner=False)
def _reading(spec: ModelSpec, case: Failure) -> Reading:
    loaded = load_model(spec)
    encoded = encode_prompt(loaded, case.as_prompt())
    return read_prompt(loaded, encoded, make_contrast(loaded, encoded, case.wrong, case.right))


def seen(
    models: dict[str, tuple[str, ModelSpec]], case: Failure, rule: str
) -> tuple[list[tuple[str, Compared]], list[str]]:
    """(name, what it makes of the case) of every model that can be used, with a bar; and why others can't."""
    found, refused = [], []
    bar = st.progress(0.0, "Reading the models")
    for number, (said, spec) in enumerate(models.values(), 1):
        bar.progress((number - 1) / len(models), f"{plain(said)}: one pass forward, one back, and its answer")
        try:
            shown = explained_at(spec, case, rule, 0, False)
            shown = shown.at(rule, default_layer(len(shown.trace.relevance) - 1, rule))
            found.append((said, Compared(spec, shown, _reading(spec, asked(case)))))
        except ExplorerError as error:
            refused.append(f"{said}: {error}")
    bar.empty()
    return found, refused
