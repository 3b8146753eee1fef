"""The recipe of a training, read off its trainer, for repairs: a stage of ``training.json`` (``repair/stages.py``)."""

from dataclasses import dataclass
from typing import Any

from explorer.repair.stages import SCHEDULERS, Recipe, Stage

KINDS = {"DPOTrainer": "dpo", "KTOTrainer": "kto", "SFTTrainer": "sft", "Trainer": "sft"}
"""Class of a trainer → kind of its stage; the first that it is, or is made from."""
_FROM_ITSELF = ("GRPOTrainer", "RLOOTrainer", "OnlineDPOTrainer", "PPOTrainer")
"""Trainers whose model learns from its own answers: no data hold them."""
_OPTIMISERS = ("adamw", "adam")


@dataclass(frozen=True)
class Told:
    """A stage that a repair can train again, None where it can't; and one sentence each on why, or what differs."""

    stage: Stage | None
    notes: tuple[str, ...] = ()


def kind_of(trainer: Any) -> str | None:
    """Kind of a trainer's stage; None for one that a repair can't repeat."""
    names = [each.__name__ for each in type(trainer).__mro__]
    of_trl = type(trainer).__module__.startswith("trl.") and type(trainer).__name__ not in KINDS
    return None if of_trl else next((kind for name, kind in KINDS.items() if name in names), None)


def learns_from_itself(trainer: Any) -> bool:
    """Whether the answers that the model learns from are its own, which no data hold."""
    return any(each.__name__ in _FROM_ITSELF for each in type(trainer).__mro__)


def stage_of(trainer: Any, kind: str | None, name: str, rows: int, lora: Any, start: str | None, result: str) -> Told:
    """Return the stage of a training for ``training.json``.

    Args:
        kind: see ``kind_of``.
        rows: examples in the study.
        lora: PEFT's configuration of the adapter, None where the training changed something else.
        start, result: adapter that it went on from, and what it made, as entries in the study's folder.
    """
    if kind is None or lora is None:
        what = f"it is a {type(trainer).__name__}" if kind is None else "it changed more than a LoRA adapter"
        return Told(None, (f"the training can't be repeated by a repair, as {what}; its edited data can be exported",))
    args, state = trainer.args, trainer.state
    steps = max(state.global_step or args.max_steps, 1)
    batch = args.train_batch_size * args.gradient_accumulation_steps * getattr(args, "world_size", 1)
    batch *= _packed(trainer.train_dataset)
    scheduler = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
    settings: dict[str, Any] = {
        "epochs": float(state.epoch if hasattr(trainer.train_dataset, "__len__") else steps * batch / rows),
        "batch": batch,
        "learning_rate": float(args.learning_rate),
        "warmup": min(1.0, args.get_warmup_steps(steps) / steps),
        "rank": int(lora.r),
        "alpha": _alpha(lora),
        "scheduler": scheduler if scheduler in SCHEDULERS else Recipe.scheduler,
    }
    notes = _differences(args, lora, scheduler)
    if kind != "sft":
        settings["beta"] = float(args.beta)
    if kind == "kto":
        settings |= {name: float(getattr(args, name)) for name in ("desirable_weight", "undesirable_weight")}
        notes += [f"a repair trains KTO's own loss, this training had {args.loss_type}"] * (args.loss_type != "kto")
    if kind == "dpo":
        settings["sft_weight"], more = _losses(args)
        notes += more
    return Told(Stage(name, kind, start, result, Recipe(**settings)), tuple(notes))


def _packed(dataset: Any) -> int:
    """Examples in a row: TRL's packing puts several into one."""
    if "seq_lengths" not in (getattr(dataset, "column_names", None) or ()):
        return 1
    return max(1, round(sum(map(len, dataset["seq_lengths"])) / len(dataset)))


def _alpha(lora: Any) -> int:
    """LoRA's scale as ``alpha / rank`` has it; rsLoRA's is ``alpha / √rank``."""
    return max(1, round(lora.lora_alpha * (lora.r**0.5 if lora.use_rslora else 1)))


def _losses(args: Any) -> tuple[float, list[str]]:
    """(weight of the chosen answer's own loss, what else TRL's loss had)."""
    kinds = [args.loss_type] if isinstance(args.loss_type, str) else list(args.loss_type)
    weights = list(getattr(args, "loss_weights", None) or [1.0] * len(kinds))
    of = dict(zip(kinds, weights, strict=False))
    other = [name for name in kinds if name not in ("sigmoid", "sft")]
    notes = [f"a repair trains DPO's own loss, this training had {', '.join(other)}"] if other else []
    return float(of.get("sft", 0.0)) / float(of.get("sigmoid") or 1.0), notes


def _differences(args: Any, lora: Any, scheduler: str) -> list[str]:
    """What a repair's training does otherwise, in a sentence; none where nothing is known."""
    optimiser = str(getattr(args.optim, "value", args.optim))
    facts = {
        f"learning rates by '{scheduler}' (a repair's fall by cosine)": scheduler not in SCHEDULERS,
        f"the optimiser {optimiser} (a repair's is AdamW)": not optimiser.startswith(_OPTIMISERS),
        f"weight decay {args.weight_decay:g}": bool(args.weight_decay),
        f"dropout {lora.lora_dropout:g} in the adapter": bool(lora.lora_dropout),
        "DoRA": bool(getattr(lora, "use_dora", False)),
        "trained embeddings or heads": bool(lora.modules_to_save or getattr(lora, "trainable_token_indices", None)),
    }
    found = [fact for fact, there in facts.items() if there]
    return [f"a repair trains without what this training had: {'; '.join(found)}"] if found else []
