"""A build as a job: in a process that outlives who began it, stopped, gone on with, and found again by its folder."""

import time
from functools import partial

import pytest

from explorer import jobs
from explorer.cli.main import main
from explorer.errors import ExplorerError
from explorer.jobs import DONE, FAILED, STARTING, STOPPED
from explorer.progress import Stopped
from explorer.vectors.build import build_index
from explorer.vectors.find import study_indexes
from explorer.vectors.job import BuildSettings, builds_of, execute, prepare_build, read_settings, start, status
from tests.vectors.tiny import files_of

SETTINGS = BuildSettings("before", (1, 3), ("state", "outer"))


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))  # the queue of this test alone


def test_it_makes_what_a_build_makes(study, tmp_path):
    folder = prepare_build(study, SETTINGS)
    assert builds_of(study.folder) == [] and status(folder).state == "new"  # nobody began it
    assert read_settings(folder) == SETTINGS and prepare_build(study, SETTINGS) == folder
    index = execute(study, folder)
    made = files_of(index.folder)
    index.folder.rename(tmp_path / "first")
    assert files_of(build_index(study, layers=[1, 3], parts=["state", "outer"], dtype="auto").folder) == made
    now = status(folder)
    assert (now.state, now.done, now.total, now.left) == (DONE, 26, 26, None) and builds_of(study.folder) == [folder]


def test_a_build_that_is_stopped_goes_on(study, monkeypatch):
    in_small_shards = partial(build_index, shard_rows=4)  # told after each
    monkeypatch.setattr("explorer.vectors.job.build_index", in_small_shards)
    folder, told = prepare_build(study, SETTINGS), []

    def stops(what: str, done: float = 0, total: float = 0, /) -> None:
        told.append(done)
        if 0 < done < total:
            jobs.stop(folder)

    with pytest.raises(Stopped):
        execute(study, folder, stops)
    now = status(folder)
    assert now.state == STOPPED and told[-1] < 26 and not now.active
    assert execute(study, folder).manifest.complete and status(folder).state == DONE


def test_what_can_not_be_built_is_told(study):
    with pytest.raises(ExplorerError, match="no checkpoint 'never'"):
        prepare_build(study, BuildSettings("never"))
    folder = prepare_build(study, BuildSettings("before", (9,)))
    with pytest.raises(ExplorerError, match="Layer 9 is not there"):
        execute(study, folder)
    assert (status(folder).state, status(folder).error) == (FAILED, "Layer 9 is not there; expected 1 to 3.")
    (folder / "build.json").write_text('{"stage": 1}')
    assert main(["build", str(study.folder), "--go-on", folder.name]) == 2
    assert main(["build", str(study.folder), "--go-on", "../../elsewhere"]) == 2


@pytest.mark.slow
def test_it_runs_in_a_process_of_its_own(study):
    folder = prepare_build(study, SETTINGS)
    start(study, folder)
    assert status(folder).state == STARTING
    start(study, folder)  # at work already
    end = time.monotonic() + 120
    while status(folder).active:
        assert time.monotonic() < end, jobs.log_tail(folder)
        time.sleep(0.3)
    assert status(folder).state == DONE, jobs.log_tail(folder)
    assert [index.manifest.n for index in study_indexes(study)] == [26]
