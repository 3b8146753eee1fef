"""A whole repair on a tiny model: training, rates, stopping, killing, sharing runs; and what can't go on."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from explorer import jobs
from explorer.errors import ExplorerError
from explorer.jobs import PROGRESS, is_running, log_tail, stop
from explorer.model import embedded
from explorer.progress import Stopped, silent
from explorer.repair import arms, job, train
from explorer.repair.arms import read_setting
from explorer.repair.job import start, status
from explorer.repair.plan import repair_folders, run_folder, save_plan
from explorer.repair.results import read_result
from tests.repair.conftest import plan_of


@pytest.mark.slow
def test_a_repair_from_plan_to_verdict(study):
    plan = plan_of(study)
    folder = save_plan(study, plan)
    assert status(folder).state == "new" and read_result(folder) is None
    reports: list[str] = []
    rows = job.run_repair(study, plan, lambda what, *_: reports.append(what))
    assert [(r.arm, r.k) for r in rows] == [("none", 0), ("top", 4), ("random", 4), ("bottom", 4)]
    assert all(r.n == 4 and r.control is not None and r.guard is not None for r in rows)
    values = job.repair_json(folder)
    assert values["state"] == "done" and values["of"] == 4 and values["verdict"] in reports[-1]
    arms = {"none-0", "top-4", "random-4", "bottom-4"}
    assert len(values["examples"]) == 4 and set(values["examples"][0]["answers"]) == arms
    weights = [load_file(run_folder(study, r.run) / "adapter/adapter_model.safetensors") for r in rows]
    assert any(not torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    for r in rows:  # the rate is the share of the model's own answers that match
        lines = (run_folder(study, r.run) / "answers.jsonl").read_text().splitlines()
        answers = {row["prompt"]: row["answer"] for row in map(json.loads, filter(None, lines))}
        held = [b for b in study.behaviors() if b.half == "evaluation"]
        assert r.hits == sum(any(c in "aeiouAEIOU" for c in answers[b.prompt]) for b in held)
    # what result.json tells is not trained again, as long as data and recipe are the same
    run = run_folder(study, rows[1].run)
    run.rename(run.with_name("away"))
    assert job.run_repair(study, plan) == rows and not run.exists()
    assert job.repair_json(folder)["examples"] == values["examples"]
    # a second repair shares the unedited training
    again = save_plan(study, plan_of(study, k=3, arms=["none", "top"]))
    before = (run_folder(study, rows[0].run) / "adapter").stat().st_mtime_ns
    more = job.execute(study, again)
    assert more[0].run == rows[0].run and more[1].run != rows[1].run
    assert (run_folder(study, rows[0].run) / "adapter").stat().st_mtime_ns == before
    assert repair_folders(study)[0] == again


@pytest.mark.slow
def test_figures_of_another_repair_are_not_made_again(study, monkeypatch):
    """Where the trained models are gone, their figures stand in, if the same was asked of them."""
    plans = [plan_of(study, arms=["none", "top"]), plan_of(study, k=3, arms=["none", "top"])]
    rows = job.run_repair(study, plans[0])
    shutil.rmtree(study.folder / "repairs/runs")
    trained: list[tuple] = []
    real = job.train
    monkeypatch.setattr(job, "train", lambda s, arm, *rest: trained.append((arm.arm, arm.k)) or real(s, arm, *rest))
    assert job.run_repair(study, plans[1])[0] == rows[0]
    assert trained == [("top", 3)]
    answers = [job.repair_json(save_plan(study, plan))["examples"][0]["answers"] for plan in plans]
    assert answers[0]["none-0"] == answers[1]["none-0"] and set(answers[1]) == {"none-0", "top-3"}
    lines = (study.folder / "behaviors.jsonl").read_text().replace("aeiou", "aeiouy")  # another pattern is counted
    (study.folder / "behaviors.jsonl").write_text(lines)
    job.run_repair(study, plans[0])
    assert trained[1:] == [("none", 0), ("top", 4)]


def test_a_stopped_job_goes_on_to_the_same_end(study, tmp_path):
    plan = plan_of(study, arms=["none"])
    folder = save_plan(study, plan)
    setting, (arm,) = read_setting(study, plan), plan.arms

    def stop_at_3(what: str, done: float = 0, total: float = 0, /):
        if (what, done) == ("training", 2):
            stop(folder)

    with pytest.raises(Stopped):
        job.execute(study, folder, stop_at_3)
    assert status(folder).state == "stopped" and not (setting.folder(arm) / "adapter").exists()
    reports: list[str] = []
    job.execute(study, folder, lambda what, *_: reports.append(what))
    assert any("going on at checkpoint-3" in report for report in reports) and status(folder).state == "done"
    resumed = arms.train(setting, arm, silent)
    rows = [dict(row) for row in setting.rows]
    straight = train.train_sft(rows, replace(setting.stage.recipe, seed=arm.seed, keep=1), tmp_path / "straight")[-1]
    one, two = (load_file(Path(f) / "adapter_model.safetensors") for f in (resumed.adapter or "", straight))
    assert all(torch.allclose(one[k].float(), two[k].float(), atol=1e-2) for k in one)


@pytest.mark.slow
def test_a_killed_job_is_seen_and_goes_on(study):
    folder = save_plan(study, plan_of(study, arms=["none", "top", "random"], seeds=2))
    start(study, folder)
    assert status(folder).state == "starting" and status(folder).active
    deadline = time.time() + 150
    while status(folder).what != "training" and time.time() < deadline:
        time.sleep(0.1)
    assert is_running(folder) and status(folder).state == "running", log_tail(folder)
    with pytest.raises(ExplorerError, match="running already"):
        job.execute(study, folder)
    pid = subprocess.run(["pgrep", "-f", folder.name], capture_output=True, text=True, check=True).stdout.split()
    for one in pid:
        os.kill(int(one), signal.SIGKILL)
    time.sleep(0.5)
    assert status(folder).state == "stopped"
    rows = job.execute(study, folder)
    assert len(rows) == 6 and status(folder).state == "done"


@pytest.mark.slow
def test_two_jobs_queue(study):
    folder = save_plan(study, plan_of(study, arms=["none"]))
    with FileLock(embedded.cache_folder() / "repair.lock"):
        start(study, folder)
        deadline = time.time() + 60
        while status(folder).state != "queued" and time.time() < deadline:
            time.sleep(0.1)
        assert status(folder).state == "queued" and is_running(folder)
        stop(folder)
        while is_running(folder) and time.time() < deadline:
            time.sleep(0.1)
    assert status(folder).state == "stopped" and read_result(folder) is None


def test_a_job_that_does_not_start_is_stopped_after_a_while(study):
    folder = save_plan(study, plan_of(study, arms=["none"]))
    (folder / PROGRESS).write_text('{"state": "queued"}')
    assert status(folder).state == "starting"
    os.utime(folder / PROGRESS, (1e9, 1e9))
    assert status(folder).state == "stopped" and not status(folder).active
    (folder / PROGRESS).write_text("[]")
    assert status(folder).state == "new"


def test_an_adapter_of_another_model_is_named(study, tiny):
    weights = study.folder / "adapters/sft/adapter_model.safetensors"
    save_file({k: torch.cat([v, v], 1) for k, v in load_file(weights).items()}, weights)
    folder = save_plan(study, plan_of(study, "swap", train="dpo", arms=["none"]))
    with pytest.raises(ExplorerError, match="does not fit this model"):
        job.execute(study, folder)
    assert status(folder).state == "failed" and "does not fit" in status(folder).error


def test_a_full_disk_is_a_sentence_and_loses_nothing(study, monkeypatch):
    folder = save_plan(study, plan_of(study, arms=["none", "top"]))
    real = arms.append_lines
    full = {"now": False}

    def append(path, rows):
        if full["now"]:
            raise OSError(28, "No space left on device")
        real(path, rows)
        full["now"] = path.name == "answers.jsonl"

    monkeypatch.setattr(arms, "append_lines", append)
    with pytest.raises(ExplorerError, match="No space left"):
        job.execute(study, folder)
    assert status(folder).state == "failed"
    monkeypatch.setattr(arms, "append_lines", real)
    assert len(job.execute(study, folder)) == 2


def test_a_disk_that_is_full_for_json_too_is_a_sentence(study, monkeypatch):
    """Neither the result nor the state can be written: the first error is told, and the job can go on later."""
    folder = save_plan(study, plan_of(study, arms=["none"]))

    def no_space(path, value):
        raise ExplorerError(f"{path}: the disk is full; what was written before is kept, free some space.")

    with monkeypatch.context() as full:
        for module in (job, jobs):
            full.setattr(module, "write_json", no_space)
        with pytest.raises(ExplorerError, match=r"progress\.json: the disk is full"):
            job.execute(study, folder)
    assert len(job.execute(study, folder)) == 1 and status(folder).state == "done"


def test_nothing_more_is_trained_after_an_unedited_model_without_the_behavior(study, monkeypatch):
    lines = (study.folder / "behaviors.jsonl").read_text().replace("(?i)[aeiou]", "never said")
    (study.folder / "behaviors.jsonl").write_text(lines)
    trained: list[str] = []
    real = job.train
    monkeypatch.setattr(job, "train", lambda s, arm, *rest: trained.append(arm.arm) or real(s, arm, *rest))
    plan, reports = plan_of(study), []
    for _ in range(2):  # the second time nothing is trained at all
        rows = job.run_repair(study, plan, lambda what, *_: reports.append(what))
        assert trained == ["none"] and [row.arm for row in rows] == ["none"] and rows[0].rate == 0
        values = job.repair_json(save_plan(study, plan))
        assert values["state"] == "done" and values["of"] == 1 and reports[-1] == values["verdict"]
        assert values["verdict"].startswith("Nothing can be shown: only 0%")
        assert status(save_plan(study, plan)).state == "done"
