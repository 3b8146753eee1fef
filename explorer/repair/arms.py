"""The trainings of a repair: the rows of each arm, training on them, asking the trained model.

A training is named by a digest of all that it depends on, so that two repairs that need the same one (the unedited
one, say) share it. Its folder holds ``adapter/``, ``loss.jsonl``, ``answers.jsonl`` and, until it is done, what a
resumed training needs: ``work/``.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import append_lines, write_json
from explorer.limits import TRAINING_TOKENS
from explorer.model.adapter_tokenizer import FILES
from explorer.model.generate import answers, generate
from explorer.model.load import ModelSpec, dtype_of, load_model
from explorer.progress import Progress
from explorer.reading import read_json, read_whole_lines
from explorer.repair.checks import UNSTATED, Check, check_prompts
from explorer.repair.choose import sampled
from explorer.repair.plan import NONE, REPLACE, Arm, Plan, run_folder
from explorer.repair.stages import LLAMA_MAPS, Stage, read_stages, rows_of
from explorer.vectors.fingerprint import FIELDS, READ_AS, cutting, file_digest, model_digest, rows_digest
from explorer.vectors.items import row_items

TRAINING, ANSWERING = "training", "answering"
"""What a Progress is told: steps of the training, answers of the trained model."""
CORRECTED, LOSS, ANSWERS = "corrected.json", "loss.jsonl", "answers.jsonl"
CODE = 2
"""Raised with every change that makes another model of the same data and recipe."""
USUAL: dict[str, Any] = {"template": "chat", "turns": "all", "end_of_turn": True, "max_tokens": TRAINING_TOKENS}
USUAL |= {"system": False, "targets": LLAMA_MAPS}
"""How trainings that do not tell read their rows, and what their adapters changed."""
_LOSS = ("step", "loss", "seconds")


@dataclass(frozen=True)
class Setting:
    """The stage of a plan with its rows, before any edit. ``made_from``: what every training of it depends on."""

    study: Study
    stage: Stage
    rows: tuple[dict[str, Any], ...]
    edit: str
    made_from: dict[str, Any]

    def digest(self, arm: Arm) -> str:
        """Return the name of the training of an arm."""
        edits: list[Any] = [self.edit, sorted(arm.ids)] if arm.ids else []
        if arm.ids and self.edit == REPLACE:
            given = {row["id"]: row.get("corrected") for row in self.rows if row["id"] in set(arm.ids)}
            edits += [given, self.study.answer_tokens]
        text = json.dumps([self.made_from, arm.seed, edits], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def folder(self, arm: Arm) -> Path:
        """Return the folder of the training of an arm."""
        return run_folder(self.study, self.digest(arm))

    @property
    def reference(self) -> Path:
        """File with the reference model's log-probabilities of the unedited pairs, which all arms share (DPO)."""
        unedited = self.folder(Arm(NONE, 0, 0))
        return unedited.with_name(f"reference-{unedited.name}.safetensors")


def read_setting(study: Study, plan: Plan) -> Setting:
    """Read the stage's rows, and name what the trainings of a plan depend on."""
    stages = read_stages(study)
    if plan.stage not in stages:
        raise ExplorerError(f"{study.folder}: the stage '{plan.stage}' of the repair is no longer in training.json.")
    stage, table = stages[plan.stage], study.datapoints()
    numbers = rows_of(table, stage, stages)
    edited_ids = [name for arm in plan.arms for name in arm.ids]
    edited = numbers[np.isin(np.array(table["id"].to_pylist(), dtype=object)[numbers], edited_ids)]
    rows = table.take(np.union1d(sampled(numbers, plan.share), edited).tolist()).to_pylist()
    digest = model_digest(stage.start_model(study))
    made_from: dict[str, Any] = {"code": CODE, "precision": str(dtype_of(ModelSpec())), "kind": stage.kind}
    made_from |= {"recipe": stage.to_json()["recipe"], "rows": rows_digest(rows)}
    made_from |= {"model": digest["model"], "adapter": digest["adapter"]} | _unusual(study, stage, rows)
    return Setting(study, stage, tuple(rows), plan.edit, made_from)


def _unusual(study: Study, stage: Stage, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a training depends on further, as far as it differs from ``USUAL``."""
    values: dict[str, Any] = {name: getattr(study, name) for name in READ_AS}
    values["system"] = any(row.get("system") for row in rows)
    targets = stage.recipe.targets  # of a fresh adapter; another one brings its own
    values["targets"] = LLAMA_MAPS if stage.start else [targets] if isinstance(targets, str) else [*(targets or ())]
    if stage.recipe.tokenizer:
        files = [file for name in FILES if (file := Path(stage.recipe.tokenizer) / name).is_file()]
        values["tokenizer"] = [file_digest(file) for file in files]
    unusual = {name: value for name, value in values.items() if value != USUAL.get(name)}
    return unusual | cutting(pa.Table.from_pylist([{n: row.get(n) for n in FIELDS} for row in rows]), study.max_tokens)


def edited_rows(setting: Setting, arm: Arm, progress: Progress) -> list[dict[str, Any]]:
    """Return the stage's rows, with the field ``edit`` set for drop and swap, or another response for replace."""
    ids = set(arm.ids)
    if setting.edit != REPLACE or not ids:
        return [row | {"edit": setting.edit if row["id"] in ids else None} for row in setting.rows]
    edited = [row for row in setting.rows if row["id"] in ids]
    responses = corrected_responses(setting, edited, setting.folder(arm) / CORRECTED, progress)
    return [row | {"response": responses.get(row["id"], row["response"])} for row in setting.rows]


def corrected_responses(
    setting: Setting, rows: Sequence[dict[str, Any]], file: Path, progress: Progress
) -> dict[str, str]:
    """Return corrected responses by id: the row's field ``corrected``, else an answer of the stage's starting model.

    Generated answers are cut after their last whole sentence, and written to ``file`` for the next time.
    """
    given = {row["id"]: row["corrected"] for row in rows if row.get("corrected")}
    missing = [row for row in rows if row["id"] not in given]
    if missing and not file.is_file():
        loaded = load_model(setting.stage.start_model(setting.study), progress)
        prompts = [item.prompt for item in row_items(missing, setting.study.template == "raw")]
        texts = answers(loaded, prompts, setting.study.answer_tokens, progress=progress)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {row["id"]: whole_sentences(text) for row, text in zip(missing, texts, strict=True)})
    return given | (read_corrected(file) if missing else {})


def read_corrected(file: Path) -> dict[str, str]:
    """Read generated corrected responses by id. Raises ExplorerError."""
    return read_json(file, "corrected responses", dict[str, str])


def whole_sentences(text: str) -> str:
    """Cut a text after its last whole sentence; one without any stays whole."""
    match = re.match(r"(?s).*[.!?][\"'”’)]*(?=\s|$)", text)
    return match.group(0) if match else text or "I don't know."


def train(setting: Setting, arm: Arm, progress: Progress) -> ModelSpec:
    """Train the model of an arm unless it is there, and return it. Raises Stopped, ExplorerError."""
    folder, stage = setting.folder(arm), setting.stage
    adapter, work, losses = folder / "adapter", folder / "work", folder / LOSS
    if not (adapter / "adapter_model.safetensors").is_file():
        from explorer.repair.train import train_dpo, train_kto, train_sft  # seconds to import

        rows, recipe = edited_rows(setting, arm, progress), replace(stage.recipe, seed=arm.seed, keep=1)
        start = setting.study.folder / stage.start if stage.start else None
        if stage.pairs:
            saved = train_dpo(rows, recipe, start, work, progress, losses=losses, reference=setting.reference)
        elif stage.kind == "kto":
            saved = train_kto(rows, recipe, start, work, progress, losses=losses, reference=setting.reference)
        else:
            saved = train_sft(rows, recipe, work, progress, losses=losses, start=start)
        os.replace(saved[-1], adapter)
        shutil.rmtree(work)
    return ModelSpec(setting.study.model, adapter=str(adapter))


def ask(setting: Setting, arm: Arm, model: ModelSpec, checks: Sequence[Check], progress: Progress) -> list[str]:
    """Return greedy answers of an arm's model to the checks, reusing those of earlier repairs. Raises Stopped."""
    file, longest = setting.folder(arm) / ANSWERS, {"answer_tokens": setting.study.answer_tokens}
    lines: list[dict[str, Any]] = [{**UNSTATED, **row} for row in read_whole_lines(file)]
    whole = (row for row in lines if isinstance(row.get("prompt"), str) and isinstance(row.get("answer"), str))
    same = (row for row in whole if longest.items() <= row.items())
    known = {(row.get("system") or "", row["prompt"], bool(row.get("raw"))): row["answer"] for row in same}
    missing = [check for asked, check in {check.asked: check for check in checks}.items() if asked not in known]
    prompts, done = check_prompts(setting.study, missing), 0
    for batch in generate(load_model(model), prompts, setting.study.answer_tokens) if missing else ():
        texts = {missing[number].asked: text for number, text in batch.items()}
        append_lines(file, [_line(*asked, text) | longest for asked, text in texts.items()])
        known |= texts
        done += len(batch)
        progress(ANSWERING, done, len(missing))
    return [known[check.asked] for check in checks]


def _line(system: str, prompt: str, raw: bool, answer: str) -> dict[str, Any]:
    """A line of the answers of an arm."""
    told = {name: value for name, value in {"system": system, "raw": raw}.items() if value}
    return told | {"prompt": prompt, "answer": answer}


def read_losses(folder: Path) -> list[dict[str, float]]:
    """Read {step, loss, seconds} of a training so far; of a step that was trained twice after a kill, the later."""
    rows = read_whole_lines(folder / LOSS)
    by_step = {row["step"]: row for row in rows if all(isinstance(row.get(name), int | float) for name in _LOSS)}
    return [by_step[step] for step in sorted(by_step)]
