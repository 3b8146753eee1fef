"""Train one arm of a repair, and ask its model.

The folder of a training holds ``adapter/``, ``loss.jsonl``, ``answers.jsonl`` and, while it is not done, ``work/`` with
what a resumed training needs.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from explorer.files import append_lines, read_whole_lines
from explorer.model.generate import generate
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress
from explorer.repair.checks import Check
from explorer.repair.plan import Arm
from explorer.repair.setting import Setting, edited_rows

TRAINING, ANSWERING = "training", "answering"
"""What a Progress is told: steps of the training, answers of the trained model."""
LOSS, ANSWERS = "loss.jsonl", "answers.jsonl"


def train(setting: Setting, arm: Arm, progress: Progress) -> ModelSpec:
    """Train the model of an arm unless it is there, and return it. Raises Stopped, ExplorerError."""
    folder, stage = setting.folder(arm), setting.stage
    adapter, work, losses = folder / "adapter", folder / "work", folder / LOSS
    if not (adapter / "adapter_model.safetensors").is_file():
        from explorer.repair.train import train_dpo, train_sft  # seconds to import

        rows = edited_rows(setting, arm, progress)
        recipe, start = replace(stage.recipe, seed=arm.seed, keep=1), stage.start_folder(setting.study)
        if stage.pairs:
            assert start is not None  # read_stages sees to it
            saved = train_dpo(rows, recipe, start, work, progress, losses=losses, reference=setting.reference)
        else:
            saved = train_sft(rows, recipe, work, progress, losses=losses, start=start)
        os.replace(saved[-1], adapter)
        shutil.rmtree(work)
    return ModelSpec(setting.study.model, adapter=str(adapter))


def ask(setting: Setting, arm: Arm, model: ModelSpec, checks: Sequence[Check], progress: Progress) -> list[str]:
    """Return greedy answers of an arm's model to the checks, in their order, reusing those of earlier repairs.

    Raises Stopped.
    """
    file = setting.folder(arm) / ANSWERS
    known = {row["prompt"]: row["answer"] for row in read_whole_lines(file) if {"prompt", "answer"} <= row.keys()}
    missing = [prompt for prompt in dict.fromkeys(check.prompt for check in checks) if prompt not in known]
    done = 0
    for batch in generate(load_model(model), [Prompt(prompt) for prompt in missing]) if missing else ():
        texts = {missing[number]: text for number, text in batch.items()}
        append_lines(file, ({"prompt": prompt, "answer": text} for prompt, text in texts.items()))
        known |= texts
        done += len(batch)
        progress(ANSWERING, done, len(missing))
    return [known[check.prompt] for check in checks]


def read_losses(folder: Path) -> list[dict[str, float]]:
    """Read {step, loss, seconds} of a training so far; of a step that was trained twice after a kill, the later."""
    by_step = {row["step"]: row for row in read_whole_lines(folder / LOSS) if "step" in row}
    return [by_step[step] for step in sorted(by_step)]
