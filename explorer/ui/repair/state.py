"""What the Repair page works with: the study's repairs by name, the plan of the set-up, words for arms and times."""

import json
import re
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice, Ranking
from explorer.repair.arms import RUNS
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.job import PROGRESS, QUEUED, RUNNING, STOPPED, Status, repairs, status
from explorer.repair.plan import ARMS, BOTTOM, DROP, NONE, RANDOM, REPAIRS, SMALL, TOP, Plan, make_plan, read_plan
from explorer.repair.stages import TRAINING, read_stages
from explorer.ui.study import distinct
from explorer.ui.training_data.state import Corpus, about_behavior, ranked
from explorer.vectors.index import Index

NEW = "new"
"""What the link says in place of a repair's name where another one is being set up."""
SIZES = {"small": f"Small: {SMALL:.0%} of the rows, one seed", "full": "Full: all rows, three seeds"}
STARTING, STARTS_WITHIN = "starting", 90.0
"""Seconds that a new process may take to be at work: it reads torch first."""
SEEDS = {"small": 1, "full": 3}


def titles(study: Study) -> dict[str, str]:
    """The study's repairs, the latest first: folder name → what people read."""
    return distinct({folder.name: _title(folder) for folder in repairs(study)})


def _title(folder: Path) -> str:
    try:
        return f"{plan_words(read_plan(folder))}{_state(state_of(folder))}"
    except ExplorerError:
        return f"{folder.name} (broken)"


def plan_words(plan: Plan) -> str:
    """A repair in a few words."""
    ks = ", ".join(str(k) for k in sorted({arm.k for arm in plan.arms if arm.k}))
    whose = f"top {ks} by {plan.ranking.get('method', 'a ranking')}" if plan.ranking else f"{ks} chosen by hand"
    share = f" · {plan.share:.0%} of the data" if plan.share < 1 else ""
    return f"{plan.behavior} · {plan.edit} {whose}{share}"


def _state(found: Status) -> str:
    if is_active(found):
        return " · at work"  # how far is said beside it, and changes while this stands
    counted = f"{found.done} of {found.of} trained" if found.of else "not trained"
    return {"done": "", NEW: f" · {counted}"}.get(found.state, f" · {found.state}, {counted}")


def state_of(folder: Path) -> Status:
    """How far a repair is; one whose process was begun a moment ago, and has yet to take its lock, is starting.

    Raises ExplorerError.
    """
    found, told = status(folder), folder / PROGRESS
    try:
        begun = json.loads(told.read_text(encoding="utf-8")).get("state") == QUEUED
        if found.state == STOPPED and begun and time() - told.stat().st_mtime < STARTS_WITHIN:
            return replace(found, state=QUEUED, what=STARTING)
    except (OSError, ValueError, AttributeError):
        pass
    return found


def run_folder(study: Study, run: str) -> Path:
    """Where a training lies; a result from elsewhere can't lead out of the study."""
    return study.folder / REPAIRS / RUNS / Path(run).name


def is_active(found: Status) -> bool:
    """Whether a process is at work on it, or waits for its turn."""
    return found.state in (QUEUED, RUNNING)


def arm_words(arm: str, k: int, by_hand: bool = False) -> str:
    """An arm as people read it."""
    return {NONE: "Unedited", TOP: f"{'Chosen' if by_hand else 'Top'} {k}", RANDOM: f"{k} at random",
            BOTTOM: f"Last {k}"}.get(arm, f"{arm} {k}")  # fmt: skip


def example_arm(key: str, by_hand: bool) -> str:
    """The arm that ``result.json`` names with its k among the examples: ``top-150``."""
    arm, _, k = key.rpartition("-")
    return arm_words(arm, int(k), by_hand) if k.isdecimal() else key


def duration(seconds: float) -> str:
    """A time in one or two units."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def patterns(study: Study, behavior: str) -> dict[str, re.Pattern[str]]:
    """Held-out prompt → what shows the behavior in its answer; empty where the study no longer has them."""
    try:
        return {c.prompt: re.compile(c.pattern) for c in held_out(study, behavior) if c.kind == BEHAVIOR}
    except ExplorerError:
        return {}


def planned(
    of: Corpus,
    behavior: str,
    edit: str,
    ks: tuple[int, ...],
    index: Index | None,
    choice: Choice,
    chosen: tuple[str, ...],
    stage: str | None,
    size: str,
) -> Plan:
    """The plan of a set-up; which datapoints are edited does not depend on how. Raises ExplorerError."""
    file = of.study.folder / TRAINING
    version = (of.version, file.stat().st_mtime_ns if file.is_file() else 0)
    which = (str(index.folder), index.manifest.fingerprint) if index else ()
    ranking = None
    if not chosen and read_stages(of.study):
        with st.spinner("Ranking the training data", show_time=True):
            ranking = ranked(of, index, about_behavior(of, behavior), choice).ranking
    made_in = index.manifest.checkpoint if index else ""
    made = _planned((version, which), of.study, ranking, made_in, behavior, ks, choice, chosen, stage, size)
    return replace(made, edit=edit)


@st.cache_resource(max_entries=32, show_spinner=False)
def _planned(
    version: tuple[Any, ...],
    _study: Study,
    _ranking: Ranking | None,
    made_in: str,
    behavior: str,
    ks: tuple[int, ...],
    choice: Choice,
    chosen: tuple[str, ...],
    stage: str | None,
    size: str,
) -> Plan:
    small = size == "small"
    arms = [arm for arm in ARMS if not (small and arm == BOTTOM)]
    share = SMALL if small else 1.0
    return make_plan(_study, behavior, DROP, ks, _ranking, chosen, stage, SEEDS[size], share, arms, made_in)
