"""KTO: its loss is TRL's own on the same model and rows, its rows are what a study keeps, and a repair trains it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import load_file
from trl import KTOConfig, KTOTrainer

from explorer import study_from
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.repair.arms import read_setting, train
from explorer.repair.export import plan_zip
from explorer.repair.packed_batches import answer_logps, pack, summed, tokenise
from explorer.repair.stages import read_stages
from explorer.repair.unpaired import is_unwanted, kto_losses, turned, wanted_rows, with_others
from tests.repair.conftest import sized
from tests.vectors.tiny import WORDS, save_tiny

LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
ROWS = [
    {"prompt": f"{i}: {WORDS[i % 3][:12]}", "completion": f" {WORDS[(i + 1) % 3][: 5 + i]}", "label": i % 3 != 0}
    for i in range(8)
]
WANTED = {"id": "w", "prompt": "p", "response": "r", "chosen": None, "rejected": None}
UNWANTED = {"id": "u", "prompt": "p", "response": None, "chosen": "", "rejected": "r"}


@pytest.fixture
def trainer(tmp_path: Path) -> KTOTrainer:
    """TRL's trainer on a tiny model, its adapter moved away from the reference."""
    args: Any = {"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "logging_strategy": "no"}
    args |= {"per_device_train_batch_size": 8, "save_strategy": "no", "num_train_epochs": 1, "learning_rate": 0.02}
    args |= {"desirable_weight": 0.7, "beta": 0.5}
    base = save_tiny(tmp_path / "base")
    settings: Any = {"train_dataset": Dataset.from_list(ROWS), "peft_config": LORA}
    made = KTOTrainer(str(base), args=KTOConfig(output_dir=str(tmp_path / "out"), **args), **settings)
    for _ in range(2):
        made.train()
    return made


def test_the_loss_is_that_of_trl(trainer, tmp_path):
    study = study_from(trainer, tmp_path / "study", tell=lambda _: None)
    rows, wanted = wanted_rows(study.datapoints().to_pylist())
    assert wanted == [row["label"] for row in ROWS]
    trained, bare = (load_model(spec) for spec in (study.spec, ModelSpec(study.model)))
    data = tokenise(trained, rows, ("response",), raw=True, turns="last")
    with_others(data)
    batch: Any = pack(data)
    with torch.no_grad():
        logps = [summed(answer_logps(m.model, batch), batch["owner"]).view(-1, 2) for m in (trained, bare)]
        ours = kto_losses(logps[0] - logps[1], torch.tensor(wanted), 0.5, (0.7, 1.0)).mean()
        trainer.model.eval()
        theirs = trainer.compute_loss(trainer.model, trainer.data_collator([*trainer.train_dataset]))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-4) and abs(ours.item() - 0.42) > 1e-3  # it has moved


def test_rows_are_wanted_or_not_and_swap_turns_them():
    assert (is_unwanted(WANTED), is_unwanted(UNWANTED)) == (False, True)
    assert turned(WANTED) == UNWANTED | {"id": "w"} and turned(UNWANTED) == WANTED | {"id": "u"}
    rows, wanted = wanted_rows([WANTED, UNWANTED, WANTED | {"edit": "swap"}, UNWANTED | {"edit": "swap"}])
    assert wanted == [True, False, False, True] and {row["response"] for row in rows} == {"r"}
    with pytest.raises(ExplorerError, match="Training row x is a pair"):
        wanted_rows([{"id": "x", "chosen": "a", "rejected": "b"}])


def test_a_repair_trains_it_again(trainer, tmp_path, monkeypatch):
    behaviors = [
        {"id": f"b{i}", "name": "seoul", "prompt": f"{i}: city?", "bad": "Seoul", "exhibits": "a", "half": half}
        for i, half in enumerate(("query", "evaluation"))
    ]
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    study = study_from(trainer, tmp_path / "study", behaviors=behaviors, tell=lambda _: None)
    (stage,) = read_stages(study).values()
    assert stage.kind == "kto" and stage.recipe.desirable_weight == 0.7 and stage.edits == ("drop", "swap")
    plan = study.plan_repair("seoul", "swap", 3, preset=sized(arms=("none", "top")), method="bm25")
    setting = read_setting(study, plan)
    weights = [
        load_file(Path(train(setting, arm, lambda *_: None).adapter or "") / "adapter_model.safetensors")
        for arm in plan.arms
    ]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert b"data-unpaired.jsonl" in plan_zip(study, plan)
