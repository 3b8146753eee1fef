"""A job that is told to stop before it has begun, what was told to an earlier run, and one that waits for its turn."""

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from explorer.jobs import PROGRESS, RUNNING, at_work, start_process, stop, told_to_stop, turn, write_progress
from explorer.progress import Stopped
from explorer.reading import read_json


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder whose process was started, and has not come up yet; an earlier one was told to stop."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: None)
    stop(tmp_path)
    start_process(tmp_path, ["survey"])
    return tmp_path


def test_stop_pressed_while_it_starts_is_heard(started: Path):
    stop(started)
    with pytest.raises(Stopped), at_work(started, "survey"):
        pytest.fail("it began")
    assert read_json(started / PROGRESS, "progress", dict)["state"] == "stopped"


def test_what_an_earlier_run_was_told_is_forgotten(started: Path):
    with at_work(started, "survey"):
        assert not told_to_stop(started)
    write_progress(started, RUNNING)  # killed there, having been told to stop
    stop(started)
    with at_work(started, "survey"):
        assert not told_to_stop(started)


def test_who_waits_for_another_job_is_told(tmp_path: Path):
    told: list[str] = []

    def tell(what: str, _done: float = 0, _total: float = 0, /) -> None:
        told.append(what)
        other.release()

    with FileLock(tmp_path / "shared", thread_local=False) as other, turn(tmp_path, tmp_path / "shared", tell):
        assert told == ["Waiting for another job of this kind to end"]
    assert read_json(tmp_path / PROGRESS, "progress", dict)["state"] == "queued"
