"""TRL's trainers over packed batches, and what is done after every step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl import DPOTrainer, SFTTrainer

from explorer.errors import ExplorerError
from explorer.files import append_lines
from explorer.progress import Progress, Stopped
from explorer.repair.adapters import save_adapter
from explorer.repair.packed_batches import Example, answer_logps, pack, summed
from explorer.repair.plan import DROP
from explorer.repair.recipe import Recipe


def tokenise(tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return {prompt_ids, answers, kept} of a row whose answers stand in the fields ``names``; kept: not dropped.

    Raises ExplorerError that names the row and the field that is missing.
    """
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


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pack tokenised rows into a batch, without the dropped ones.

    Adds ``counts``, by which the loss is multiplied: 0 where all rows are dropped and the first one stands in. Pairs
    have ``reference`` too, shape (pairs, 2).
    """
    kept = [row for row in rows if row["kept"]]
    rows = kept or rows[:1]
    batch = pack([Example(row["prompt_ids"], tuple(row["answers"])) for row in rows])
    batch["counts"] = torch.tensor(float(bool(kept)))
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"] for row in rows])
    return batch


class PackedSFT(SFTTrainer):
    """TRL's SFT trainer over packed batches."""

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """Return the mean negative log-probability of a response token."""
        return -answer_logps(model, inputs).mean() * inputs["counts"]


class PackedDPO(DPOTrainer):
    """TRL's DPO trainer over packed batches: the sigmoid loss, plus the chosen answer's own loss."""

    sft_weight = 0.0

    def _prepare_dataset(self, dataset: Dataset, *_ignored: Any, **_named: Any) -> Dataset:
        return dataset  # tokenised already

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """Return −log σ(β · (policy's margin − reference's margin)) + weight · SFT loss of the chosen answer."""
        logps = answer_logps(model, inputs)
        margin = (summed(logps, inputs["owner"]).view(-1, 2) - inputs["reference"]) @ logps.new_tensor([1.0, -1.0])
        chosen = -logps[inputs["owner"] % 2 == 0].mean()
        loss = -nn.functional.logsigmoid(self.beta * margin).mean() + self.sft_weight * chosen
        return loss * inputs["counts"]


class AfterStep(TrainerCallback):
    """Saves adapters at evenly spaced steps, writes the loss to a file, reports progress, and stops on demand."""

    def __init__(self, recipe: Recipe, out: Path, progress: Progress, losses: Path | None) -> None:
        self.recipe, self.out, self.progress, self.losses = recipe, out, progress, losses
        self.began = perf_counter()
        self.stopped: Stopped | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_ignored: Any) -> None:
        """Save an adapter where a share of the steps is done; save a checkpoint before the last step if stopped."""
        for k in range(1, self.recipe.keep + 1):
            if state.global_step == round(k * state.max_steps / self.recipe.keep):
                save_adapter(model, self.out / f"adapter-{k}")
        try:
            self.progress("training", state.global_step, state.max_steps)
        except Stopped as stopped:
            if state.global_step < state.max_steps:
                self.stopped = stopped
                control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_ignored: Any) -> None:
        """Append {step, loss, seconds} to the file."""
        loss = (logs or {}).get("loss")
        if loss is not None and self.losses:
            seconds = round(perf_counter() - self.began, 1)
            append_lines(self.losses, [{"step": state.global_step, "loss": float(loss), "seconds": seconds}])
