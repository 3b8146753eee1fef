"""A study that may only be read: everything opens, and what would write says so."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import jobs
from explorer.behaviors.notes import Note, read_notes, write_note
from explorer.cli.main import main
from explorer.data.study import Study, check_study
from explorer.errors import ExplorerError
from explorer.jobs import LOCK, is_running, stop
from explorer.repair import job
from explorer.repair.job import execute, repair_json, start, status
from explorer.repair.plan import REPAIRS, read_plan, save_plan
from tests.fuzz.conftest import RUN


@pytest.fixture
def read_only(study: Study) -> Iterator[Study]:
    """The study as somebody sees it who may not write: another user where the test runs as root."""
    (study.folder / REPAIRS / RUN / LOCK).touch()
    folders = [study.folder, *(path for path in study.folder.rglob("*") if path.is_dir())]
    parents = [parent for parent in study.folder.parents if parent.is_relative_to(parent.anchor + "tmp")]
    modes = {path: path.stat().st_mode for path in [*folders, *parents]}
    for path in modes:
        path.chmod(0o555 if path in folders else 0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    yield study
    if root:
        os.seteuid(0)
    for path, mode in modes.items():
        path.chmod(mode)
    (study.folder / REPAIRS / RUN / LOCK).unlink()


def test_everything_opens(read_only: Study, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(OSError):
        (read_only.folder / "x").write_text("")
    folder = read_only.folder / REPAIRS / RUN
    check_study(read_only.folder)
    assert read_notes(read_only.folder) and repair_json(folder)["arms"] and not status(folder).active
    assert main(["rank", str(read_only.folder), "--behavior", "n", "--method", "bm25", "--json", "-"]) == 0
    assert main(["repair", str(read_only.folder), "--go-on", RUN]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_what_would_write_says_so(read_only: Study, monkeypatch: pytest.MonkeyPatch):
    folder = read_only.folder / REPAIRS / RUN
    plan = read_plan(folder)
    monkeypatch.setattr("subprocess.Popen", lambda *_args, **_settings: pytest.fail("a job was started"))
    monkeypatch.setattr(job, "status", lambda _folder: job.Status(jobs.NEW))
    for write in (
        lambda: stop(folder),
        lambda: start(read_only, folder),
        lambda: execute(read_only, folder),
        lambda: save_plan(read_only, plan),
        lambda: write_note(read_only.folder, "k", Note("a")),
    ):
        with pytest.raises(ExplorerError, match="can't be written"):
            write()


def test_a_clock_that_is_set_back(study: Study, tmp_path: Path):
    folder = shutil.copytree(study.folder / REPAIRS / RUN, tmp_path / "run")
    (folder / "result.json").unlink()
    progress = folder / "progress.json"
    progress.write_text('{"state": "queued"}')
    assert status(folder).state == jobs.STARTING
    ahead = progress.stat().st_mtime + 3_600
    os.utime(progress, (ahead, ahead))
    assert status(folder).state == jobs.STOPPED and not is_running(folder)
