"""Post-training with TRL and PEFT: SFT makes an adapter, DPO goes on from one; both resume after a kill.

Every saved adapter is complete in itself: one LoRA adapter on the base model. DPO continues the adapter that it starts
from against a frozen copy of it.

Rows are read as vectors read them: with their system prompt, in the chat template or as plain text.

A row may carry an ``edit``: ``drop`` leaves its place in its batch empty, ``swap`` exchanges its chosen and rejected
answer. Order, steps and learning rates depend on the seed and the number of rows, not on the edits.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from transformers.pytorch_utils import Conv1D
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from explorer.errors import ExplorerError, first_line
from explorer.files import append_lines, write_whole
from explorer.model import embedded, memory
from explorer.model.load import LoadedModel, ModelSpec, dtype_of
from explorer.model.residual import decoder_blocks, linear_maps
from explorer.progress import Progress, Stopped, silent
from explorer.reading import parse_json, read_bytes
from explorer.repair.packed_batches import answer_logps, collate, summed, tokenise
from explorer.repair.plan import SWAP
from explorer.repair.stages import ANSWERS, Recipe, Stage


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
    loaded = load_base(recipe)
    data = read_rows(loaded, rows, "sft", recipe)
    torch.manual_seed(recipe.seed)
    model = _continued_adapter(loaded.model, start) if start else _fresh_adapter(loaded.model, recipe)
    args = SFTConfig(**_arguments(recipe, out, len(data)), dataset_kwargs={"skip_prepare_dataset": True})
    return _run(_PackedSFT, model, args, data, loaded.tokenizer, _AfterStep(recipe, out, progress, losses))


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
    loaded = load_base(recipe)
    data = read_rows(loaded, pairs, "dpo", recipe)
    model = _continued_adapter(loaded.model, start)
    logps = _reference_logps(model, data, recipe, reference or out / "reference.safetensors", progress)
    for row, pair, values in zip(data, pairs, logps.tolist(), strict=True):
        row["reference"] = values
        if pair.get("edit") == SWAP:
            row["answers"], row["reference"] = row["answers"][::-1], values[::-1]
    args = DPOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    return _run(_PackedDPO, model, args, data, loaded.tokenizer, _AfterStep(recipe, out, progress, losses))


def step_seconds(rows: Sequence[Mapping[str, Any]], stage: Stage) -> float:
    """Time a training step here: forward and back on a batch of ordinary length, the second of two. In seconds."""
    recipe = stage.recipe
    loaded = load_base(recipe)
    spread = rows[:: max(1, len(rows) // recipe.batch)][: recipe.batch]
    model = _fresh_adapter(loaded.model, recipe).to("cuda" if torch.cuda.is_available() else "cpu").train()
    batch = _on(model, collate(read_rows(loaded, spread, stage.kind, recipe)))
    began = 0.0
    for _ in range(2):
        began = perf_counter()
        answer_logps(model, batch).mean().backward()
    return perf_counter() - began


def load_base(recipe: Recipe) -> LoadedModel:
    """Load the bare model of a recipe for this training alone, which changes it."""
    spec = ModelSpec(recipe.source)
    place = str(embedded.embedded_folder()) if spec.source == embedded.NAME else spec.source
    which: dict[str, Any] = {"revision": spec.revision} if spec.revision else {}
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **which)
    dtype = dtype_of(ModelSpec())  # many processors only emulate bfloat16, three times slower than float32
    model = AutoModelForCausalLM.from_pretrained(
        place, dtype=dtype, trust_remote_code=False, use_safetensors=True, **which
    )
    return LoadedModel(spec, model, tokenizer)


def read_rows(
    loaded: LoadedModel, rows: Sequence[Mapping[str, Any]], kind: str, recipe: Recipe
) -> list[dict[str, Any]]:
    """Return the token ids of a stage's rows; see ``tokenise``."""
    return tokenise(loaded, rows, ANSWERS[kind], raw=recipe.raw, end_of_turn=recipe.end_of_turn, turns=recipe.turns)


def _fresh_adapter(base: Any, recipe: Recipe) -> Any:
    """Return the base model with a new LoRA adapter. Raises ExplorerError where it lacks the recipe's targets."""
    maps = linear_maps(decoder_blocks(base))
    targets = recipe.targets or sorted({name.rpartition(".")[2] for name in maps})
    targets = targets if isinstance(targets, str) else list(targets)
    transposed = any(isinstance(module, Conv1D) for module in maps.values())  # weights of shape (in, out): GPT-2
    how: dict[str, Any] = {"r": recipe.rank, "lora_alpha": recipe.alpha, "fan_in_fan_out": transposed}
    try:
        return get_peft_model(base, LoraConfig(**how, target_modules=targets, task_type="CAUSAL_LM"))
    except ValueError as error:
        raise ExplorerError(f"{recipe.source}: no LoRA adapter can be put in ({first_line(error)}).") from error


def _continued_adapter(base: Any, adapter: Path) -> PeftModel:
    """Return the base model with an adapter to train further. Raises ExplorerError where it does not fit."""
    try:
        model = PeftModel.from_pretrained(base, str(adapter), is_trainable=True, use_safetensors=True)
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ExplorerError(f"Adapter {adapter} does not fit this model: {reason[:240]}") from error
    # The adapter names its base by title, which peft would look for on the hub at every checkpoint.
    model.peft_config["default"].base_model_name_or_path = base.config._name_or_path
    return model


def _save_adapter(model: PeftModel, folder: Path, base: str) -> None:
    """Write the adapter in training as bfloat16 safetensors; ``base``: the model's title, not its path."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    weights = folder / "adapter_model.safetensors"
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in state.items()}, weights)
    weights.chmod(0o644)
    config = replace(model.peft_config["default"], base_model_name_or_path=base, inference_mode=True)
    values = {name: getattr(value, "value", value) for name, value in config.to_dict().items()}
    if not isinstance(targets := values["target_modules"], str):
        values["target_modules"] = sorted(targets)
    (folder / "adapter_config.json").write_text(json.dumps(values, indent=1, sort_keys=True, default=str) + "\n")


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


class _PackedSFT(SFTTrainer):
    """TRL's SFT trainer over packed batches."""

    def compute_loss(self, model: nn.Module, inputs: dict, *_ignored: Any, **_named: Any) -> Tensor:
        """Return the mean negative log-probability of a response token."""
        return -answer_logps(model, inputs).mean() * inputs["counts"]


class _PackedDPO(DPOTrainer):
    """TRL's DPO trainer over packed batches: the sigmoid loss, plus the chosen answer's own loss."""

    sft_weight = 0.0

    def _prepare_dataset(self, dataset: Dataset, *_ignored: Any, **_named: Any) -> Dataset:
        return dataset  # tokenised already

    def compute_loss(self, model: nn.Module, inputs: dict, *_ignored: Any, **_named: Any) -> Tensor:
        """Return −log σ(β · (policy's margin − reference's margin)) + weight · SFT loss of the chosen answer."""
        logps = answer_logps(model, inputs)
        margin = (summed(logps, inputs["owner"]).view(-1, 2) - inputs["reference"]) @ logps.new_tensor([1.0, -1.0])
        chosen = -logps[inputs["owner"] % 2 == 0].mean()
        loss = -nn.functional.logsigmoid(self.beta * margin).mean() + self.sft_weight * chosen
        return loss * inputs["counts"]


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
                _save_adapter(model, self.out / f"adapter-{k}", ModelSpec(self.recipe.source).title)
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
    trainer.sft_weight = after_step.recipe.sft_weight
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
