"""Post-training with TRL and PEFT: SFT, DPO and KTO make an adapter or go on from one; all resume after a kill.

Every saved adapter is complete in itself: one LoRA adapter on the base model. DPO continues the adapter that it starts
from against a frozen copy of it.

Rows are read as vectors read them: with their system prompt, in the chat template or as plain text.

A row may carry an ``edit``: ``drop`` leaves its place in its batch empty, ``swap`` exchanges its chosen and rejected
answer. Order, steps and learning rates depend on the seed and the number of rows, not on the edits.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import load, save_file
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, KTOConfig, SFTConfig

from explorer.errors import ExplorerError
from explorer.files import append_lines, write_whole
from explorer.model import memory
from explorer.model.adapter_tokenizer import FILES, adapter_tokenizer, embedding_rows
from explorer.model.load import LoadedModel, ModelSpec, load_apart
from explorer.progress import Progress, Stopped, silent
from explorer.reading import parse_json, read_bytes
from explorer.repair.adapter import base_name, continued_adapter, fresh_adapter, save_adapter
from explorer.repair.packed_batches import answer_logps, collate, packs, summed, tokenise
from explorer.repair.packed_trainers import PackedDPO, PackedKTO, PackedSFT
from explorer.repair.plan import SWAP
from explorer.repair.stages import ANSWERS, Recipe, Stage
from explorer.repair.unpaired import wanted_rows, with_others


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
    loaded, data, model = _begin(rows, "sft", recipe, start, progress)
    args = SFTConfig(**_arguments(recipe, out, len(data)), dataset_kwargs={"skip_prepare_dataset": True})
    return _run(PackedSFT, model, args, data, loaded.tokenizer, _AfterStep(recipe, out, progress, losses))


def train_dpo(
    pairs: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    start: Path | None,
    out: Path,
    progress: Progress = silent,
    *,
    losses: Path | None = None,
    reference: Path | None = None,
) -> list[Path]:
    """Train on preferences, {prompt, chosen, rejected, edit?} rows, from the adapter ``start``, also the reference.

    Without ``start`` a fresh adapter is trained, and the bare model is the reference.

    Arguments and result as in ``train_sft``. The reference's log-probabilities of the unedited pairs are computed once,
    before training, and kept in the file ``reference`` (default: in ``out``), which runs on the same pairs may share.
    """
    loaded, data, model = _begin(pairs, "dpo", recipe, start, progress)
    logps = _reference_logps(model, data, recipe, reference or out / "reference.safetensors", progress)
    for row, pair, values in zip(data, pairs, logps.tolist(), strict=True):
        row["reference"] = values
        if pair.get("edit") == SWAP:
            row["answers"], row["reference"] = row["answers"][::-1], values[::-1]
    args = DPOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    return _run(PackedDPO, model, args, data, loaded.tokenizer, _AfterStep(recipe, out, progress, losses))


def train_kto(
    rows: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    start: Path | None,
    out: Path,
    progress: Progress = silent,
    *,
    losses: Path | None = None,
    reference: Path | None = None,
) -> list[Path]:
    """Train on single answers, wanted ({prompt, response}) or unwanted ({prompt, rejected}); see ``unpaired``.

    Arguments and result as in ``train_dpo``.
    """
    loaded, data, model = _begin(rows, "kto", recipe, start, progress)
    wanted = wanted_rows(rows)[1]
    logps = _reference_logps(model, data, recipe, reference or out / "reference.safetensors", progress)
    for row, values, is_wanted in zip(data, logps.tolist(), wanted, strict=True):
        row["reference"], row["wanted"] = values, is_wanted
    args = KTOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    return _run(PackedKTO, model, args, data, loaded.tokenizer, _AfterStep(recipe, out, progress, losses))


def step_seconds(rows: Sequence[Mapping[str, Any]], stage: Stage) -> float:
    """Time a training step here: forward and back on a batch of ordinary length, the second of two. In seconds."""
    recipe = stage.recipe
    loaded = load_base(recipe)
    spread = rows[:: max(1, len(rows) // recipe.batch)][: recipe.batch]
    model = fresh_adapter(loaded.model, recipe).to("cuda" if torch.cuda.is_available() else "cpu").train()
    batch = _on(model, collate(read_rows(loaded, spread, stage.kind, recipe)))
    began = 0.0
    for _ in range(2):
        began = perf_counter()
        answer_logps(model, batch).mean().backward()
    return perf_counter() - began


def load_base(recipe: Recipe) -> LoadedModel:
    """Load the bare model of a recipe for this training alone, which changes it; it may be a .gguf file."""
    loaded = load_apart(ModelSpec(recipe.source))  # in float32 on a CPU: many only emulate bfloat16, three times slower
    if recipe.tokenizer:
        rows = embedding_rows(loaded.model)
        loaded.tokenizer = adapter_tokenizer(Path(recipe.tokenizer), loaded.model, loaded.tokenizer)
        if embedding_rows(loaded.model) > rows:
            raise ExplorerError(
                f"{recipe.tokenizer}: has embeddings of its own; such a training can't be repeated here."
            )
    return loaded


def read_rows(
    loaded: LoadedModel, rows: Sequence[Mapping[str, Any]], kind: str, recipe: Recipe
) -> list[dict[str, Any]]:
    """Return the token ids of a stage's rows; see ``tokenise``.

    Rows say ``padded`` where the model can't read packed ones. Raises ExplorerError where it can't read those either.
    """
    reads: dict[str, Any] = {name: getattr(recipe, name) for name in ("raw", "end_of_turn", "turns")}
    if kind == "kto":
        rows, reads["turns"] = wanted_rows(rows)[0], "last"
    data = tokenise(loaded, rows, ANSWERS[kind], **reads, most=recipe.max_tokens)
    if kind == "kto":
        with_others(data)
    padded = not packs(loaded.model.eval(), data)
    return [{**row, "padded": padded} for row in data]


def _begin(
    rows: Sequence[Mapping[str, Any]], kind: str, recipe: Recipe, start: Path | None, progress: Progress
) -> tuple[LoadedModel, list[dict[str, Any]], PeftModel]:
    """Return the bare model, the token ids of the rows, and the model with the adapter that is to be trained."""
    loaded = load_base(recipe)
    data = read_rows(loaded, rows, kind, recipe)
    torch.manual_seed(recipe.seed)
    model = continued_adapter(loaded.model, start) if start else fresh_adapter(loaded.model, recipe, progress)
    return loaded, data, model


def _on(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def _reference_logps(model: Any, data: list[dict], recipe: Recipe, file: Path, progress: Progress) -> Tensor:
    """Return log-probabilities of (chosen, rejected) under the reference, shape (pairs, 2), kept in the file."""
    if file.exists():
        return load(file.read_bytes())["logps"]
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
        "lr_scheduler_type": recipe.scheduler,
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


class _AfterStep(TrainerCallback):
    """Saves adapters at evenly spaced steps, writes the loss to a file, reports progress, and stops on demand."""

    def __init__(self, recipe: Recipe, out: Path, progress: Progress, losses: Path | None) -> None:
        self.recipe, self.out, self.progress, self.losses = recipe, out, progress, losses
        self.began = perf_counter()
        self.stopped: Stopped | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_ignored: Any) -> None:
        """Save an adapter where a share of the steps is done; save a checkpoint before the last step if stopped."""
        for k in range(1, self.recipe.keep + 1):
            if state.global_step == round(k * state.max_steps / self.recipe.keep):
                save_adapter(model, self.out / f"adapter-{k}", base_name(ModelSpec(self.recipe.source)))
                for name in FILES if self.recipe.tokenizer else ():
                    if (file := Path(self.recipe.tokenizer or "") / name).is_file():
                        shutil.copyfile(file, self.out / f"adapter-{k}" / name)
        try:
            self.progress("training", state.global_step, state.max_steps)
        except Stopped as stopped:
            if state.global_step < state.max_steps:
                self.stopped = stopped
                control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_ignored: Any) -> None:
        """Append {step, loss, seconds} to the file."""
        if self.losses and "loss" in logs:
            seconds = round(perf_counter() - self.began, 1)
            append_lines(self.losses, [{"step": state.global_step, "loss": float(logs["loss"]), "seconds": seconds}])


def _run(kind: Any, model: Any, args: Any, data: list[dict], tokenizer: Any, after_step: _AfterStep) -> list[Path]:
    dataset = Dataset.from_list(data)
    trainer = kind(model, args=args, data_collator=collate, train_dataset=dataset, processing_class=tokenizer)
    recipe = after_step.recipe
    trainer.sft_weight, trainer.weights = recipe.sft_weight, (recipe.desirable_weight, recipe.undesirable_weight)
    trainer.remove_callback(PrinterCallback)  # it would print to stdout
    trainer.add_callback(after_step)
    out = after_step.out
    last = _last_checkpoint(out / "resume")
    after_step.progress(f"{len(data)} examples; {'going on at ' + last.name if last else 'starting'}")
    with memory.guard("The training", "use a smaller batch in training.json, or a smaller model"):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if after_step.stopped:
        raise after_step.stopped
    return [out / f"adapter-{k}" for k in range(1, after_step.recipe.keep + 1)]


def _last_checkpoint(folder: Path) -> Path | None:
    """Find the latest whole checkpoint (``trainer_state.json`` is written last); deletes later ones that are not."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            state = path / "trainer_state.json"
            parse_json(read_bytes(state, "the state of a training"), state, strict=False)  # a loss may be NaN
            return path
        except ExplorerError:
            shutil.rmtree(path)
    return None
