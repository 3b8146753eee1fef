"""How long a repair takes on this machine: one real step of the stage and one batch of answers, timed."""

import hashlib
import json
from time import perf_counter, time

from explorer.data.study import Study
from explorer.files import write_json
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.repair.arms import setting
from explorer.repair.checks import held_out
from explorer.repair.job import finished
from explorer.repair.plan import NONE, REPAIRS, Plan
from explorer.repair.stages import ANSWERS_OF, DPO

PACE = "pace.json"
_ASKED = 40
FRESH = 600.0
"""Seconds after which a pace is measured anew: the machine may be busier by then, or less."""


def estimate(study: Study, plan: Plan) -> float:
    """Seconds that all trainings and measurements of a plan take; runs that are there already count nothing.

    Times one step forward and back on a batch of the stage and ``_ASKED`` greedy answers (some 10 s), and keeps both
    for a while in ``repairs/pace.json``. Raises ExplorerError for a plan that does not fit the study.
    """
    of = setting(study, plan)
    path = study.folder / REPAIRS / PACE
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    key = hashlib.sha256(json.dumps(of.made_from, sort_keys=True).encode()).hexdigest()[:16]
    if time() - known.get(key, {}).get("at", 0.0) > FRESH:
        from explorer.repair.train import step_seconds  # seconds to import

        known[key] = {
            "at": time(),
            "step": step_seconds(of.rows, of.stage.recipe, ANSWERS_OF[of.stage.kind]),
            "answer": _answer(study, [c.prompt for c in held_out(study, plan.behavior)]),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    recipe, pace = of.stage.recipe, known[key]
    known = finished(study, plan.behavior)
    new = [arm for arm in plan.arms if of.digest(arm) not in known and not (of.folder(arm) / "adapter").is_dir()]
    steps = max(1, round(recipe.epochs * plan.rows / recipe.batch))
    each = steps * pace["step"] + len(held_out(study, plan.behavior)) * pace["answer"]
    first = (
        plan.rows / recipe.batch * pace["step"] / 3 if of.stage.kind == DPO and any(a.arm == NONE for a in new) else 0
    )
    return len(new) * each + first  # the reference's own log-probabilities are one forward pass


def _answer(study: Study, prompts: list[str]) -> float:
    """Seconds of one greedy answer, of a batch."""
    loaded = load_model(ModelSpec(study.model))
    some = [Prompt(prompt) for prompt in prompts[:_ASKED]]
    began = perf_counter()
    answers(loaded, some)
    return (perf_counter() - began) / len(some)
