"""The study of a session: the folder that the link names, what is in it, and the failures on offer."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from explorer.data.checkpoints import BASE, kind
from explorer.data.failures import Failure, shipped_failures
from explorer.data.study import BEHAVIORS, DATAPOINTS, FAILURES, SETTINGS, Study, open_study
from explorer.data.tables import TableFile
from explorer.demo.build import build_demo, default_folder
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec
from explorer.ui import link
from explorer.ui.caching import file_version
from explorer.ui.places import place_name


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


def whole_path(text: str) -> Path:
    """Absolute path of a folder as it was typed or stands in a link. Raises ExplorerError for what can't be one."""
    return Path(os.path.abspath(place_name(text)))  # a name like a hub id's is a folder here


def study_folder() -> Path:
    """Folder of this session's study: the one in the link, else the demo study. Raises as ``whole_path``."""
    named = link.get("study")
    return whole_path(named) if named else demo_folder()


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
        return _read(folder, [file_version(file) for file in files])
    except ExplorerError:
        raise
    except (OSError, ValueError) as error:
        raise ExplorerError(f"{folder}: can't be read ({getattr(error, 'strerror', None) or error}).") from error


@st.cache_resource(max_entries=8, show_spinner="Opening the study")
def _read(folder: Path, versions: list[tuple[int, int]]) -> Opened:
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
    """The failures on offer, by id: the study's, then those of the bare embedded model."""
    failures = current_study().failures
    return {**failures, **shipped_failures(), **failures}


def plainest(cases: Iterable[Failure]) -> Failure:
    """The first planted failure whose answers differ in one word, else the first of all."""
    cases = list(cases)
    return next((case for case in cases if case.kind == "planted" and one_word_apart(case)), cases[0])


def one_word_apart(case: Failure) -> bool:
    """Whether the answers differ in one word: the plainest contrast."""
    wrong, right = case.wrong.split(), case.right.split()
    return len(wrong) == len(right) and sum(a != b for a, b in zip(wrong, right, strict=True)) == 1


def model_of(case: Failure) -> ModelSpec:
    """The model that makes a failure: the study's for the study's own failures, else the bare embedded model."""
    current = current_study()
    return current.study.spec if case.id in current.failures else ModelSpec()


def distinct(labels: dict[str, str]) -> dict[str, str]:
    """Labels by key; those that occur twice get the key behind them, as a select box tells options by their labels."""
    counts = Counter(labels.values())
    return {key: f"{label} ({key})" if counts[label] > 1 else label for key, label in labels.items()}
