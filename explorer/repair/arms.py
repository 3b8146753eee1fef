"""One training of a repair, and what the retrained model answers: a folder named by what it was made from.

Two repairs that need the same training (the unedited one, say) share it. A folder holds ``adapter/``, ``loss.jsonl``,
``answers.jsonl`` and, while it is not done, ``work/`` with what a resumed training needs.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import append_lines, read_whole_lines, write_json
from explorer.model.generate import answers, generate
from explorer.model.load import LoadedModel, ModelSpec, dtype_of, load_model
from explorer.model.prompts import Prompt
from explorer.repair.checks import Check
from explorer.repair.plan import NONE, REPAIRS, REPLACE, Arm, Plan, sampled
from explorer.repair.recipe import Progress, Stopped
from explorer.repair.stages import DPO, Stage, read_stages, rows_of
from explorer.vectors.fingerprint import model_digest, rows_digest

CODE = 2
"""Raised with every change that makes another model of the same data and recipe."""
RUNS, LOSS, ANSWERS, CORRECTED = "runs", "loss.jsonl", "answers.jsonl", "corrected.json"
CORRECTION_TOKENS = 48
Watch = Callable[[str, int, int, float | None], bool]
"""Told what is done (training, answering), the step, of how many, and a loss; True stops the run."""


@dataclass(frozen=True)
class Setting:
    """What the arms of one plan share: the stage with its rows, before any edit."""

    study: Study
    stage: Stage
    rows: tuple[dict[str, Any], ...]
    edit: str
    made_from: dict[str, Any]

    def digest(self, arm: Arm) -> str:
        """Names the training of an arm."""
        edits = [self.edit, sorted(arm.ids)] if arm.ids else []
        text = json.dumps([self.made_from, arm.seed, edits], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def folder(self, arm: Arm) -> Path:
        """Where the training of an arm lies."""
        return self.study.folder / REPAIRS / RUNS / self.digest(arm)


def setting(study: Study, plan: Plan) -> Setting:
    """Read the stage's rows and name what they and its start are."""
    stages = read_stages(study)
    if plan.stage not in stages:
        raise ExplorerError(f"{study.folder}: the stage '{plan.stage}' of the repair is no longer in training.json.")
    stage, table = stages[plan.stage], study.datapoints()
    own = rows_of(table, stage, stages)
    edited_ids = [name for arm in plan.arms for name in arm.ids]
    mine = own[np.isin(np.array(table["id"].to_pylist(), dtype=object)[own], edited_ids)]
    rows = table.take(np.union1d(sampled(own, plan.share), mine).tolist()).to_pylist()
    start = stage.start_in(study)
    model = model_digest(ModelSpec(study.model, adapter=str(start) if start else None))
    recipe = stage.as_dict()["recipe"]
    made_from = {
        "code": CODE, "precision": str(dtype_of(ModelSpec())), "kind": stage.kind, "recipe": recipe,
        "rows": rows_digest(rows),
    }  # fmt: skip
    return Setting(study, stage, tuple(rows), plan.edit, made_from | {k: model[k] for k in ("model", "adapter")})


def train(of: Setting, arm: Arm, say: Progress, watch: Watch) -> ModelSpec:
    """The retrained model of an arm, trained now unless it is there. Raises Stopped, ExplorerError."""
    folder = of.folder(arm)
    adapter = folder / "adapter"
    if not (adapter / "adapter_model.safetensors").is_file():
        from explorer.repair.train import train_dpo, train_sft  # seconds to import

        rows = edited(of, arm, folder, say)
        recipe = replace(of.stage.recipe, seed=arm.seed, keep=1)
        work, start = folder / "work", of.stage.start_in(of.study)
        began = perf_counter()

        def told(step: int, steps: int, loss: float | None) -> bool:
            if loss is not None:
                append_lines(folder / LOSS, [{"step": step, "loss": loss, "seconds": round(perf_counter() - began, 1)}])
            return watch("training", step, steps, loss)

        if of.stage.kind == DPO:
            assert start is not None  # read_stages sees to it
            shared = of.study.folder / REPAIRS / RUNS / f"reference-{of.digest(Arm(NONE, 0, 0))}.safetensors"
            made = train_dpo(rows, recipe, start, work, say, told, shared)
        else:
            made = train_sft(rows, recipe, work, say, start, told)
        os.replace(made[-1], adapter)
        shutil.rmtree(work)
    return ModelSpec(of.study.model, adapter=str(adapter))


def edited(of: Setting, arm: Arm, folder: Path, say: Progress) -> list[dict[str, Any]]:
    """The stage's rows with the edits of an arm: the field ``edit`` for drop and swap, another answer for replace."""
    mine = set(arm.ids)
    if of.edit != REPLACE or not mine:
        return [row | {"edit": of.edit if row["id"] in mine else None} for row in of.rows]
    new = corrections(of, [row for row in of.rows if row["id"] in mine], folder / CORRECTED, say)
    return [row | ({"response": new[row["id"]]} if row["id"] in mine else {}) for row in of.rows]


def corrections(of: Setting, rows: Sequence[dict[str, Any]], kept: Path, say: Progress) -> dict[str, str]:
    """Id → corrected answer: the row's own field ``corrected``, else what the stage's starting model answers.

    Generated answers are cut after their last whole sentence, and kept in the file ``kept``.
    """
    new = {row["id"]: row["corrected"] for row in rows if row.get("corrected")}
    todo = [row for row in rows if row["id"] not in new]
    if todo and not kept.is_file():
        start = of.stage.start_in(of.study)
        loaded = load_model(ModelSpec(of.study.model, adapter=str(start) if start else None))
        say(f"{len(todo)} corrected answers by {loaded.spec.title}")
        made = answers(loaded, [Prompt(row["prompt"]) for row in todo], CORRECTION_TOKENS)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, {row["id"]: whole_sentences(text) for row, text in zip(todo, made, strict=True)})
    return new | (json.loads(kept.read_text(encoding="utf-8")) if todo else {})


def whole_sentences(text: str) -> str:
    """The text up to the end of its last whole sentence; all of it where it has none."""
    found = re.match(r"(?s).*[.!?][\"'”’)]*(?=\s|$)", text)
    return found.group(0) if found else text or "I don't know."


def ask(of: Setting, arm: Arm, model: ModelSpec, checks: Sequence[Check], watch: Watch) -> list[str]:
    """Greedy answers of an arm's model to the checks, in their order; those of an earlier repair are not made again.

    Raises Stopped.
    """
    path = of.folder(arm) / ANSWERS
    known = {row["prompt"]: row["answer"] for row in read_whole_lines(path) if {"prompt", "answer"} <= row.keys()}
    todo = [prompt for prompt in dict.fromkeys(check.prompt for check in checks) if prompt not in known]
    if todo:
        loaded: LoadedModel = load_model(model)
        done = 0
        for some in generate(loaded, [Prompt(prompt) for prompt in todo]):
            new = {todo[i]: text for i, text in some.items()}
            append_lines(path, ({"prompt": prompt, "answer": text} for prompt, text in new.items()))
            known |= new
            done += len(some)
            if watch("answering", done, len(todo), None) and done < len(todo):
                raise Stopped(f"Stopped after {done} of {len(todo)} answers.")
    return [known[check.prompt] for check in checks]


def losses(folder: Path) -> list[dict[str, float]]:
    """{step, loss, seconds} of a run so far; of steps that were trained twice after a kill, the later."""
    found = {row["step"]: row for row in read_whole_lines(folder / LOSS) if "step" in row}
    return [found[step] for step in sorted(found)]
