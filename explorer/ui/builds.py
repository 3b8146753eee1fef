"""Builds of vectors as pages follow them, and estimates of what they take, in threads of the server."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from explorer.data.study import VECTORS, Study
from explorer.errors import ExplorerError
from explorer.jobs import QUEUED, STARTING, is_running, told_to_stop
from explorer.ui.text import duration
from explorer.vectors.estimate import BuildEstimate, estimate_build
from explorer.vectors.index import MANIFEST, Manifest, read_manifest
from explorer.vectors.job import BuildSettings, BuildStatus, builds_of, prepare_build, start, status


def begin_build(study: Study, settings: BuildSettings) -> None:
    """Begin a build, or go on with it, unless one of this study is at work. Raises ExplorerError."""
    if not any(status(folder).active for folder in builds_of(study.folder)):
        start(study, prepare_build(study, settings))


def latest_build(study: Path) -> tuple[Path, BuildStatus] | None:
    """The build of a study that was begun or changed last, with how far it is; None where there was none."""
    return next(((folder, status(folder)) for folder in builds_of(study)), None)


def sentence(folder: Path, now: BuildStatus) -> str:
    """How far a build is, and how long it will take."""
    if told_to_stop(folder):
        return "Stopping"
    if now.state == STARTING:
        return "Starting: reading the model"
    if now.state == QUEUED:
        return "Queued: another build is at work; this one begins when that is done"
    if not now.total:
        return now.what or "Reading the model"
    text = f"{int(now.done):,} of {int(now.total):,} training examples"
    return f"{text} · {now.rate:.1f} a second · {duration(now.left)} left" if now.left is not None else text


def begun_builds(study: Path) -> list[tuple[Path, Manifest, bool]]:
    """(folder, manifest, whether a process is at work on it) of a study's indexes that are not complete."""
    found = []
    for path in sorted((study / VECTORS).glob(f"*/{MANIFEST}")):
        with suppress(ExplorerError):
            manifest = read_manifest(path.parent)
            if not manifest.complete:
                found.append((path.parent, manifest, is_running(path.parent)))
    return found


def made_rows(manifest: Manifest) -> int:
    """Rows whose vectors a build has written."""
    return sum(end - start for name, start, end in manifest.shards if name in manifest.files)


@dataclass
class Estimating:
    """An estimate in a thread of its own; ``result`` or ``error`` is there once it is ``over``."""

    settings: BuildSettings
    began: float = field(default_factory=time.monotonic)
    result: BuildEstimate | None = None
    error: str = ""
    over: bool = False


@st.cache_resource(show_spinner=False)
def _estimates() -> dict[str, Estimating]:
    return {}


def estimate_of(study: Path) -> Estimating | None:
    """The latest estimate of a build of a study in this server."""
    return _estimates().get(str(study))


def start_estimate(study: Study, settings: BuildSettings) -> None:
    """Begin to estimate what a build takes, unless an estimate of this study is being made."""
    running = estimate_of(study.folder)
    if running is None or running.over:
        work = _estimates()[str(study.folder)] = Estimating(settings)
        threading.Thread(target=_estimate, args=(study, work), daemon=True).start()


def _estimate(study: Study, work: Estimating) -> None:
    settings = work.settings
    layers = settings.layers if isinstance(settings.layers, str) else list(settings.layers)
    try:
        work.result = estimate_build(study, settings.stage, parts=settings.parts, layers=layers)
    except ExplorerError as error:
        work.error = str(error)
    except Exception as error:
        work.error = f"{type(error).__name__}: {error}"
        raise
    finally:
        work.over = True
