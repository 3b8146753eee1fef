"""The time that a repair takes."""

import json

from explorer.repair.estimate import FRESH, PACE, estimate
from explorer.repair.job import run_repair
from tests.repair.conftest import plan_of


def test_an_estimate_counts_what_is_not_trained_yet(study):
    plan = plan_of(study, arms=["none", "top"])
    whole = estimate(study, plan)
    run_repair(study, plan_of(study, arms=["none"]))
    assert 0 < estimate(study, plan) < whole
    file = study.folder / "repairs" / PACE
    slow = {key: pace | {"step": 1e6} for key, pace in json.loads(file.read_text()).items()}
    file.write_text(json.dumps(slow))
    assert estimate(study, plan) > 1e6
    file.write_text(json.dumps({key: pace | {"at": pace["at"] - 2 * FRESH} for key, pace in slow.items()}))
    assert estimate(study, plan) < 1e6  # a busy moment is not remembered for long
