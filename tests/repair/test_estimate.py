"""How long a repair takes: a pace that is measured once for a model and a machine, and remembered for every study."""

import json
from dataclasses import replace

import pytest

from explorer.repair import estimate as module
from explorer.repair.arms import read_setting
from explorer.repair.checks import held_out
from explorer.repair.estimate import PACE, Estimate, characters, estimate
from explorer.repair.job import run_repair
from tests.repair.conftest import plan_of


@pytest.fixture
def cache(study, tmp_path):
    """The cache folder of the study's test alone."""
    return tmp_path / "cache"


def test_an_estimate_is_there_at_once_from_the_remembered_pace(study, cache, monkeypatch):
    plan = plan_of(study, arms=["none", "top"])
    assert estimate(study, plan) is None  # never timed here
    timed = estimate(study, plan, measure=True)
    assert timed and timed.seconds > 0
    monkeypatch.setattr(module, "load_model", None)  # no model from here on
    assert estimate(study, plan) == timed
    (key,) = paces = json.loads((cache / PACE).read_text())
    paces[key] = {"at": 7.0, "character": 2.0, "token": 3.0}
    (cache / PACE).write_text(json.dumps(paces))
    setting = read_setting(study, plan)
    epoch = plan.rows * characters(setting.rows, setting.stage.kind) * 2.0
    answers = len(held_out(study, plan.behavior)) * study.answer_tokens * 3.0
    reference = epoch / 3 if setting.stage.pairs else 0.0
    wanted = len(plan.arms) * (setting.stage.recipe.epochs * epoch + answers) + reference
    found = estimate(study, plan)
    assert found and found.at == 7.0 and found.seconds == pytest.approx(wanted)


def test_what_is_trained_already_takes_no_time(study):
    plan = plan_of(study, arms=["none", "top"])
    whole = estimate(study, plan, measure=True)
    run_repair(study, plan_of(study, arms=["none"]))
    left = estimate(study, plan)
    assert whole and left and 0 < left.seconds < whole.seconds


def test_characters_of_pairs_count_the_prompt_with_each_answer():
    rows = [{"prompt": "four", "chosen": "ab", "rejected": "c", "response": None}, {"prompt": "x", "chosen": "y"}]
    assert characters(rows, "dpo") == ((4 + 2 + 4 + 1) + (1 + 1 + 1 + 0)) / 2
    assert characters([], "sft") == 0


@pytest.mark.parametrize("text", ["{", '{"a": {"at": 1}}', "[]", '{"a": {"at": 1, "character": -1, "token": 1}}'])
def test_a_damaged_file_of_paces_is_nobodys_pace(study, cache, text):
    (cache / PACE).write_text(text)
    assert module.read_paces(cache / PACE) == {}
    assert estimate(study, plan_of(study, arms=["none"])) is None
    assert isinstance(estimate(study, replace(plan_of(study, arms=["none"])), measure=True), Estimate)
