"""Post-training with TRL and PEFT: SFT makes an adapter, DPO goes on from one; both resume after a kill.

Every saved adapter is complete in itself: one LoRA adapter on the base model. DPO continues the adapter that it starts
from against a frozen copy of it.

A row may carry an ``edit``: ``drop`` leaves its place in its batch empty, ``swap`` exchanges its chosen and rejected
answer. Order, steps and learning rates depend on the seed and the number of rows, not on the edits.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.load import ModelSpec, dtype_of
from explorer.repair.packed_batches import Example, answer_logps, pack, summed
from explorer.repair.recipe import DROP, SWAP, Progress, Recipe, Stopped, Watch

_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def train_sft(
    rows: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    out: Path,
    say: Progress = print,
    start: Path | None = None,
    watch: Watch | None = None,
) -> list[Path]:
    """Fine-tune on {prompt, response, edit?} rows; the loss is on the response alone.

    Args:
        out: receives ``adapter-1`` … ``adapter-<keep>`` (the last is the result), and what a resumed run needs.
        start: the adapter to go on from; None makes a fresh one.
        watch: told after every step, and may stop the training.

    Returns the adapter folders in training order. A run that was killed goes on at its last trainer checkpoint. Raises
    ExplorerError for a broken row or an adapter that does not fit; Stopped.
    """
    tokenizer, base = _load(recipe)
    data = [_tokenise(tokenizer, row, ("response",)) for row in rows]
    torch.manual_seed(recipe.seed)
    model = _continued(base, start) if start else get_peft_model(base, _lora(recipe))
    args = SFTConfig(**_arguments(recipe, out, len(data)), dataset_kwargs={"skip_prepare_dataset": True})
    trainer = _PackedSFT(args=args, **_parts(model, data, tokenizer))
    return _run(trainer, recipe, out, len(data), say, watch)


def train_dpo(
    pairs: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    base_adapter: Path,
    out: Path,
    say: Progress = print,
    watch: Watch | None = None,
    reference: Path | None = None,
) -> list[Path]:
    """Preference training on {prompt, chosen, rejected, edit?} rows from ``base_adapter``, which is the reference too.

    Arguments and result as in ``train_sft``. The reference's log-probabilities of the unedited pairs are computed once,
    before training, and kept in the file ``reference`` (default: in ``out``), which runs on the same pairs may share.
    """
    tokenizer, base = _load(recipe)
    data = [_tokenise(tokenizer, row, ("chosen", "rejected")) for row in pairs]
    model = _continued(base, base_adapter)
    logps = _reference_logps(model, data, recipe, reference or out / "reference.safetensors", say)
    for row, given, own in zip(data, pairs, logps.tolist(), strict=True):
        row["reference"] = own
        if given.get("edit") == SWAP:
            row["answers"], row["reference"] = row["answers"][::-1], own[::-1]
    args = DPOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    trainer = _PackedDPO(args=args, **_parts(model, data, tokenizer))
    trainer.sft_weight = recipe.sft_weight
    return _run(trainer, recipe, out, len(data), say, watch)


def step_seconds(rows: Sequence[Mapping[str, Any]], recipe: Recipe, names: Sequence[str]) -> float:
    """How long a step takes here: forward and back on a batch of ordinary length, the second of two.

    ``names``: the fields of the rows that hold their answers.
    """
    tokenizer, base = _load(recipe)
    batch = _collate(
        [_tokenise(tokenizer, row, names) for row in rows[:: max(1, len(rows) // recipe.batch)]][: recipe.batch]
    )
    model = get_peft_model(base, _lora(recipe)).to("cuda" if torch.cuda.is_available() else "cpu").train()
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    spent = 0.0
    for _ in range(2):
        began = perf_counter()
        answer_logps(model, batch).mean().backward()
        spent = perf_counter() - began
    return spent


class _PackedSFT(SFTTrainer):
    """TRL's SFT trainer over packed batches."""

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """Mean negative log-probability of a response token."""
        return -answer_logps(model, inputs).mean() * inputs["counts"]


class _PackedDPO(DPOTrainer):
    """TRL's DPO trainer over packed batches: the sigmoid loss, plus the chosen answer's own loss."""

    sft_weight = 0.0

    def _prepare_dataset(self, dataset: Dataset, *_ignored: Any, **_named: Any) -> Dataset:
        return dataset  # tokenised already

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """-log σ(β · (margin of the policy − margin of the reference)) + weight · SFT loss of the chosen answer."""
        logps = answer_logps(model, inputs)
        margin = (summed(logps, inputs["owner"]).view(-1, 2) - inputs["reference"]) @ logps.new_tensor([1.0, -1.0])
        chosen = -logps[inputs["owner"] % 2 == 0].mean()
        loss = -nn.functional.logsigmoid(self.beta * margin).mean() + self.sft_weight * chosen
        return loss * inputs["counts"]


class _Keep(TrainerCallback):
    """Saves an adapter at evenly spaced steps, says how far the training is, and stops it where it is told to."""

    def __init__(self, recipe: Recipe, out: Path, say: Progress, watch: Watch | None) -> None:
        self.recipe, self.out, self.say, self.watch = recipe, out, say, watch
        self.began = perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_ignored: Any) -> None:
        """Save where a share of the steps is done; a stopped training is saved to go on from."""
        for k in range(1, self.recipe.keep + 1):
            if state.global_step == round(k * state.max_steps / self.recipe.keep):
                save_adapter(model, self.out / f"adapter-{k}")
        if self.watch and self.watch(state.global_step, state.max_steps, None) and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_ignored: Any) -> None:
        """One line of progress."""
        loss = (logs or {}).get("loss")
        if loss is not None:
            spent = perf_counter() - self.began
            self.say(f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {spent:.0f} s")
            if self.watch:
                self.watch(state.global_step, state.max_steps, float(loss))


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter in training as bfloat16 safetensors, with a configuration free of this machine's paths."""
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    weights = folder / "adapter_model.safetensors"
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in state.items()}, weights)
    weights.chmod(0o644)
    config = replace(model.peft_config["default"], base_model_name_or_path=embedded.TITLE, inference_mode=True)
    config = config.to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    plain = {k: getattr(v, "value", v) for k, v in config.items()}
    (folder / "adapter_config.json").write_text(json.dumps(plain, indent=1, sort_keys=True, default=str) + "\n")


def _load(recipe: Recipe) -> tuple[PreTrainedTokenizerBase, Any]:
    folder = embedded.embedded_folder() if recipe.source == embedded.NAME else Path(recipe.source)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    dtype = dtype_of(ModelSpec())  # many processors only emulate bfloat16, three times slower than float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False, use_safetensors=True)
    return tokenizer, model


def _lora(recipe: Recipe) -> LoraConfig:
    return LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=_LINEAR, task_type="CAUSAL_LM")


def _continued(base: Any, adapter: Path) -> PeftModel:
    """The base model with an adapter that is trained further."""
    try:
        model = PeftModel.from_pretrained(base, str(adapter), is_trainable=True, use_safetensors=True)
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ExplorerError(f"Adapter {adapter} does not fit this model: {reason[:240]}") from error
    # The adapter names its base by title, which peft would look for on the hub at every checkpoint.
    model.peft_config["default"].base_model_name_or_path = base.config._name_or_path
    return model


def _tokenise(tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    for name in ("prompt", *names):
        if not row.get(name):
            raise ExplorerError(f"Training row {row.get('id', '?')}: field '{name}' is missing or empty.")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, tokenize=False
    )
    assert isinstance(text, str)
    end = str(tokenizer.eos_token)
    answers = [tokenizer(row[name] + end, add_special_tokens=False)["input_ids"] for name in names]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return {"prompt_ids": ids, "answers": answers, "kept": row.get("edit") != DROP}


def _collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    kept = [row for row in rows if row["kept"]]
    rows = kept or rows[:1]
    batch = pack([Example(row["prompt_ids"], tuple(row["answers"])) for row in rows])
    batch["counts"] = torch.tensor(float(bool(kept)))  # of a batch that is dropped whole, one row stands in for nothing
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"] for row in rows])
    return batch


def _reference_logps(model: Any, data: list[dict], recipe: Recipe, kept: Path, say: Progress) -> Tensor:
    """Log-probabilities of (chosen, rejected) under the reference, shape (pairs, 2); read from ``kept`` where it is."""
    if kept.exists():
        return load_file(kept)["logps"]
    rows = []
    model.eval()
    with torch.no_grad():
        for start in range(0, len(data), recipe.batch):
            batch = _collate([{**row, "kept": True} for row in data[start : start + recipe.batch]])
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            rows.append(summed(answer_logps(model, batch), batch["owner"]).view(-1, 2).cpu())
            say(f"reference {min(start + recipe.batch, len(data))}/{len(data)} pairs")
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch = kept.with_suffix(".tmp")
    save_file({"logps": torch.cat(rows)}, scratch)
    os.replace(scratch, kept)
    return torch.cat(rows)


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


def _parts(model: PeftModel, data: list[dict], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    dataset = Dataset.from_list(data)
    return {"model": model, "train_dataset": dataset, "processing_class": tokenizer, "data_collator": _collate}


def _run(trainer: Any, recipe: Recipe, out: Path, n: int, say: Progress, watch: Watch | None) -> list[Path]:
    folders = [out / f"adapter-{k}" for k in range(1, recipe.keep + 1)]
    trainer.remove_callback(PrinterCallback)  # it would print to stdout
    trainer.add_callback(_Keep(recipe, out, say, watch))
    last = _last_whole(out / "resume")
    say(f"{n} examples; {'going on at ' + last.name if last else 'starting'}")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if trainer.state.global_step < trainer.state.max_steps:
        raise Stopped(f"Stopped at step {trainer.state.global_step} of {trainer.state.max_steps}.")
    return folders


def _last_whole(folder: Path) -> Path | None:
    """The latest checkpoint that was written to its end: its ``trainer_state.json`` comes last."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2]))
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
            continue
        return path
    return None
