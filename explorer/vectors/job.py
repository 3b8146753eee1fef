"""A build of vectors as a job: a process of its own, that can be stopped, killed and gone on with.

Its folder, ``builds/<name>`` of the study, holds ``build.json`` (what to build) and the files of every job (see
``explorer.jobs``); what is made lies in the index itself, so that nothing is lost.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from explorer.data.study import Study
from explorer.files import write_json, writing
from explorer.jobs import (
    ACTIVE,
    DONE,
    NEW,
    PROGRESS,
    RUNNING,
    at_work,
    read_progress,
    start_process,
    told_to_stop,
    true_state,
    turn,
    write_progress,
)
from explorer.model.embedded import cache_folder
from explorer.progress import Pace, Progress, Stopped, silent
from explorer.reading import read_json
from explorer.vectors.build import build_index, cut_sentence
from explorer.vectors.index import Index
from explorer.vectors.methods import DEFAULT_PARTS

BUILDS, SETTINGS = "builds", "build.json"
_WRITES = 0.5
"""Seconds between two writes of how far it is."""


@dataclass(frozen=True)
class BuildSettings:
    """In which checkpoint (``study.checkpoint``), which parts (``methods.parts_of``), and at which layers."""

    stage: str
    layers: tuple[int, ...] | str = "auto"
    parts: tuple[str, ...] = DEFAULT_PARTS

    @property
    def name(self) -> str:
        """Name of the job's folder; equal for equal settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class BuildStatus:
    """How far a build is: ``done`` of ``total`` training examples, at ``rate`` a second (0: not known).

    Attributes:
        state: new, starting, queued, running, stopped, failed or done.
        what: is being done before the examples are counted.
        told: what is to be said of a build that is done: rows that were cut.
    """

    state: Literal["new", "starting", "queued", "running", "stopped", "failed", "done"] = NEW
    what: str = ""
    done: float = 0
    total: float = 0
    rate: float = 0
    told: str = ""
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether a process is at work on it, or waits for its turn."""
        return self.state in ACTIVE

    @property
    def left(self) -> float | None:
        """Seconds left at the pace so far; None where that is not known."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None


def prepare_build(study: Study, settings: BuildSettings) -> Path:
    """Write what to build; returns the job's folder, the same for the same settings. Raises ExplorerError."""
    study.checkpoint(settings.stage)
    folder = study.folder / BUILDS / settings.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS, asdict(settings))
    return folder


def read_settings(folder: Path) -> BuildSettings:
    """Read what a job builds. Raises ExplorerError for a broken file."""
    return read_json(folder / SETTINGS, "the settings of a build", BuildSettings)


def builds_of(study: Path) -> list[Path]:
    """Folders of a study's builds that were begun, the latest first."""
    found = [(path.stat().st_mtime_ns, path.parent) for path in (study / BUILDS).glob(f"*/{PROGRESS}")]
    return [folder for _, folder in sorted(found, reverse=True)]


def status(folder: Path) -> BuildStatus:
    """Read how far a build is; a file that is absent or damaged says nothing."""
    written = read_progress(folder, BuildStatus)
    state = true_state(folder, written.state)
    return BuildStatus(**{**asdict(written), "state": state})


def start(study: Study, folder: Path) -> None:
    """Run a build in a process that outlives this one; one that is at work already is left alone."""
    if not status(folder).active:
        start_process(folder, ["build", str(study.folder.resolve()), "--go-on", folder.name])


def execute(study: Study, folder: Path, progress: Progress = silent) -> Index:
    """Build what a job's folder says, or the rest of it.

    One build runs at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for one
    that runs already or can't go on. What is made stays, and another call goes on from it.
    """
    settings = read_settings(folder)
    layers = settings.layers if isinstance(settings.layers, str) else list(settings.layers)
    report = _Report(folder, progress)
    with at_work(folder, "build"), turn(folder, cache_folder() / "build.lock", progress):
        report.at("Reading the model")
        given = {"parts": settings.parts, "layers": layers, "dtype": "auto", "progress": report.at}
        index = build_index(study, settings.stage, **given)
        n = index.manifest.n
        write_progress(folder, DONE, done=n, total=n, told=cut_sentence(index.manifest))
    return index


class _Report:
    """Progress of a job, to its file and to who watches; ends the work where somebody asked it to stop."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress, self._pace = folder, progress, Pace()
        self._written = -_WRITES

    def at(self, what: str, done: float = 0, total: float = 0, /) -> None:
        """Say how far it is."""
        rate = self._pace.rate(what, done)
        self._progress(what, done, total)
        if told_to_stop(self._folder):
            raise Stopped("The build was stopped.")
        if (now := monotonic()) - self._written >= _WRITES or not total:
            self._written = now
            write_progress(self._folder, RUNNING, what=what, done=done, total=total, rate=rate)
