"""Which datapoints each arm edits, and what can't be planned."""

import json
from dataclasses import replace

import pytest

from explorer.data.study import create_study
from explorer.demo.build import ASSETS, build_demo
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.repair.arms import read_setting
from explorer.repair.choose import NotRepeatable, plan_repair
from explorer.repair.plan import PRESETS, Preset, read_plan, save_plan
from explorer.repair.results import measured
from explorer.repair.stages import read_stages, write_stages
from tests.repair.conftest import plan_of, sized


def test_arms_are_what_they_say(study):
    plan = plan_of(study, k=5, seeds=3)
    assert [(a.arm, a.seed) for a in plan.arms] == [
        ("none", 0), ("top", 0), ("random", 0), ("bottom", 0), ("none", 1), ("top", 1), ("random", 1), ("none", 2),
        ("top", 2), ("random", 2),
    ]  # fmt: skip
    table = study.datapoints()
    scores = rank(study, AboutBehavior("vowels"), method="bm25").scores
    sft = [i for i, stage in enumerate(table["stage"].to_pylist()) if stage == "sft"]
    ids = table["id"].to_pylist()
    score = {ids[i]: scores[i] for i in sft}
    top, bottom = plan.arms[1].ids, plan.arms[3].ids
    rest = [score[i] for i in score if i not in top]
    assert len(top) == 5 and min(score[i] for i in top) >= max(rest)
    assert len(bottom) == 5 and max(score[i] for i in bottom) <= min(score[i] for i in score if i not in bottom)
    drawn = [set(a.ids) for a in plan.arms if a.arm == "random"]
    assert all(len(ids) == 5 and ids <= score.keys() for ids in drawn) and drawn[0] != drawn[1] != drawn[2]
    assert plan_of(study, k=5, seeds=3) == plan and read_plan(save_plan(study, plan)) == plan


def test_a_ranking_at_hand_is_not_made_again(study):
    ranking = rank(study, AboutBehavior("vowels"), method="bm25")
    assert plan_repair(study, "vowels", "drop", [4], preset=sized(), train="sft", ranking=ranking) == plan_of(study)


def test_presets(study):
    small = plan_repair(study, "vowels", "drop", [2], preset="small", train="sft", method="bm25")
    assert (small.share, small.rows) == (0.3, 7) and [a.arm for a in small.arms] == ["none", "top", "random"]
    assert PRESETS["small"].summary() == "30 % of the rows, 1 seed, arms none, top, random"
    assert PRESETS["full"].summary() == "all rows, 3 seeds, arms none, top, random, bottom"
    full = plan_repair(study, "vowels", "drop", [2, 3], train="sft", method="bm25")
    assert full.summary() == (
        "17 trainings of stage 'sft' on 24 rows (drop): none × 3, top 2 × 3, top 3 × 3, random 2 × 3, random 3 × 3, "
        "bottom 2 × 1, bottom 3 × 1."
    )
    assert full.title() == "vowels · drop top 2, 3 by bm25" and small.title().endswith(" · 30% of the data")
    assert small.source() == "ranked by bm25"
    vectors = {"method": "rept", "layer": 28, "centre": True, "query": "bad", "checkpoint": "base"}
    assert replace(small, ranking=vectors).source() == "ranked by rept, layer 28, centred, vectors in base"


@pytest.mark.slow
def test_shipped_plans_are_nearly_made_again(tmp_path):
    """Nearly the same datapoints as when the repairs were measured, with vectors whose loss had no end of turn."""
    demo = build_demo(tmp_path / "demo")
    for folder in sorted((ASSETS / "repairs").iterdir())[-2:]:
        plan = read_plan(folder)
        preset = "small" if plan.share < 1 else "full"
        again = plan_repair(demo, plan.behavior, plan.edit, plan.ks, preset=preset)
        assert again.ranking == {**plan.ranking, "measure": "cosine"}
        assert replace(again, arms=(), ranking={}) == replace(plan, arms=(), ranking={})
        assert [(a.arm, a.k, a.seed) for a in again.arms] == [(a.arm, a.k, a.seed) for a in plan.arms]
        assert len({*again.top.ids} & {*plan.top.ids}) >= 0.95 * plan.top.k


def test_shipped_figures_stand_for_every_arm_of_their_plans(tmp_path):
    """Nothing that trainings or answers depend on has moved away from under them."""
    demo = build_demo(tmp_path / "demo")
    for folder in (ASSETS / "repairs").iterdir():
        plan = read_plan(folder)
        setting, known = read_setting(demo, plan), measured(demo, plan.behavior)
        assert all(setting.digest(arm) in known for arm in plan.arms), folder.name
        assert not measured(replace(demo, answer_tokens=64), plan.behavior)
        for other in ({"template": "raw"}, {"end_of_turn": False}):
            setting = read_setting(replace(demo, **other), plan)
            assert not any(setting.digest(arm) in known for arm in plan.arms)


def test_a_basket_is_a_plan_without_a_bottom(study):
    ids = [row["id"] for row in study.datapoints().to_pylist() if row["stage"] == "dpo"][:3]
    plan = plan_repair(study, "vowels", "swap", chosen=ids, preset=sized())
    assert plan.stage == "dpo" and plan.by_hand and plan.arms[1].ids == tuple(sorted(ids))
    assert [a.arm for a in plan.arms] == ["none", "top", "random"] and {a.k for a in plan.arms} == {0, 3}
    small = plan_repair(study, "vowels", "drop", chosen=ids, preset=sized(share=0.1))
    assert small.arms[1].ids == tuple(sorted(ids)) and len(read_setting(study, small).rows) == small.rows <= 5
    mixed = [*ids, next(row["id"] for row in study.datapoints().to_pylist() if row["stage"] == "sft")]
    with pytest.raises(ExplorerError, match="one stage"):
        plan_repair(study, "vowels", "drop", chosen=mixed)


def test_a_share_of_the_rows(study):
    plan = plan_of(study, share=0.5)
    setting = read_setting(study, plan)
    assert plan.rows == len(setting.rows) == 12
    assert {i for a in plan.arms for i in a.ids} <= {row["id"] for row in setting.rows}


def test_bad_input(study, tmp_path):
    for match, call in {
        "k is 500": lambda: plan_of(study, k=500),
        "k is 30": lambda: plan_of(study, k=30),
        "k is 0": lambda: plan_of(study, k=0),
        "no behavior 'x'": lambda: plan_repair(study, "x", "drop", [3]),
        "no held-out prompt": lambda: plan_repair(study, "nothing", "drop", [3]),
        "does not apply to stage 'sft'": lambda: plan_of(study, "swap"),
        "does not apply to stage 'dpo'": lambda: plan_of(study, "replace", train="dpo"),
        "no stage 'rlhf'": lambda: plan_of(study, train="rlhf"),
        "Edit 'burn' is unknown": lambda: plan_of(study, "burn"),
        "Arm 'x' is unknown": lambda: plan_of(study, arms=("none", "x")),
        "Preset 'tiny' is unknown": lambda: plan_repair(study, "vowels", "drop", [1], preset="tiny"),
        "seeds 0": lambda: plan_repair(study, "vowels", "drop", [1], preset=Preset(seeds=0)),
        "share is 0": lambda: plan_of(study, share=0.0),
        "Nothing to edit": lambda: plan_repair(study, "vowels", "drop", []),
        "a plan of a repair": lambda: read_plan(tmp_path),
    }.items():
        with pytest.raises(ExplorerError, match=match):
            call()
    rows = [{"id": "a", "prompt": "p", "response": "r"}]
    line = {"id": "b", "name": "vowels", "prompt": "p", "bad": "r", "exhibits": "r", "half": "evaluation"}
    bare = create_study(tmp_path / "bare", name="bare", model="smollm2", datapoints=rows, behaviors=[line])
    with pytest.raises(NotRepeatable, match="can't be repeated"):
        plan_repair(bare, "vowels", "drop", [1], method="bm25")


def test_two_stages_of_one_name_are_refused(study):
    stages = list(read_stages(study).values())
    write_stages(study.folder, [stages[0], replace(stages[1], name="sft")])
    with pytest.raises(ExplorerError, match=r"training.json: two stages are called 'sft'"):
        read_stages(study)


def test_what_a_recipe_may_say(study):
    path = study.folder / "training.json"
    (sft, dpo) = json.loads(path.read_text())
    for changes, sentence in (
        ({"scheduler": "linear", "warmup": 0, "sft_weight": 0}, ""),
        ({"scheduler": "polynomial"}, "field 'recipe.scheduler' is \"polynomial\"; expected cosine or linear"),
        ({"batch": 0}, "field 'recipe.batch' is 0; expected a number above 0"),
        ({"warmup": -0.1}, r"field 'recipe.warmup' is -0\.1"),
        ({"epochs": True}, "field 'recipe.epochs' is true"),
    ):
        changed = dpo | {"start": None, "recipe": dpo["recipe"] | changes}
        path.write_text(json.dumps([sft, changed]))
        if sentence:
            with pytest.raises(ExplorerError, match=sentence):
                read_stages(study)
            continue
        stage = read_stages(study)["dpo"]
        assert (stage.start, stage.recipe.scheduler, stage.recipe.warmup, stage.recipe.sft_weight) == (
            None, "linear", 0.0, 0.0
        )  # fmt: skip
        assert stage.to_json()["recipe"]["scheduler"] == "linear"
    assert "scheduler" not in sft["recipe"] and "desirable_weight" not in sft["recipe"]  # names of old trainings stay
