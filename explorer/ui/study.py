"""The study of a session: the folder that the link names, what is in it, and whose failures are on offer."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from explorer.data.failures import Failure, read_failures
from explorer.data.study import BEHAVIORS, DATAPOINTS, FAILURES, SETTINGS, Study, open_study
from explorer.demo.build import build_demo, default_folder
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec
from explorer.ui import link


@dataclass(frozen=True)
class Opened:
    """A study with what every page needs of it: its failures, and how much training data and how many behaviors."""

    study: Study
    failures: dict[str, Failure]
    examples: int
    behaviors: int


@st.cache_resource(show_spinner="Laying out the demo study")
def demo_folder() -> Path:
    """The demo study's folder, laid out on first use."""
    return build_demo(default_folder()).folder


def whole_path(text: str) -> Path:
    """A folder as it was typed or stands in a link, as an absolute path."""
    return Path(os.path.abspath(os.path.expanduser(text.strip())))


def study_folder() -> Path:
    """The folder of this session's study: the link's, else the demo study."""
    named = link.get("study")
    return whole_path(named) if named else demo_folder()


def study_folders() -> list[Path]:
    """The demo study, the studies beside it, and the session's own."""
    demo = demo_folder()
    beside = sorted(path.parent for path in demo.parent.glob(f"*/{SETTINGS}"))
    return list(dict.fromkeys([demo, *beside, study_folder()]))


def opened(folder: Path) -> Opened:
    """What is in a study folder, read again only when a file of it has changed. Raises ExplorerError."""
    try:
        files = [folder / name for name in (SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES)]
        return _read(str(folder), tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))
    except ExplorerError:
        raise
    except (OSError, ValueError) as error:
        raise ExplorerError(f"{folder}: can't be read ({getattr(error, 'strerror', None) or error}).") from error


@st.cache_resource(max_entries=8, show_spinner="Opening the study")
def _read(folder: str, changed: tuple[int, ...]) -> Opened:
    study = open_study(Path(folder))
    try:
        examples = pq.read_metadata(study.folder / DATAPOINTS).num_rows
    except (pa.ArrowException, OSError):
        examples = study.datapoints().num_rows  # says what is wrong with the file
    failures = study.failures()
    if study.template == "raw":
        failures = {name: replace(failure, raw=True) for name, failure in failures.items()}
    return Opened(study, failures, examples, len({behavior.name for behavior in study.behaviors()}))


def current_study() -> Opened:
    """The study of this session. Raises ExplorerError where the link names a folder that is none."""
    return opened(study_folder())


@st.cache_data(max_entries=1, show_spinner=False)
def _of_the_base() -> dict[str, Failure]:
    return read_failures()


def gallery() -> dict[str, Failure]:
    """The failures on offer, by id: the study's, then those of the bare embedded model."""
    failures = current_study().failures
    return {**failures, **_of_the_base(), **failures}


def first_failure() -> Failure:
    """What the first screen shows."""
    return plainest(gallery().values())


def plainest(cases: Iterable[Failure]) -> Failure:
    """The first planted failure whose answers differ in one word, else the first of all."""
    cases = list(cases)
    return next((case for case in cases if case.kind == "planted" and one_word_apart(case)), cases[0])


def one_word_apart(case: Failure) -> bool:
    """Whether the answers differ in one word: the plainest contrast."""
    wrong, right = case.wrong.split(), case.right.split()
    return len(wrong) == len(right) and sum(a != b for a, b in zip(wrong, right, strict=True)) == 1


def model_of(case: Failure) -> ModelSpec:
    """The model that a failure is one of: the study's for the study's own, the bare embedded one for all others."""
    found = current_study()
    return found.study.spec if case.id in found.failures else ModelSpec()


def told_apart(labels: dict[str, str]) -> dict[str, str]:
    """Labels by key, with the key behind those that stand twice: a select box knows its options by their labels."""
    often = Counter(labels.values())
    return {key: f"{label} ({key})" if often[label] > 1 else label for key, label in labels.items()}
