"""What goes into the model: batches of the arms, dropped rows, corrected answers; the time that a repair takes."""

import json
from dataclasses import replace

import pytest
import torch

from explorer.progress import silent
from explorer.repair import arms, train
from explorer.repair.arms import FRESH, PACE, corrected_responses, edited_rows, estimate, read_setting, whole_sentences
from explorer.repair.job import run_repair
from explorer.repair.packed_batches import collate, tokenise
from explorer.repair.train import load_base
from tests.repair.conftest import plan_of


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_arms_of_a_seed_see_the_same_batches_but_for_the_edits(study, kind, monkeypatch):
    """What goes into the model: without the edited rows, every batch of every step is the same in all arms."""
    seen: dict[str, list[list[tuple]]] = {}
    real = train.collate
    current = ""

    def spy(rows):
        seen.setdefault(current, []).append([(r["prompt_ids"], r["answers"], r["kept"]) for r in rows])
        return real(rows)

    monkeypatch.setattr(train, "collate", spy)
    edit = "drop" if kind == "sft" else "swap"
    plan = plan_of(study, edit, train=kind, seeds=2, arms=["none", "top", "random"])
    setting = read_setting(study, plan)
    for arm in plan.arms:
        current = f"{arm.arm}{arm.seed}"
        arms.train(setting, arm, silent)
    plain = {tuple(r[0]): r for batch in seen["none0"] for r in batch}
    for name in ("top", "random"):
        for seed in (0, 1):
            assert len(seen[f"{name}{seed}"]) >= 6
            changed = set()
            steps = zip(seen[f"none{seed}"][-6:], seen[f"{name}{seed}"][-6:], strict=True)
            for one, other in steps:
                assert [r[0] for r in one] == [r[0] for r in other]
                for (_, a, kept), (ids, b, also) in zip(one, other, strict=True):
                    assert kept
                    if edit == "drop":
                        assert a == b
                        changed |= set() if also else {tuple(ids)}
                    else:
                        assert also and b in (a, a[::-1])
                        changed |= {tuple(ids)} if a != b else set()
            assert len(changed) == 4 and changed <= plain.keys()
    orders = [[r[0] for batch in seen[f"none{seed}"][-6:] for r in batch] for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_dropping_a_row_is_training_without_it(study):
    """The gradient of a batch with a dropped row equals the one of the batch that never had it."""
    plan = plan_of(study)
    setting = read_setting(study, plan)
    recipe = replace(setting.stage.recipe, seed=0)
    tokenizer, _ = load_base(recipe)
    rows = [tokenise(tokenizer, row, ("response",)) for row in setting.rows[:3]]
    dropped = [*rows[:2], rows[2] | {"kept": False}]
    whole, without = collate(dropped), collate(rows[:2])
    assert all(torch.equal(whole[name], without[name]) for name in without)
    assert collate([rows[0] | {"kept": False}])["counts"] == 0 and without["counts"] == 1


def test_replace_puts_whole_sentences_of_the_first_model_in(study):
    plan = plan_of(study, "replace", arms=["top"])
    setting = read_setting(study, plan)
    arm = plan.arms[0]
    rows = edited_rows(setting, arm, silent)
    for row, old in zip(rows, setting.rows, strict=True):
        assert (row["response"] != old["response"]) == (row["id"] in arm.ids)
    assert whole_sentences("It is so. It was no") == "It is so." and whole_sentences("none at all") == "none at all"
    given = [dict(old) | {"corrected": "Yes."} for old in setting.rows if old["id"] in arm.ids]
    assert set(corrected_responses(setting, given, setting.folder(arm) / "x.json", silent).values()) == {"Yes."}


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
