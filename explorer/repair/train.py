"""Post-training with TRL and PEFT: SFT makes an adapter, DPO goes on from one; both resume after a kill.

Every saved adapter is complete in itself: one LoRA adapter on the base model. DPO continues the adapter that it starts
from against a frozen copy of it.

A row may carry an ``edit``: ``drop`` leaves its place in its batch empty, ``swap`` exchanges its chosen and rejected
answer. Order, steps and learning rates depend on the seed and the number of rows, not on the edits.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PrinterCallback
from trl import DPOConfig, SFTConfig

from explorer.files import write_whole
from explorer.progress import Progress, silent
from explorer.repair.adapters import continued_adapter, fresh_adapter, load_base
from explorer.repair.packed_batches import answer_logps, summed
from explorer.repair.plan import SWAP
from explorer.repair.recipe import Recipe
from explorer.repair.trainers import AfterStep, PackedDPO, PackedSFT, collate, tokenise


def train_sft(
    rows: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    out: Path,
    progress: Progress = silent,
    *,
    start: Path | None = None,
    losses: Path | None = None,
) -> list[Path]:
    """Fine-tune on {prompt, response, edit?} rows; the loss is on the response alone.

    Args:
        out: receives ``adapter-1`` … ``adapter-<keep>`` (the last is the result), and what a resumed run needs.
        progress: called with ``training`` after every step.
        start: the adapter to go on from; None makes a fresh one.
        losses: JSON lines file that {step, loss, seconds} are appended to.

    Returns the adapter folders in training order. A run that was killed or stopped goes on at its last checkpoint.
    Raises ExplorerError for a broken row or an adapter that does not fit; Stopped.
    """
    tokenizer, base = load_base(recipe)
    data = [tokenise(tokenizer, row, ("response",)) for row in rows]
    torch.manual_seed(recipe.seed)
    model = continued_adapter(base, start) if start else fresh_adapter(base, recipe)
    args = SFTConfig(**_arguments(recipe, out, len(data)), dataset_kwargs={"skip_prepare_dataset": True})
    trainer = PackedSFT(
        model, args, data_collator=collate, train_dataset=Dataset.from_list(data), processing_class=tokenizer
    )
    return _run(trainer, AfterStep(recipe, out, progress, losses), len(data))


def train_dpo(
    pairs: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    start: Path,
    out: Path,
    progress: Progress = silent,
    *,
    losses: Path | None = None,
    reference: Path | None = None,
) -> list[Path]:
    """Train on preferences, {prompt, chosen, rejected, edit?} rows, from the adapter ``start``, also the reference.

    Arguments and result as in ``train_sft``. The reference's log-probabilities of the unedited pairs are computed once,
    before training, and kept in the file ``reference`` (default: in ``out``), which runs on the same pairs may share.
    """
    tokenizer, base = load_base(recipe)
    data = [tokenise(tokenizer, row, ("chosen", "rejected")) for row in pairs]
    model = continued_adapter(base, start)
    logps = _reference_logps(model, data, recipe, reference or out / "reference.safetensors", progress)
    for row, pair, values in zip(data, pairs, logps.tolist(), strict=True):
        row["reference"] = values
        if pair.get("edit") == SWAP:
            row["answers"], row["reference"] = row["answers"][::-1], values[::-1]
    args = DPOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    trainer = PackedDPO(
        model, args=args, data_collator=collate, train_dataset=Dataset.from_list(data), processing_class=tokenizer
    )
    trainer.sft_weight = recipe.sft_weight
    return _run(trainer, AfterStep(recipe, out, progress, losses), len(data))


def step_seconds(rows: Sequence[Mapping[str, Any]], recipe: Recipe, names: Sequence[str]) -> float:
    """Time a training step here: forward and back on a batch of ordinary length, the second of two. In seconds.

    ``names``: the fields of the rows that hold their answers.
    """
    tokenizer, base = load_base(recipe)
    spread = rows[:: max(1, len(rows) // recipe.batch)][: recipe.batch]
    model = fresh_adapter(base, recipe).to("cuda" if torch.cuda.is_available() else "cpu").train()
    batch = _on(model, collate([tokenise(tokenizer, row, names) for row in spread]))
    seconds = 0.0
    for _ in range(2):
        began = perf_counter()
        answer_logps(model, batch).mean().backward()
        seconds = perf_counter() - began
    return seconds


def _on(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def _reference_logps(model: Any, data: list[dict], recipe: Recipe, file: Path, progress: Progress) -> Tensor:
    """Return log-probabilities of (chosen, rejected) under the reference, shape (pairs, 2), kept in the file."""
    if file.exists():
        return load_file(file)["logps"]
    rows = []
    model.eval()
    with torch.no_grad():
        for first in range(0, len(data), recipe.batch):
            batch = _on(model, collate([{**row, "kept": True} for row in data[first : first + recipe.batch]]))
            rows.append(summed(answer_logps(model, batch), batch["owner"]).view(-1, 2).cpu())
            progress("pairs read by the reference", min(first + recipe.batch, len(data)), len(data))
    logps = torch.cat(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, lambda scratch: save_file({"logps": logps}, scratch))
    return logps


def _arguments(recipe: Recipe, out: Path, n: int) -> dict[str, Any]:
    steps = max(1, round(recipe.epochs * n / recipe.batch))
    return {
        "output_dir": str(out / "resume"),
        "max_steps": steps,
        "per_device_train_batch_size": recipe.batch,
        "learning_rate": recipe.learning_rate,
        "warmup_steps": round(recipe.warmup * steps),
        "lr_scheduler_type": "cosine",
        "logging_steps": 5,
        "save_steps": max(1, round(steps / 5)),
        "save_total_limit": 1,
        "seed": recipe.seed,
        "remove_unused_columns": False,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": not torch.cuda.is_available(),
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
    }


def _run(trainer: Any, after_step: AfterStep, n: int) -> list[Path]:
    trainer.remove_callback(PrinterCallback)  # it would print to stdout
    trainer.add_callback(after_step)
    out = after_step.out
    last = _last_checkpoint(out / "resume")
    after_step.progress(f"{n} examples; {'going on at ' + last.name if last else 'starting'}")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if after_step.stopped:
        raise after_step.stopped
    return [out / f"adapter-{k}" for k in range(1, after_step.recipe.keep + 1)]


def _last_checkpoint(folder: Path) -> Path | None:
    """Find the latest whole checkpoint (``trainer_state.json`` is written last); deletes later ones that are not."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
            continue
        return path
    return None
