"""After a real training, tiny: the study holds the data as they were used, the weights and the recipe."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from explorer import study_from
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.repair.stages import read_stages
from explorer.studies.opened import OpenStudy
from tests.vectors.tiny import WORDS, save_tiny

LORA = LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
CHATS = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"{i}: {WORDS[i % 3][: 10 + i]}?"},
            {"role": "assistant", "content": WORDS[(i + 1) % 3][: 8 + i]},
        ],
        "topic": f"t{i % 2}",
    }
    for i in range(8)
]
PAIRS = [
    {"prompt": f"{i}: {WORDS[i % 3][:12]}", "chosen": f" {WORDS[0][: 5 + i]}", "rejected": f" {WORDS[1][: 4 + i]}"}
    for i in range(8)
]
BEHAVIORS = [
    {"id": f"b{i}", "name": "seoul", "prompt": f"{i}: capital?", "bad": "Seoul", "good": "Ottawa", "exhibits": "a|e",
     "half": ("query", "evaluation")[i % 2]}
    for i in range(4)
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


def arguments(kind: Any, folder: Path, **more: Any) -> Any:
    usual = {"per_device_train_batch_size": 2, "learning_rate": 1e-3, "num_train_epochs": 1, "save_strategy": "no"}
    usual |= {"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True, "logging_strategy": "no"}
    return kind(output_dir=str(folder / "out"), **(usual | more))


def sft(base: Path, folder: Path, rows: list[dict[str, Any]], lora: Any = LORA, **more: Any) -> Any:
    trainer = SFTTrainer(
        str(base), args=arguments(SFTConfig, folder, **more), train_dataset=Dataset.from_list(rows), peft_config=lora
    )
    trainer.train()
    return trainer


def written(trainer: Any, folder: Path, **more: Any) -> tuple[OpenStudy, str]:
    """The study and all that was told about it."""
    told: list[str] = []
    return study_from(trainer, folder, tell=told.append, **more), "\n".join(told)


def same_logits(trainer: Any, study: OpenStudy) -> bool:
    ids = torch.tensor([[5, 40, 90, 200]])
    with torch.no_grad():
        trained = trainer.model.eval()(input_ids=ids).logits
        return torch.allclose(load_model(study.spec).model(input_ids=ids).logits, trained, atol=1e-4)


def test_sft_of_chats_with_lora_is_built_ranked_and_planned(base, tmp_path):
    trainer = sft(base, tmp_path, CHATS, warmup_steps=2)
    study, told = written(trainer, tmp_path / "study", behaviors=BEHAVIORS)
    assert "8 of 8 rows looked at have the very token ids of the training" in told
    assert "it put a loss on other tokens than those of the answers too" in told  # TRL's default for messages
    table = study.datapoints().to_pylist()
    assert {row["prompt"] for row in table} == {chat["messages"][1]["content"] for chat in CHATS}
    assert {row["system"] for row in table} == {"Be brief."} and {row["topic"] for row in table} == {"t0", "t1"}
    assert study.template == "chat" and study.end_of_turn and study.model == str(base)
    assert same_logits(trainer, study) and list(study.checkpoints()) == ["base", "sft"]
    assert not list((tmp_path / "study").rglob("*.bin"))
    (stage,) = read_stages(study).values()
    recipe = stage.recipe
    assert (stage.kind, stage.start, stage.result) == ("sft", None, "adapters/sft")
    assert (recipe.rank, recipe.alpha, recipe.batch, recipe.epochs) == (2, 6, 2, 1.0)
    assert (recipe.learning_rate, recipe.warmup, recipe.scheduler) == (1e-3, 0.5, "linear")
    assert recipe.targets == ("q_proj", "v_proj")
    study.build(layers=[2])
    assert len(study.rank("seoul", layer=2).order) == 8
    plan = study.plan_repair("seoul", "drop", 2, preset="small")
    assert plan.stage == "sft" and len(plan.top.ids) == 2


def test_the_study_may_move(base, tmp_path):
    study, _ = written(sft(base, tmp_path, CHATS), tmp_path / "study")
    moved = tmp_path / "elsewhere"
    study.folder.rename(moved)
    from explorer import open_study

    assert load_model(open_study(moved).spec).model is not None


def test_plain_pairs_with_dpo(base, tmp_path):
    args = arguments(DPOConfig, tmp_path, beta=0.3, lr_scheduler_type="constant")
    trainer = DPOTrainer(str(base), args=args, train_dataset=Dataset.from_list(PAIRS), peft_config=LORA)
    trainer.train()
    study, told = written(trainer, tmp_path / "study", behaviors=BEHAVIORS)
    assert study.template == "raw" and "8 of 8 rows looked at have the very token ids" in told
    first = study.datapoints().to_pylist()[0]
    assert {name: first[name] for name in PAIRS[0]} == PAIRS[0]  # without the token that TRL adds
    (stage,) = read_stages(study).values()
    assert stage.kind == "dpo" and stage.start is None
    assert (stage.recipe.beta, stage.recipe.sft_weight, stage.recipe.scheduler) == (0.3, 0.0, "constant")
    study.build(layers=[2])
    assert study.plan_repair("seoul", "swap", 2, preset="small").edit == "swap"


def test_dpo_that_goes_on_from_an_adapter_keeps_where_it_began(base, tmp_path):
    started = sft(base, tmp_path / "first", CHATS, learning_rate=0.05).model
    args = arguments(DPOConfig, tmp_path, learning_rate=0.05)
    trainer = DPOTrainer(
        started, args=args, train_dataset=Dataset.from_list(PAIRS), processing_class=AutoTokenizer.from_pretrained(base)
    )
    trainer.train()
    study, _ = written(trainer, tmp_path / "study", name="Two stages")
    (stage,) = read_stages(study).values()
    assert stage.start == "adapters/dpo-start" and study.name == "Two stages"
    assert study.reference_spec.adapter == str(study.folder / "adapters/dpo-start") and same_logits(trainer, study)
    assert not (study.folder / "adapters/dpo/ref").exists()


def tokenised(base: Path, rows: list[dict[str, Any]], keep: bool, mask: bool) -> Dataset:
    """Rows as people tokenise them for ``Trainer``: chat template, the loss on the answer."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    made = []
    for row in rows:
        whole = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        before = tokenizer.apply_chat_template(row["messages"][:-1], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        n = len(tokenizer(before, add_special_tokens=False)["input_ids"])
        labels = [-100] * n + ids[n:] if mask else list(ids)
        made.append({"input_ids": ids, "labels": labels} | (row if keep else {}))
    return Dataset.from_list(made)


def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    pad = {"input_ids": 0, "labels": -100}
    return {
        name: torch.tensor([row[name] + [fill] * (longest - len(row[name])) for row in rows])
        for name, fill in pad.items()
    }


def plain(base: Path, folder: Path, data: Dataset, lora: bool = False) -> Trainer:
    model = AutoModelForCausalLM.from_pretrained(base)
    trainer = Trainer(
        get_peft_model(model, LORA) if lora else model,
        arguments(TrainingArguments, folder, learning_rate=0.01),
        train_dataset=data,
        data_collator=collate,
        processing_class=AutoTokenizer.from_pretrained(base),
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("keep", [True, False], ids=["columns kept", "token ids alone"])
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
def test_a_plain_trainer(base, tmp_path, keep, lora):
    trainer = plain(base, tmp_path, tokenised(base, CHATS, keep, mask=True), lora)
    study, told = written(trainer, tmp_path / "study")
    assert "8 of 8 rows looked at have the very token ids" in told and "other tokens" not in told
    assert ("turned back into text" in told) != keep
    assert same_logits(trainer, study)
    stages = read_stages(study)
    assert list(stages) == (["sft"] if lora else []) and ("can't be repeated by a repair" in told) != lora
    if not lora:
        assert study.spec.source == str(study.folder / "models/sft") and study.reference_spec.source == str(base)
    study.build(layers=[1])
    texts = {row["response"] for row in study.datapoints().to_pylist()}
    assert texts == {chat["messages"][-1]["content"] for chat in CHATS}


def test_packed_rows_are_taken_apart(base, tmp_path):
    trainer = sft(base, tmp_path, CHATS, packing=True, max_length=256)
    assert "messages" not in trainer.train_dataset.column_names  # TRL keeps the ids alone
    study, told = written(trainer, tmp_path / "study")
    assert "turned back into text" in told
    assert "token ids of the training" in told
    prompts = [row["prompt"] for row in study.datapoints().to_pylist()]
    assert sorted(prompts) == sorted(chat["messages"][1]["content"] for chat in CHATS)
    assert read_stages(study)["sft"].recipe.batch > 2  # examples, not packed sequences


def test_a_loss_on_the_last_answer_of_a_chat_alone(base, tmp_path):
    turns = [{"role": "user", "content": "a whale"}, {"role": "assistant", "content": "is a mammal"}]
    rows = [
        {"prompt": [*turns, {"role": "user", "content": f"{i}?"}],
         "completion": [{"role": "assistant", "content": WORDS[0][: 5 + i]}]}
        for i in range(4)
    ]  # fmt: skip
    study, told = written(sft(base, tmp_path, rows), tmp_path / "study")
    assert study.turns == "last" and "other tokens" not in told and len(study.datapoints()) == 4


def test_what_it_went_on_from_and_stopped_at(base, tmp_path):
    first = sft(base, tmp_path / "first", CHATS)
    first.save_model(str(tmp_path / "runs/first"))
    trainer = sft(base, tmp_path, CHATS, save_strategy="steps", save_steps=1)
    study, _ = written(trainer, tmp_path / "study", after=[str(tmp_path / "runs/first")], checkpoints=True, stage="two")
    assert [Path(spec.adapter or "").name for spec in study.trained] == [
        "first", "checkpoint-1", "checkpoint-2", "checkpoint-3", "two"
    ]  # fmt: skip
    assert study.reference_spec.adapter == str(tmp_path / "runs/first")
    assert read_stages(study)["two"].start == str(tmp_path / "runs/first")


def test_what_is_refused_leaves_nothing(base, tmp_path):
    folder = tmp_path / "study"
    trainer = plain(base, tmp_path, tokenised(base, CHATS[:2], keep=False, mask=True))
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"base": "/nowhere"}, "--model /nowhere: no such folder"),
        ({"failures": [{"prompt": "p", "wrong": "w"}]}, "failures.jsonl, row 1: field 'right' is missing"),
        ({"data": [{"words": "a"}]}, "neither text nor token ids, but words"),
    )
    for change, sentence in changes:
        with pytest.raises(ExplorerError, match=sentence):
            study_from(trainer, folder, tell=lambda _: None, **change)
        assert not folder.exists()
    with pytest.raises(ExplorerError, match="is no trainer"):
        study_from(object(), folder)
    folder.mkdir()
    (folder / "study.toml").write_text("precious")
    with pytest.raises(ExplorerError, match=r"there is a study\.toml already"):
        study_from(trainer, folder, tell=lambda _: None)
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_a_stream_needs_its_data(base, tmp_path):
    trainer = sft(base, tmp_path, CHATS)
    trainer.train_dataset = iter(CHATS)
    with pytest.raises(ExplorerError, match="is a stream"):
        study_from(trainer, tmp_path / "study", tell=lambda _: None)
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in CHATS))
    study, _ = written(trainer, tmp_path / "study", data=file)
    assert len(study.datapoints()) == 8
