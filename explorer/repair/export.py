"""The edited data of a repair, for somebody's own trainer: rows, what was edited, and a script to start from."""

import io
import json
import zipfile
from typing import Any

import pyarrow as pa

from explorer.data.study import Study
from explorer.repair.plan import TOP, Plan

_SCRIPT = '''"""Trains on {file} with TRL and PEFT. Fill in MODEL and the settings of your own training."""

from datasets import load_dataset
from peft import LoraConfig
from trl import {kind}Config, {kind}Trainer

MODEL = {model!r}
data = load_dataset("json", data_files="{file}", split="train")
data = data.select_columns({columns!r})
trainer = {kind}Trainer(
    model=MODEL,
    args={kind}Config(output_dir="repaired", num_train_epochs=1, per_device_train_batch_size=8, seed=0),
    train_dataset=data,
    peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
trainer.save_model("repaired")
'''


def edit_rows(table: pa.Table, ids: set[str], edit: str) -> list[dict[str, Any]]:
    """All rows with some of them dropped or swapped; ``replace`` puts the column ``corrected`` in, or drops the row."""
    found = []
    for row in table.to_pylist():
        if row["id"] in ids:
            if edit == "swap" and row.get("chosen") is not None:
                row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
            elif edit == "replace" and row.get("corrected"):
                row["response"] = row["corrected"]
            else:
                continue
        found.append({name: value for name, value in row.items() if value is not None})
    return found


def edited_zip(study: Study, plan: Plan) -> bytes:
    """A zip of ``data.jsonl`` (all rows, the top's edited), ``edited.json`` (which and how) and ``train.py``."""
    arm = max((a for a in plan.arms if a.arm == TOP), key=lambda a: a.k)
    return zip_of(study, arm.ids, plan.edit, {"behavior": plan.behavior, "ranking": plan.ranking})


def zip_of(study: Study, ids: tuple[str, ...], edit: str, about: dict[str, Any]) -> bytes:
    """``edited_zip`` for datapoints chosen by hand; needs nothing but the study's rows."""
    rows = edit_rows(study.datapoints(), set(ids), edit)
    files = {"edited.json": json.dumps({**about, "edit": edit, "ids": list(ids)}, ensure_ascii=False, indent=1)}
    singles = [row for row in rows if row.get("response") is not None]
    pairs = [row for row in rows if row.get("response") is None]
    for name, kind, some, columns in (
        ("data-answers.jsonl", "SFT", [{**r, "completion": r["response"]} for r in singles], ["prompt", "completion"]),
        ("data-pairs.jsonl", "DPO", pairs, ["prompt", "chosen", "rejected"]),
    ):
        if some:
            files[name] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
            text = _SCRIPT.format(file=name, kind=kind, model=study.model, columns=columns)
            files[f"train-{kind.lower()}.py"] = text
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return out.getvalue()
