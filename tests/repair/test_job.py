"""A whole repair on a tiny model: plan, training, rates, stopping, killing, sharing runs; and bad input."""

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
from safetensors.torch import load_file

from explorer.data.study import Study, create_study
from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.ranking.rank import Choice, behavior_items, rank
from explorer.repair import arms as run
from explorer.repair import job, train
from explorer.repair.estimate import FRESH, PACE, estimate
from explorer.repair.export import edit_rows
from explorer.repair.plan import NotRepeatable, make_plan, read_plan, save_plan
from explorer.repair.recipe import Stopped

BM25 = Choice("bm25")


def quiet(_message: str) -> None:
    pass


def plan_of(study: Study, edit: str = "drop", k: int = 4, **more):
    settings = {"stage": "sft", "seeds": 1} | more
    ranking = rank(study, None, behavior_items(study, "vowels"), BM25)
    return make_plan(study, "vowels", edit, [k], ranking, **settings)


def test_arms_are_what_they_say(study):
    plan = plan_of(study, k=5, seeds=3)
    assert [(a.arm, a.seed) for a in plan.arms] == [
        ("none", 0), ("top", 0), ("random", 0), ("bottom", 0), ("none", 1), ("top", 1), ("random", 1), ("none", 2),
        ("top", 2), ("random", 2),
    ]  # fmt: skip
    table = study.datapoints()
    scores = rank(study, None, behavior_items(study, "vowels"), BM25).scores
    own = [i for i, stage in enumerate(table["stage"].to_pylist()) if stage == "sft"]
    ids = table["id"].to_pylist()
    score = {ids[i]: scores[i] for i in own}
    top, bottom = plan.arms[1].ids, plan.arms[3].ids
    rest = [score[i] for i in score if i not in top]
    assert len(top) == 5 and min(score[i] for i in top) >= max(rest)
    assert len(bottom) == 5 and max(score[i] for i in bottom) <= min(score[i] for i in score if i not in bottom)
    drawn = [set(a.ids) for a in plan.arms if a.arm == "random"]
    assert all(len(some) == 5 and some <= score.keys() for some in drawn) and drawn[0] != drawn[1] != drawn[2]
    assert plan_of(study, k=5, seeds=3) == plan and read_plan(save_plan(study, plan)) == plan


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_arms_of_a_seed_see_the_same_batches_but_for_the_edits(study, kind, monkeypatch):
    """What goes into the model: without the edited rows, every batch of every step is the same in all arms."""
    seen: dict[str, list[list[tuple]]] = {}
    real = train._collate
    current = ""

    def spy(rows):
        seen.setdefault(current, []).append([(r["prompt_ids"], r["answers"], r["kept"]) for r in rows])
        return real(rows)

    monkeypatch.setattr(train, "_collate", spy)
    edit = "drop" if kind == "sft" else "swap"
    plan = plan_of(study, edit, stage=kind, seeds=2, arms=["none", "top", "random"])
    of = run.setting(study, plan)
    for arm in plan.arms:
        current = f"{arm.arm}{arm.seed}"
        run.train(of, arm, quiet, lambda *_: False)
    plain = {tuple(r[0]): r for batch in seen["none0"] for r in batch}
    for name in ("top", "random"):
        for seed in (0, 1):
            assert len(seen[f"{name}{seed}"]) >= 6
            changed = set()
            steps = zip(seen[f"none{seed}"][-6:], seen[f"{name}{seed}"][-6:], strict=True)
            for one, other in steps:
                assert [r[0] for r in one] == [r[0] for r in other]
                for (_, a, kept), (ids, b, also) in zip(one, other, strict=True):
                    assert kept
                    if edit == "drop":
                        assert a == b
                        changed |= set() if also else {tuple(ids)}
                    else:
                        assert also and b in (a, a[::-1])
                        changed |= {tuple(ids)} if a != b else set()
            assert len(changed) == 4 and changed <= plain.keys()
    orders = [[r[0] for batch in seen[f"none{seed}"][-6:] for r in batch] for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_dropping_a_row_is_training_without_it(study):
    """The gradient of a batch with a dropped row equals the one of the batch that never had it."""
    plan = plan_of(study)
    of = run.setting(study, plan)
    recipe = replace(of.stage.recipe, seed=0)
    tokenizer, _ = train._load(recipe)
    rows = [train._tokenise(tokenizer, row, ("response",)) for row in of.rows[:3]]
    dropped = [*rows[:2], rows[2] | {"kept": False}]
    whole, without = train._collate(dropped), train._collate(rows[:2])
    assert all(torch.equal(whole[name], without[name]) for name in without)
    assert train._collate([rows[0] | {"kept": False}])["counts"] == 0 and without["counts"] == 1


def test_a_repair_from_plan_to_verdict(study):
    plan = plan_of(study)
    folder = save_plan(study, plan)
    assert job.status(folder).state == "new" and job.read_result(folder) is None
    said: list[str] = []
    rows = job.execute(study, folder, said.append)
    assert [(r.arm, r.k) for r in rows] == [("none", 0), ("top", 4), ("random", 4), ("bottom", 4)]
    assert all(r.n == 4 and r.control is not None and r.guard is not None for r in rows)
    found = job.as_json(folder)
    assert found["state"] == "done" and found["of"] == 4 and found["verdict"] in said[-1]
    assert len(found["examples"]) == 4 and set(found["examples"][0]["answers"]) == {
        "none-0",
        "top-4",
        "random-4",
        "bottom-4",
    }
    weights = [load_file(study.folder / "repairs/runs" / r.run / "adapter/adapter_model.safetensors") for r in rows]
    assert any(not torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    for r in rows:  # the rate is the share of the model's own answers that match
        lines = (study.folder / "repairs/runs" / r.run / "answers.jsonl").read_text().splitlines()
        answers = {row["prompt"]: row["answer"] for row in map(json.loads, filter(None, lines))}
        held = [b for b in study.behaviors() if b.half == "evaluation"]
        assert r.hits == sum(any(c in "aeiouAEIOU" for c in answers[b.prompt]) for b in held)
    # what result.json tells is not trained again, as long as data and recipe are the same
    kept = study.folder / "repairs/runs" / rows[1].run
    kept.rename(kept.with_name("away"))
    assert job.execute(study, folder, said.append) == rows and not kept.exists()
    assert job.as_json(folder)["examples"] == found["examples"]
    # a second repair shares the unedited training
    again = save_plan(study, plan_of(study, k=3, arms=["none", "top"]))
    before = (study.folder / "repairs/runs" / rows[0].run / "adapter").stat().st_mtime_ns
    more = job.execute(study, again, quiet)
    assert more[0].run == rows[0].run and more[1].run != rows[1].run
    assert (study.folder / "repairs/runs" / rows[0].run / "adapter").stat().st_mtime_ns == before
    assert job.repairs(study)[0] == again


def test_figures_of_another_repair_are_not_made_again(study, monkeypatch):
    """Where the trained models are gone, their figures stand in, if the same was asked of them."""
    done = save_plan(study, plan_of(study, arms=["none", "top"]))
    rows = job.execute(study, done, quiet)
    shutil.rmtree(study.folder / "repairs/runs")
    trained: list[tuple] = []
    real = job.train
    monkeypatch.setattr(job, "train", lambda of, arm, *rest: trained.append((arm.arm, arm.k)) or real(of, arm, *rest))
    more = save_plan(study, plan_of(study, k=3, arms=["none", "top"]))
    assert job.execute(study, more, quiet)[0] == rows[0]
    assert trained == [("top", 3)]
    answers = [job.as_json(folder)["examples"][0]["answers"] for folder in (done, more)]
    assert answers[0]["none-0"] == answers[1]["none-0"] and set(answers[1]) == {"none-0", "top-3"}
    lines = (study.folder / "behaviors.jsonl").read_text().replace("aeiou", "aeiouy")  # another pattern is counted
    (study.folder / "behaviors.jsonl").write_text(lines)
    job.execute(study, done, quiet)
    assert trained[1:] == [("none", 0), ("top", 4)]


def test_a_stopped_job_goes_on_to_the_same_end(study, monkeypatch):
    plan = plan_of(study, arms=["none"])
    folder = save_plan(study, plan)
    of = run.setting(study, plan)
    real = job._tell

    def tell(where, **about):
        real(where, **about)
        if about.get("step") == 3 and about["what"] == "training":
            job.stop(where)

    monkeypatch.setattr(job, "_tell", tell)
    with pytest.raises(Stopped):
        job.execute(study, folder, quiet)
    assert job.status(folder).state == "stopped" and not of.folder(plan.arms[0]).joinpath("adapter").exists()
    monkeypatch.setattr(job, "_tell", real)
    said: list[str] = []
    job.execute(study, folder, said.append)
    assert any("going on at checkpoint-3" in line for line in said) and job.status(folder).state == "done"
    whole = run.train(of, replace(plan.arms[0], seed=0), quiet, lambda *_: False)
    other = plan.arms[0]
    straight = of.study.folder / "straight"
    rows = [dict(row) for row in of.rows]
    made = train.train_sft(rows, replace(of.stage.recipe, seed=other.seed, keep=1), straight, quiet)[-1]
    one, two = (load_file(Path(f) / "adapter_model.safetensors") for f in (whole.adapter or "", made))
    assert all(torch.allclose(one[k].float(), two[k].float(), atol=1e-2) for k in one)


def test_a_killed_job_is_seen_and_goes_on(study):
    folder = save_plan(study, plan_of(study, arms=["none", "top"]))
    job.start(study, folder)
    deadline = time.time() + 90
    while job.status(folder).what != "training" and time.time() < deadline:
        time.sleep(0.1)
    assert job.is_running(folder) and job.status(folder).state == "running", job.log_tail(folder)
    with pytest.raises(ExplorerError, match="running already"):
        job.execute(study, folder, quiet)
    pid = subprocess.run(["pgrep", "-f", folder.name], capture_output=True, text=True, check=True).stdout.split()
    for one in pid:
        os.kill(int(one), signal.SIGKILL)
    time.sleep(0.5)
    assert job.status(folder).state == "stopped"
    rows = job.execute(study, folder, quiet)
    assert len(rows) == 2 and job.status(folder).state == "done"


def test_two_jobs_queue(study):
    folder = save_plan(study, plan_of(study, arms=["none"]))
    with FileLock(embedded.cache_folder() / "repair.lock"):
        job.start(study, folder)
        deadline = time.time() + 60
        while not job.is_running(folder) and time.time() < deadline:
            time.sleep(0.1)
        time.sleep(1.5)
        assert job.status(folder).state == "queued"
        job.stop(folder)
        while job.is_running(folder) and time.time() < deadline:
            time.sleep(0.1)
    assert job.status(folder).state == "stopped" and job.read_result(folder) is None


def test_replace_puts_whole_sentences_of_the_first_model_in(study):
    plan = plan_of(study, "replace", arms=["top"])
    of = run.setting(study, plan)
    arm = plan.arms[0]
    rows = run.edited(of, arm, of.folder(arm), quiet)
    for row, old in zip(rows, of.rows, strict=True):
        assert (row["response"] != old["response"]) == (row["id"] in arm.ids)
    assert (
        run.whole_sentences("It is so. It was no") == "It is so."
        and run.whole_sentences("none at all") == "none at all"
    )
    given = [dict(old) | {"corrected": "Yes."} for old in of.rows if old["id"] in arm.ids]
    assert set(run.corrections(of, given, of.folder(arm) / "x.json", quiet).values()) == {"Yes."}


def test_a_basket_is_a_plan_without_a_bottom(study):
    ids = [row["id"] for row in study.datapoints().to_pylist() if row["stage"] == "dpo"][:3]
    plan = make_plan(study, "vowels", "swap", [], chosen=ids, seeds=1)
    assert plan.stage == "dpo" and plan.ranking == {} and plan.arms[1].ids == tuple(sorted(ids))
    assert [a.arm for a in plan.arms] == ["none", "top", "random"] and {a.k for a in plan.arms} == {0, 3}
    small = make_plan(study, "vowels", "drop", [], chosen=ids, seeds=1, share=0.1)
    assert small.arms[1].ids == tuple(sorted(ids)) and len(run.setting(study, small).rows) == small.rows <= 5
    mixed = [*ids, next(row["id"] for row in study.datapoints().to_pylist() if row["stage"] == "sft")]
    with pytest.raises(ExplorerError, match="one stage"):
        make_plan(study, "vowels", "drop", [], chosen=mixed)


def test_a_share_of_the_rows(study):
    plan = plan_of(study, share=0.5)
    of = run.setting(study, plan)
    assert plan.rows == len(of.rows) == 12
    assert {i for a in plan.arms for i in a.ids} <= {row["id"] for row in of.rows}


def test_bad_input(study, tmp_path):
    for match, call in {
        "k is 500": lambda: plan_of(study, k=500),
        "k is 30": lambda: plan_of(study, k=30),
        "k is 0": lambda: plan_of(study, k=0),
        "no behavior 'x'": lambda: make_plan(study, "x", "drop", [3]),
        "no held-out prompt": lambda: make_plan(study, "nothing", "drop", [3]),
        "does not apply to stage 'sft'": lambda: plan_of(study, "swap"),
        "does not apply to stage 'dpo'": lambda: plan_of(study, "replace", stage="dpo"),
        "no stage 'rlhf'": lambda: plan_of(study, stage="rlhf"),
        "Edit 'burn' is unknown": lambda: plan_of(study, "burn"),
        "share is 0": lambda: plan_of(study, share=0.0),
        "Nothing to edit": lambda: make_plan(study, "vowels", "drop", []),
        "not a plan": lambda: read_plan(tmp_path),
    }.items():
        with pytest.raises(ExplorerError, match=match):
            call()
    rows = [{"id": "a", "prompt": "p", "response": "r"}]
    line = {"id": "b", "name": "vowels", "prompt": "p", "bad": "r", "exhibits": "r", "half": "evaluation"}
    bare = create_study(tmp_path / "bare", name="bare", model="smollm2", datapoints=rows, behaviors=[line])
    with pytest.raises(NotRepeatable, match="can't be repeated"):
        make_plan(bare, "vowels", "drop", [1], rank(bare, None, behavior_items(bare, "vowels"), BM25))


def test_an_adapter_of_another_model_is_named(study, tiny):
    weights = study.folder / "adapters/sft/adapter_model.safetensors"
    from safetensors.torch import save_file

    save_file({k: torch.cat([v, v], 1) for k, v in load_file(weights).items()}, weights)
    folder = save_plan(study, plan_of(study, "swap", stage="dpo", arms=["none"]))
    with pytest.raises(ExplorerError, match="does not fit this model"):
        job.execute(study, folder, quiet)
    assert job.status(folder).state == "failed" and "does not fit" in job.status(folder).error


def test_a_full_disk_is_a_sentence_and_loses_nothing(study, monkeypatch):
    folder = save_plan(study, plan_of(study, arms=["none", "top"]))
    real = run.append_lines
    full = {"now": False}

    def append(path, rows):
        if full["now"]:
            raise OSError(28, "No space left on device")
        real(path, rows)
        full["now"] = path.name == "answers.jsonl"

    monkeypatch.setattr(run, "append_lines", append)
    with pytest.raises(ExplorerError, match="No space left"):
        job.execute(study, folder, quiet)
    assert job.status(folder).state == "failed"
    monkeypatch.setattr(run, "append_lines", real)
    assert len(job.execute(study, folder, quiet)) == 2


def test_edited_rows_for_somebody_elses_trainer(study):
    table = study.datapoints()
    pair = next(row for row in table.to_pylist() if row.get("chosen"))
    swapped = {row["id"]: row for row in edit_rows(table, {pair["id"]}, "swap")}
    assert len(swapped) == table.num_rows and swapped[pair["id"]]["chosen"] == pair["rejected"]
    assert len(edit_rows(table, {pair["id"]}, "drop")) == table.num_rows - 1


def test_command(study, capsys):
    from explorer.cli.main import main

    told = ["repair", str(study.folder), "--behavior", "vowels", "--edit", "drop", "--top", "4", "--method", "bm25"]
    assert main([*told, "--train", "sft", "--dry-run"]) == 0
    assert "10 trainings of stage 'sft' on 24 rows (drop)" in capsys.readouterr().err
    assert main([*told, "--train", "sft", "--small", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {a["arm"] for a in found["arms"]} == {"none", "top", "random"} and found["share"] == 0.3
    assert main([*told, "--export", str(study.folder / "edited.zip"), "--train", "sft"]) == 0
    assert (study.folder / "edited.zip").stat().st_size > 1000
    assert main([*told[:-4], "--edit", "drop"]) == 2 and "Nothing to do" in capsys.readouterr().err
    assert main([*told[:7], "4,x"]) == 2 and "whole numbers" in capsys.readouterr().err


def test_an_estimate_counts_what_is_not_trained_yet(study):
    plan = plan_of(study, arms=["none", "top"])
    whole = estimate(study, plan)
    job.execute(study, save_plan(study, plan_of(study, arms=["none"])), quiet)
    assert 0 < estimate(study, plan) < whole
    kept = study.folder / "repairs" / PACE
    slow = {key: pace | {"step": 1e6} for key, pace in json.loads(kept.read_text()).items()}
    kept.write_text(json.dumps(slow))
    assert estimate(study, plan) > 1e6
    kept.write_text(json.dumps({key: pace | {"at": pace["at"] - 2 * FRESH} for key, pace in slow.items()}))
    assert estimate(study, plan) < 1e6  # a busy moment is not remembered for long
