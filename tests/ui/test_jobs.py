"""Every long job is found by its folder, whoever started it, with how far it is and a way to stop it."""

import json
import os
import time
from pathlib import Path

from filelock import FileLock

from explorer import jobs as engine
from explorer.data.study import create_study
from explorer.model.spec import ModelSpec
from explorer.repair.plan import PLAN
from explorer.surveys.folder import Case, SurveySettings, create_survey
from explorer.ui import navigation
from explorer.ui.jobs import ENDED, find_jobs
from explorer.vectors.index import Manifest

DATA = [{"id": "a", "prompt": "p", "response": "r"}]
PLANS = sorted((Path(__file__).parents[2] / "assets/demo/repairs").glob(f"*/{PLAN}"))


def study(folder: Path) -> Path:
    return create_study(folder, name="Mine", model="smollm2", datapoints=DATA).folder


def survey(folder: Path) -> Path:
    settings = SurveySettings("My survey", (("base", ModelSpec()),), confirmed=True)
    cases = [Case(str(i), "p", "w", "r") for i in range(4)]
    return create_survey(folder / "surveys" / "one", settings, cases).folder


def repair(folder: Path) -> Path:
    place = folder / "repairs" / "two"
    place.mkdir(parents=True)
    (place / PLAN).write_bytes(PLANS[0].read_bytes())
    return place


def test_jobs_at_work_are_found_by_their_folders_and_stopped(tmp_path: Path):
    first, second = study(tmp_path / "a"), study(tmp_path / "b")
    asked, trained = survey(first), repair(second)
    assert find_jobs([first, second]) == []  # nobody began them
    engine.write_progress(asked, engine.RUNNING, what="Measuring", done=1, total=4, left=60.0)
    engine.write_progress(trained, engine.RUNNING, done=2, of=8)
    with FileLock(asked / engine.LOCK), FileLock(trained / engine.LOCK):
        found = {job.kind: job for job in find_jobs([first, second])}
        assert set(found) == {"survey", "repair"} and all(job.active for job in found.values())
        one = found["survey"]
        assert (one.title, one.share, one.told) == ("My survey", 0.25, "Measuring 1 of 4 · about 60 s left")
        assert (one.study, one.page, one.link.params()) == (first, navigation.SURVEY, {"survey": "one"})
        assert (found["repair"].page, found["repair"].link.params()) == (navigation.REPAIR, {"repair": "two"})
        assert found["repair"].title
        for job in found.values():
            assert job.halt
            job.halt()
        assert engine.told_to_stop(asked) and engine.told_to_stop(trained)
        assert all("stopping" in job.told for job in find_jobs([first, second]))
    stopped = find_jobs([first, second])  # their processes are gone
    assert {job.state for job in stopped} == {engine.STOPPED} and not any(job.active for job in stopped)


def test_a_job_that_failed_says_why_and_leaves_the_list_after_a_day(tmp_path: Path):
    folder = study(tmp_path / "a")
    place = repair(folder)
    engine.write_progress(place, engine.FAILED, error="the disk is full")
    (job,) = find_jobs([folder])
    assert (job.state, job.told) == (engine.FAILED, "failed: the disk is full")
    old = time.time() - ENDED - 60
    os.utime(place / engine.PROGRESS, (old, old))
    assert find_jobs([folder]) == []
    engine.write_progress(place, engine.DONE)
    (place / PLAN).write_text("broken")
    assert find_jobs([folder]) == []  # the page itself says what is wrong with it


def test_a_build_that_was_killed_is_found_by_what_it_left(tmp_path: Path):
    folder = study(tmp_path / "a")
    place = folder / "vectors" / "f"
    place.mkdir(parents=True)
    Manifest("base", {}, 600, 256, [1], ["state"], 1, files={"shard-00000.safetensors": "x"}).write(place)
    (job,) = find_jobs([folder])
    assert (job.kind, job.state, job.told) == ("build", engine.STOPPED, "256 of 600 rows are made · stopped")
    assert job.share == 256 / 600 and job.link.params() == {"new": "1", "step": "vectors"}
    with FileLock(place / engine.LOCK):
        (job,) = find_jobs([folder])
        assert job.active and job.told == "256 of 600 rows are made in another process"
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["files"]["stats.safetensors"] = "x"
    (place / "manifest.json").write_text(json.dumps(manifest))
    assert find_jobs([folder]) == []
