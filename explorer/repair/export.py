"""The edited data of a repair, for somebody's own trainer: rows, what was edited, and a script to start from."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from explorer.data.columns import PAIR
from explorer.data.study import Study
from explorer.repair.plan import REPLACE, SWAP, Plan

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
    """Return all rows, with those of ``ids`` edited; ``replace`` drops a row that has no ``corrected`` answer."""
    rows = []
    for row in table.to_pylist():
        if row["id"] in ids:
            if edit == SWAP and row.get("chosen") is not None:
                row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
            elif edit == REPLACE and row.get("corrected"):
                row["response"] = row["corrected"]
            else:
                continue
        rows.append({name: value for name, value in row.items() if value is not None})
    return rows


def plan_zip(study: Study, plan: Plan) -> bytes:
    """Return the ``edited_zip`` of a plan's largest top arm."""
    return edited_zip(study, plan.top.ids, plan.edit, {"behavior": plan.behavior, "ranking": plan.ranking})


def edited_zip(study: Study, ids: Sequence[str], edit: str, about: dict[str, Any]) -> bytes:
    """Return a zip of the study's rows with those of ``ids`` edited, and a training script for each kind of row.

    Holds ``data-answers.jsonl`` and ``train-sft.py``, ``data-pairs.jsonl`` and ``train-dpo.py``, as far as there are
    such rows, and ``edited.json``: the edit, the ids, and what is said ``about`` them.
    """
    rows = edit_rows(study.datapoints(), set(ids), edit)
    answers = [row | {"completion": row["response"]} for row in rows if "response" in row]
    pairs = [row for row in rows if "response" not in row]
    files = {"edited.json": json.dumps({**about, "edit": edit, "ids": list(ids)}, ensure_ascii=False, indent=1)}
    for kind, lines, columns in (("SFT", answers, ["prompt", "completion"]), ("DPO", pairs, ["prompt", *PAIR])):
        if lines:
            name = "data-answers.jsonl" if kind == "SFT" else "data-pairs.jsonl"
            files[name] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines)
            script = _SCRIPT.format(file=name, kind=kind, model=study.model, columns=columns)
            files[f"train-{kind.lower()}.py"] = script
    return zipped({name: text.encode() for name, text in files.items()})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Zip files by name; the bytes are the same every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
