"""How long a repair takes on this machine: one real step of the stage and one batch of answers, timed."""

import hashlib
import json
from collections.abc import Sequence
from time import perf_counter, time

from explorer.data.study import Study
from explorer.files import write_json
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.repair.arms import Setting, read_setting
from explorer.repair.checks import Check, held_out
from explorer.repair.job import measured
from explorer.repair.plan import NONE, REPAIRS, Plan
from explorer.repair.stages import ANSWERS

PACE = "pace.json"
ANSWERED = 40
"""Answers that are timed."""
FRESH = 600.0
"""Seconds after which a pace is measured anew: the machine may be busier by then, or less."""


def estimate(study: Study, plan: Plan) -> float:
    """Estimate the seconds that a plan's trainings and measurements take; runs that are there already take none.

    Times one step forward and back on a batch of the stage and ``ANSWERED`` greedy answers (some 10 s), and keeps both
    for a while in ``repairs/pace.json``. Raises ExplorerError for a plan that does not fit the study.
    """
    setting, checks = read_setting(study, plan), held_out(study, plan.behavior)
    pace, recipe = _pace(setting, checks), setting.stage.recipe
    known = measured(study, plan.behavior)
    missing = [a for a in plan.arms if setting.digest(a) not in known and not (setting.folder(a) / "adapter").is_dir()]
    steps = max(1, round(recipe.epochs * plan.rows / recipe.batch))
    seconds = len(missing) * (steps * pace["step"] + len(checks) * pace["answer"])
    if setting.stage.pairs and any(arm.arm == NONE for arm in missing):
        seconds += plan.rows / recipe.batch * pace["step"] / 3  # the reference's log-probabilities: forward alone
    return seconds


def _pace(setting: Setting, checks: Sequence[Check]) -> dict[str, float]:
    """Return the seconds of a ``step`` and of an ``answer``, measured lately (``at``)."""
    path = setting.study.folder / REPAIRS / PACE
    paces = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    key = hashlib.sha256(json.dumps(setting.made_from, sort_keys=True).encode()).hexdigest()[:16]
    if time() - paces.get(key, {}).get("at", 0.0) > FRESH:
        from explorer.repair.train import step_seconds  # seconds to import

        paces[key] = {
            "at": time(),
            "step": step_seconds(setting.rows, setting.stage.recipe, ANSWERS[setting.stage.kind]),
            "answer": _answer_seconds(setting.study, checks[:ANSWERED]),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, paces)
    return paces[key]


def _answer_seconds(study: Study, checks: Sequence[Check]) -> float:
    loaded = load_model(ModelSpec(study.model))
    began = perf_counter()
    answers(loaded, [Prompt(check.prompt) for check in checks])
    return (perf_counter() - began) / len(checks)
