"""How long a repair takes here: at once from a remembered pace, or measured on demand.

A pace belongs to a model on a machine; all studies share those in ``pace.json`` of the cache folder:

```
{"<16 hex>": {"at": 1763781600.0, "character": 0.00021, "token": 0.03}}
```

``character``: seconds of training, forward and back, a character of a row; ``token``: seconds of answering, a token
that an answer may have; ``at``: when both were measured, in seconds since 1970.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, time
from typing import Any

import numpy as np

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import locked, write_json
from explorer.model import embedded
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.reading import read_json
from explorer.repair.arms import Setting, read_setting
from explorer.repair.checks import Check, check_prompts, held_out
from explorer.repair.plan import NONE, Plan
from explorer.repair.results import measured
from explorer.repair.stages import ANSWERS

PACE = "pace.json"
ANSWERED = 40
"""Answers that are timed."""


@dataclass(frozen=True)
class Estimate:
    """``seconds`` that a plan takes, at the pace that was measured at ``at`` (seconds since 1970)."""

    seconds: float
    at: float


def estimate(study: Study, plan: Plan, *, measure: bool = False) -> Estimate | None:
    """Estimate the seconds that a plan's trainings and measurements take; runs that are there already take none.

    Args:
        measure: time one step forward and back on a batch of the stage and ``ANSWERED`` greedy answers (some 10 s, more
            on a busy machine), and remember the pace. Otherwise the remembered one is used, which runs no model; None
            where the model was never timed on this machine.

    Raises ExplorerError for a plan that does not fit the study.
    """
    setting, checks = read_setting(study, plan), held_out(study, plan.behavior)
    pace = _measured(setting, checks) if measure else read_paces(_file()).get(_key(setting))
    if pace is None:
        return None
    recipe, known = setting.stage.recipe, measured(study, plan.behavior)
    missing = [a for a in plan.arms if setting.digest(a) not in known and not (setting.folder(a) / "adapter").is_dir()]
    epoch = plan.rows * characters(setting.rows, setting.stage.kind) * pace["character"]
    seconds = len(missing) * (recipe.epochs * epoch + len(checks) * study.answer_tokens * pace["token"])
    if setting.stage.kind != "sft" and any(arm.arm == NONE for arm in missing):
        seconds += epoch / 3  # the reference's log-probabilities: forward alone
    return Estimate(seconds, pace["at"])


def characters(rows: Sequence[Mapping[str, Any]], kind: str) -> float:
    """Return how many characters a stage reads of a row, on average: the prompt goes with each of its answers."""
    fields = ANSWERS[kind]
    read = [sum(len(row.get("prompt") or "") + len(row.get(field) or "") for field in fields) for row in rows]
    return float(np.mean(read)) if read else 0.0


def _measured(setting: Setting, checks: Sequence[Check]) -> dict[str, float]:
    """Time the model of a stage, and remember its pace."""
    from explorer.repair.train import step_seconds  # seconds to import

    study, stage = setting.study, setting.stage
    loaded = load_model(ModelSpec(study.model))
    prompts = check_prompts(study, checks[:ANSWERED])
    began = perf_counter()
    answers(loaded, prompts, study.answer_tokens)
    token = (perf_counter() - began) / len(prompts) / study.answer_tokens
    batch = min(stage.recipe.batch, len(setting.rows))
    character = step_seconds(setting.rows, stage) / batch / max(characters(setting.rows, stage.kind), 1.0)
    pace = {"at": time(), "character": character, "token": token}
    path = _file()
    with suppress(OSError, ExplorerError):  # a cache folder that can't be written: timed every time
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            write_json(path, read_paces(path) | {_key(setting): pace})
    return pace


def _file() -> Path:
    return embedded.cache_folder() / PACE


def _key(setting: Setting) -> str:
    """Name of a model on this machine."""
    about = [
        setting.made_from["model"],
        setting.made_from["precision"],
        platform.node(),
        platform.machine(),
        os.cpu_count(),
        _device(),
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def read_paces(path: Path) -> dict[str, dict[str, float]]:
    """Paces by what they are of; none where the file is absent or damaged, or one of them is not whole."""
    try:
        paces: dict[str, dict[str, float]] = read_json(path, "paces", dict[str, dict[str, float]])
    except ExplorerError:
        return {}
    whole = {key: pace for key, pace in paces.items() if pace.keys() >= {"at", "character", "token"}}
    return {key: pace for key, pace in whole.items() if all(0 <= value < 1e12 for value in pace.values())}
