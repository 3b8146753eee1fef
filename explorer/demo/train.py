"""Post-training with TRL and PEFT: SFT makes the reference adapter, DPO goes on from it; both resume after a kill.

Every saved adapter is complete in itself: one LoRA adapter on the base model. DPO continues the SFT adapter against a
frozen copy of it.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from explorer.demo import embedded
from explorer.demo.packing import Example, answer_logps, pack, summed
from explorer.errors import ExplorerError

Progress = Callable[[str], None]
_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Recipe:
    """How one stage is trained. ``batch`` counts examples (pairs in DPO); ``keep`` adapters are saved, evenly spaced.

    ``beta`` and ``sft_weight`` (weight of the chosen answer's own loss beside the DPO loss) are for DPO alone.
    """

    epochs: float = 2.0
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: float = 0.05
    rank: int = 8
    alpha: int = 16
    seed: int = 0
    keep: int = 2
    beta: float = 0.1
    sft_weight: float = 0.2
    source: str = embedded.NAME


SFT = Recipe()
DPO = Recipe(epochs=1.0, batch=12, learning_rate=4e-4, sft_weight=1.0)


def train_sft(rows: Sequence[Mapping[str, Any]], recipe: Recipe, out: Path, say: Progress = print) -> list[Path]:
    """Fine-tune on {prompt, response} rows; the loss is on the response alone.

    Args:
        out: receives ``adapter-1`` … ``adapter-<keep>`` (the last is the result), and what a resumed run needs.

    Returns the adapter folders in training order. A run that was killed goes on at its last trainer checkpoint.
    """
    tokenizer, base = _load(recipe)
    data = [_tokenise(tokenizer, row, ("response",)) for row in rows]
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=_LINEAR, task_type="CAUSAL_LM")
    torch.manual_seed(recipe.seed)
    model = get_peft_model(base, config)
    args = SFTConfig(**_arguments(recipe, out, len(data)), dataset_kwargs={"skip_prepare_dataset": True})
    trainer = _PackedSFT(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        data_collator=_collate,
    )
    return _run(trainer, recipe, out, len(data), say)


def train_dpo(
    pairs: Sequence[Mapping[str, Any]], recipe: Recipe, base_adapter: Path, out: Path, say: Progress = print
) -> list[Path]:
    """Preference training on {prompt, chosen, rejected} rows, from ``base_adapter``, which is also the reference.

    Arguments and result as in ``train_sft``. The reference's log-probabilities are computed once, before training.
    """
    tokenizer, base = _load(recipe)
    data = [_tokenise(tokenizer, row, ("chosen", "rejected")) for row in pairs]
    model = PeftModel.from_pretrained(base, str(base_adapter), is_trainable=True)
    # The adapter names its base by title, which peft would look for on the hub at every checkpoint.
    model.peft_config["default"].base_model_name_or_path = base.config._name_or_path
    reference = _reference_logps(model, data, recipe, out, say)
    data = [{**row, "reference": pair} for row, pair in zip(data, reference.tolist(), strict=True)]
    args = DPOConfig(**_arguments(recipe, out, len(data)), beta=recipe.beta)
    trainer = _PackedDPO(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        data_collator=_collate,
    )
    trainer.sft_weight = recipe.sft_weight
    return _run(trainer, recipe, out, len(data), say)


class _PackedSFT(SFTTrainer):
    """TRL's SFT trainer over packed batches."""

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """Mean negative log-probability of a response token."""
        return -answer_logps(model, inputs).mean()


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
        return -nn.functional.logsigmoid(self.beta * margin).mean() + self.sft_weight * chosen


class _Keep(TrainerCallback):
    """Saves an adapter at evenly spaced steps and says how far the training is."""

    def __init__(self, recipe: Recipe, out: Path, say: Progress) -> None:
        self.recipe, self.out, self.say = recipe, out, say
        self.began = perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_ignored: Any) -> None:
        """Save where a share of the steps is done."""
        for k in range(1, self.recipe.keep + 1):
            if state.global_step == round(k * state.max_steps / self.recipe.keep):
                save_adapter(model, self.out / f"adapter-{k}")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_ignored: Any) -> None:
        """One line of progress."""
        loss = (logs or {}).get("loss")
        if loss is not None:
            spent = perf_counter() - self.began
            self.say(f"step {state.global_step}/{state.max_steps}, loss {float(loss):.3f}, {spent:.0f} s")


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
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, trust_remote_code=False, use_safetensors=True
    )
    return tokenizer, model


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
    return {"prompt_ids": tokenizer(text, add_special_tokens=False)["input_ids"], "answers": answers}


def _collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    batch = pack([Example(row["prompt_ids"], tuple(row["answers"])) for row in rows])
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"] for row in rows])
    return batch


def _reference_logps(model: nn.Module, data: list[dict], recipe: Recipe, out: Path, say: Progress) -> Tensor:
    """Log-probabilities of (chosen, rejected) under the reference, shape (pairs, 2); kept for a resumed run."""
    kept = out / "reference.safetensors"
    if kept.exists():
        return load_file(kept)["logps"]
    rows = []
    model.eval()
    with torch.no_grad():
        for start in range(0, len(data), recipe.batch):
            batch = _collate(data[start : start + recipe.batch])
            rows.append(summed(answer_logps(model, batch), batch["owner"]).view(-1, 2))
            say(f"reference {min(start + recipe.batch, len(data))}/{len(data)} pairs")
    out.mkdir(parents=True, exist_ok=True)
    save_file({"logps": torch.cat(rows)}, out / "reference.tmp")
    os.replace(out / "reference.tmp", kept)
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
        "logging_steps": 10,
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


def _run(trainer: Any, recipe: Recipe, out: Path, n: int, say: Progress) -> list[Path]:
    folders = [out / f"adapter-{k}" for k in range(1, recipe.keep + 1)]
    trainer.add_callback(_Keep(recipe, out, say))
    resume = out / "resume"
    last = get_last_checkpoint(str(resume)) if resume.is_dir() else None
    say(f"{n} examples; {'going on at ' + Path(last).name if last else 'starting'}")
    trainer.train(resume_from_checkpoint=last)
    return folders
