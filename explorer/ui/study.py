"""The study of a session: the folder that the link names, what is in it, and the failures on offer."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from explorer.data.checkpoints import BASE, kind
from explorer.data.failures import Failure, shipped_failures
from explorer.data.study import BEHAVIORS, DATAPOINTS, FAILURES, SETTINGS, Study, open_study
from explorer.data.tables import TableFile
from explorer.demo.build import build_demo, default_folder
from explorer.errors import ExplorerError
from explorer.files import Version, version_of
from explorer.model.load import ModelSpec
from explorer.surveys.folder import Survey
from explorer.ui import link
from explorer.ui.places import place_name
from explorer.ui.survey.opened import opened_survey, survey_folder

_WALK = "walk"
"""Session key of the failures that are stepped through."""

OPENING = ("wrong-dog", "demo-italy-to-portugal-036")
"""The failures that the demo begins with: one that its prompt explains, and one that only its training does."""


@dataclass(frozen=True)
class Opened:
    """A study with what every page shows of it: its failures, and the counts of training examples and behaviors."""

    study: Study
    failures: dict[str, Failure]
    examples: int
    behaviors: int


@st.cache_resource(show_spinner="Laying out the demo study")
def demo_folder() -> Path:
    """The demo study's folder, laid out on first use."""
    return build_demo(default_folder()).folder


def studies_folder() -> Path:
    """The folder in which the demo study and those that the app makes stand beside each other."""
    return demo_folder().parent


def whole_path(text: str) -> Path:
    """Absolute path of a folder as it was typed or stands in a link. Raises ExplorerError for what can't be one."""
    return Path(os.path.abspath(place_name(text)))  # a name like a hub id's is a folder here


def study_folder() -> Path:
    """Folder of this session's study: the link's, by name or path, else the demo study. Raises as ``whole_path``."""
    named = link.get("study")
    return (beside_demo(named) or whole_path(named)) if named else demo_folder()


def beside_demo(name: str) -> Path | None:
    """The folder of that name beside the demo study's, None where there is none; what lies in it is not looked at."""
    folder = demo_folder().parent / name
    return (
        folder if os.path.basename(name) == name and name not in ("", ".", "..") and os.path.lexists(folder) else None
    )


def study_models(study: Study) -> list[ModelSpec]:
    """Every model that a page may load for a study."""
    return list(dict.fromkeys([ModelSpec(study.model), *study.trained, study.reference_spec]))


def study_folders() -> list[Path]:
    """The demo study, the studies beside it, and the session's own."""
    demo = demo_folder()
    beside = sorted(path.parent for path in demo.parent.glob(f"*/{SETTINGS}"))
    return list(dict.fromkeys([demo, *beside, study_folder()]))


def opened(folder: Path) -> Opened:
    """Read a study folder, again only when a file of it has changed. Raises ExplorerError."""
    try:
        files = [folder / name for name in (SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES)]
        return _read(folder, [version_of(file) for file in files])
    except ExplorerError:
        raise
    except (OSError, ValueError) as error:
        raise ExplorerError(f"{folder}: can't be read ({getattr(error, 'strerror', None) or error}).") from error


@st.cache_resource(max_entries=8, show_spinner="Opening the study")
def _read(folder: Path, versions: list[Version | None]) -> Opened:
    study = open_study(folder)
    examples = TableFile(study.folder / DATAPOINTS, "Parquet").rows
    failures = study.failures()
    if study.template == "raw":
        failures = {name: replace(failure, raw=True) for name, failure in failures.items()}
    return Opened(study, failures, examples, len({behavior.name for behavior in study.behaviors()}))


def stages(study: Study) -> str:
    """The checkpoints in training order, with their kinds: "Adapters: sft → dpo", or each with its own."""
    kinds = {name: kind(spec) for name, spec in study.checkpoints().items() if name != BASE}
    if len(set(kinds.values())) > 1:
        return " → ".join(f"{name} ({what})" for name, what in kinds.items())
    return f"{next(iter(kinds.values())).capitalize()}s: {' → '.join(kinds)}"


def current_study() -> Opened:
    """The study of this session. Raises ExplorerError where the link names a folder that is no study."""
    return opened(study_folder())


def gallery() -> dict[str, Failure]:
    """The failures on offer, by id: the study's, then the bare embedded model's; the demo begins with ``OPENING``."""
    failures, shipped = current_study().failures, shipped_failures()
    offered = failures | {name: case for name, case in shipped.items() if name not in failures}
    if study_folder() != demo_folder():
        return offered
    return {name: offered[name] for name in OPENING if name in offered} | offered


def first_cases() -> list[tuple[ModelSpec, Failure]]:
    """What the first visitor of the demo sees, with the model of each."""
    demo = opened(demo_folder())
    own = [(demo.study.spec, demo.failures[name]) for name in OPENING if name in demo.failures]
    return [(ModelSpec(), case) for name, case in shipped_failures().items() if name in OPENING] + own


def model_of(case: Failure) -> ModelSpec:
    """The model that makes a failure: the study's for the study's own failures, the survey's for a survey's.

    Else the bare embedded model.
    """
    current = current_study()
    if case.id in current.failures:
        return current.study.spec
    surveyed = surveyed_case(case.id)
    return surveyed[1] if surveyed else ModelSpec()


def surveyed_case(name: str) -> tuple[Failure, ModelSpec] | None:
    """Return a failure of a survey of this study, and the surveyed model; None where there is no such one.

    Args:
        name: as links and ``Failure.id`` name it: the survey's folder and the case's id with a slash between.
    """
    survey_name, slash, id = name.partition("/")
    folder = survey_folder(study_folder(), survey_name) if slash else None
    if not folder:
        return None
    try:
        survey = opened_survey(folder)
    except ExplorerError:
        return None  # the Survey page says what is wrong with it
    case = survey.cases.get(id)
    if not case or not case.right:
        return None
    return replace(case.failure, id=name), surveyed_model(survey)


def walk(case: Failure) -> list[str]:
    """Ids of the failures that are stepped through around one: the gallery's, or those listed where it was opened.

    A failure that came by a link from a survey has those of that survey around it.
    """
    listed: list[str] = st.session_state.get(_WALK, [])
    if case.id in listed:
        return listed
    if case.id in gallery() or not surveyed_case(case.id):
        return list(gallery())
    folder = survey_folder(study_folder(), case.id.partition("/")[0])
    assert folder  # the case is of it
    return [f"{folder.name}/{id}" for id, one in opened_survey(folder).cases.items() if one.right]


def set_walk(ids: list[str]) -> None:
    """Say which failures are stepped through around the one on screen; see ``walk``."""
    st.session_state[_WALK] = ids


def surveyed_model(survey: Survey) -> ModelSpec:
    """The model whose failures a survey has: the study's checkpoint of that name, where there is one."""
    name, spec = survey.settings.models[-1]
    return current_study().study.checkpoints().get(name, spec)


def distinct(labels: dict[str, str]) -> dict[str, str]:
    """Labels by key; those that occur twice get the key behind them, as a select box tells options by their labels."""
    counts = Counter(labels.values())
    return {key: f"{label} ({key})" if counts[label] > 1 else label for key, label in labels.items()}
