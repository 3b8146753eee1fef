"""What goes into the model: batches of the arms, dropped rows, corrected answers."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from explorer.data.study import DATAPOINTS
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.progress import silent
from explorer.repair import arms, train
from explorer.repair.arms import (
    ANSWERS,
    ask,
    corrected_responses,
    edited_rows,
    read_setting,
    whole_sentences,
)
from explorer.repair.checks import held_out
from explorer.repair.job import run_repair
from explorer.repair.packed_batches import collate
from explorer.repair.results import measured
from explorer.repair.train import load_base, read_rows
from tests.repair.conftest import plan_of


@pytest.mark.slow
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
    rows = read_rows(load_base(recipe), setting.rows[:3], "sft", recipe)
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


def test_answers_of_another_length_are_not_taken_over(study):
    """They are asked anew, of the model that is there, and kept apart in its file and in the figures."""
    plan = plan_of(study, arms=["none"])
    short = replace(study, answer_tokens=3)
    run_repair(study, plan)
    setting, (arm,) = read_setting(study, plan), plan.arms
    assert set(measured(study, "vowels")) == {setting.digest(arm)} and not measured(short, "vowels")
    assert read_setting(short, plan).digest(arm) == setting.digest(arm)  # the training is the same
    spec, checks = arms.train(setting, arm, silent), held_out(study, "vowels")
    long_answers = ask(setting, arm, spec, checks, silent)
    short_answers = ask(read_setting(short, plan), arm, spec, checks, silent)
    count = lambda text: len(load_model(spec).tokenizer(text, add_special_tokens=False)["input_ids"])  # noqa: E731
    assert max(map(count, long_answers)) > 28 and max(map(count, short_answers)) <= 4  # of words, not of the model
    assert ask(setting, arm, spec, checks, silent) == long_answers
    lines = [json.loads(line) for line in (setting.folder(arm) / ANSWERS).read_text().splitlines() if line]
    assert sorted({line.pop("answer_tokens") for line in lines}) == [3, 64]
    # an old file tells no length: it is the demo's
    (setting.folder(arm) / ANSWERS).write_text("".join("\n" + json.dumps(line | {"answer": "old"}) for line in lines))
    assert ask(read_setting(replace(study, answer_tokens=28), plan), arm, spec, checks, silent) == ["old"] * len(checks)
    assert ask(setting, arm, spec, checks, silent) == long_answers


def test_what_a_training_depends_on(study):
    """System prompts, template, end of turn and the adapter's targets name another training."""
    plan = plan_of(study, arms=["none"])
    (arm,), digest = plan.arms, lambda of: read_setting(of, plan).digest(plan.arms[0])
    names = {digest(study), digest(replace(study, template="raw")), digest(replace(study, end_of_turn=False))}
    path = study.folder / "training.json"
    path.write_text(path.read_text().replace('"result": "adapters/sft"', '"result": "adapters/other"'))
    names.add(digest(study))  # all linear maps
    (study.folder / "adapters/other").mkdir()
    (study.folder / "adapters/other/adapter_config.json").write_text('{"target_modules": ["q_proj", "v_proj"]}')
    names.add(digest(study))
    setting = read_setting(study, plan)
    weights = load_file(str(Path(arms.train(setting, arm, silent).adapter or "") / "adapter_model.safetensors"))
    assert {name.split(".")[-3] for name in weights} == {"q_proj", "v_proj"}
    table = study.datapoints()
    pq.write_table(table.append_column("system", pa.array(["Be brief."] * len(table))), study.folder / DATAPOINTS)
    names.add(digest(study))
    assert len(names) == 6
    (study.folder / "adapters/other/adapter_config.json").write_text("{}")
    with pytest.raises(ExplorerError, match="field 'target_modules': it is missing"):
        read_setting(study, plan)
