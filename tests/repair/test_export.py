"""The edited data for another trainer: the rows of the training, and scripts that read them alike."""

import io
import json
import runpy
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data.study import DATAPOINTS, Study
from explorer.progress import silent
from explorer.repair.arms import CORRECTED, edited_rows, read_setting
from explorer.repair.export import edit_rows, edited_zip, missing_corrections, plan_zip
from explorer.repair.plan import Plan
from explorer.repair.train import load_base, read_rows
from tests.repair.conftest import plan_of


def unzip(content: bytes, folder: Path) -> dict[str, Any]:
    """Unpack a zip; returns what edited.json says."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return json.loads((folder / "edited.json").read_text())


def exported(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().split("\n") if line]


def trained_ids(study: Study, plan: Plan) -> list[tuple[list[int], list[list[int]]]]:
    """(prompt, answers) as token ids of every row that the top arm trains on."""
    setting = read_setting(study, plan)
    recipe, kind = setting.stage.recipe, setting.stage.kind
    rows = edited_rows(setting, plan.top, silent)
    data = read_rows(load_base(recipe), rows, kind, recipe)
    turned = [row.get("edit") == "swap" for row in rows]
    pairs = [(r["prompt_ids"], r["answers"][:: -1 if t else 1]) for r, t in zip(data, turned, strict=True) if r["kept"]]
    return pairs


@pytest.mark.parametrize(
    ("kind", "edit", "settings"),
    [
        ("sft", "drop", {}),
        ("sft", "replace", {"end_of_turn": False}),
        ("sft", "replace", {"template": "raw"}),
        ("dpo", "swap", {}),
        ("dpo", "drop", {"template": "raw", "end_of_turn": False}),
    ],
)
def test_the_script_trains_on_what_the_repair_trains_on(study, tmp_path, monkeypatch, kind, edit, settings):
    """Token by token, system prompts and corrected answers included, after TRL has prepared its data."""
    table = study.datapoints()
    systems = pa.array([None if i % 2 else "Be brief." for i in range(len(table))])
    pq.write_table(table.append_column("system", systems), study.folder / DATAPOINTS)
    study = replace(study, **settings)
    monkeypatch.setattr("explorer.data.study.open_study", lambda *_: study)
    plan = plan_of(study, edit, k=4, train=kind, arms=["none", "top"], share=0.5)
    unzip(plan_zip(study, plan), tmp_path)
    monkeypatch.chdir(tmp_path)
    trainer = runpy.run_path(f"train-{kind}.py", run_name="script")["trainer"]
    rows = [dict(row) for row in trainer.train_dataset]
    if kind == "dpo":
        read = [(row["prompt_ids"], [row["chosen_ids"], row["rejected_ids"]]) for row in rows]
    else:
        starts = [row["labels"].count(-100) if "labels" in row else row["completion_mask"].count(0) for row in rows]
        read = [(row["input_ids"][:n], [row["input_ids"][n:]]) for row, n in zip(rows, starts, strict=True)]
    expected = trained_ids(study, plan)
    assert read == expected and len(expected) == 12 - (4 if edit == "drop" else 0)
    trainer.args.max_steps = 1
    trainer.train()


def test_generated_corrections_are_those_of_the_training(study, tmp_path):
    plan = plan_of(study, "replace", arms=["none", "top"])
    setting, reports = read_setting(study, plan), []
    assert missing_corrections(study, plan) == 4
    about = unzip(plan_zip(study, plan, lambda *report: reports.append(report)), tmp_path)
    file = setting.folder(plan.top) / CORRECTED
    assert set(json.loads(file.read_text())) == set(plan.top.ids) and missing_corrections(study, plan) == 0
    assert reports[-1][1:] == (4, 4)
    rows = exported(tmp_path, "data-answers.jsonl")
    trained = edited_rows(setting, plan.top, silent)
    assert {r["id"]: r["completion"][0]["content"] for r in rows} == {r["id"]: r["response"] for r in trained}
    assert about["ids"] == list(plan.top.ids) and about["stage"]["start"] is None and about["share"] == 1
    file.write_text(json.dumps(dict.fromkeys(plan.top.ids, "It is so.")))  # made before: not made again
    unzip(plan_zip(study, plan), tmp_path)
    changed = [
        r["id"] for r in exported(tmp_path, "data-answers.jsonl") if r["completion"][0]["content"] == "It is so."
    ]
    assert sorted(changed) == list(plan.top.ids)


def test_rows_without_a_correction_are_named_where_nothing_can_be_generated(study, tmp_path):
    rows = [{"id": name, "prompt": "p", "response": "r", "corrected": "c" if name == "a" else None} for name in "ab"]
    pq.write_table(pa.Table.from_pylist(rows), study.folder / DATAPOINTS)
    about = unzip(edited_zip(study, ["a", "b"], "replace", {"behavior": "vowels"}), tmp_path)
    assert about["left_out"] == ["b"] and about["ids"] == ["a", "b"]


def test_edited_rows_for_somebody_elses_trainer(study):
    table = study.datapoints()
    pair = next(row for row in table.to_pylist() if row.get("chosen"))
    swapped = {row["id"]: row for row in edit_rows(table, {pair["id"]}, "swap")}
    assert len(swapped) == table.num_rows and swapped[pair["id"]]["chosen"] == pair["rejected"]
    assert len(edit_rows(table, {pair["id"]}, "drop")) == table.num_rows - 1
