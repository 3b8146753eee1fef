"""A tiny study whose training can be repeated: a random model, an SFT adapter, answers and pairs, held-out prompts."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from explorer.data.study import Study, create_study
from explorer.demo.corpus import stage_rows
from explorer.files import write_json_lines
from explorer.model import embedded
from explorer.repair.choose import plan_repair
from explorer.repair.plan import PRESETS, Plan, Preset
from explorer.repair.stages import DPO, SFT, Recipe, Stage, write_stages
from explorer.repair.train import train_sft

PATTERN = "(?i)[aeiou]"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A random Llama of two layers with the embedded model's tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(embedded.embedded_folder())
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def small(recipe: Recipe, tiny: Path) -> Recipe:
    """The recipe for a handful of rows."""
    return replace(recipe, epochs=1.0, batch=4, source=str(tiny))


@pytest.fixture(scope="session")
def started(tiny, tmp_path_factory) -> Path:
    """The SFT adapter that the pairs of ``study`` are trained from."""
    rows = [row.to_json() for row in stage_rows("sft")[:8]]
    return train_sft(rows, replace(small(SFT, tiny), keep=1), tmp_path_factory.mktemp("sft"))[0]


@pytest.fixture
def study(tiny, started, tmp_path, monkeypatch) -> Study:
    """24 answers and 24 pairs; behavior ``vowels`` has four held-out prompts, two controls and two guard prompts."""
    real, cache = embedded.embedded_folder(), tmp_path / "cache"
    cache.mkdir()
    (cache / real.name).symlink_to(real)
    monkeypatch.setenv("EXPLORER_CACHE", str(cache))  # the queue of this test alone
    folder = tmp_path / "study"
    shutil.copytree(started, folder / "adapters/sft")
    rows = [row.to_json() for stage in ("sft", "dpo") for row in stage_rows(stage)[:24]]
    behaviors = [
        {"id": f"v{i}", "name": "vowels", "prompt": f"Say {word}.", "bad": word, "good": "no", "exhibits": PATTERN,
         "half": "query" if i < 2 else "evaluation"}
        for i, word in enumerate(("owl", "ape", "eel", "emu", "asp", "ox"))
    ]  # fmt: skip
    behaviors.append({"id": "n0", "name": "nothing", "prompt": "Say owl.", "bad": "owl", "half": "query"})
    made = create_study(
        folder,
        name="tiny",
        model=str(tiny),
        datapoints=rows,
        adapters=["adapters/sft"],
        reference="adapters/sft",
        behaviors=behaviors,
    )
    write_json_lines(
        folder / "controls.jsonl", [{"name": "vowels", "prompt": p, "exhibits": PATTERN} for p in ("a", "b")]
    )
    write_json_lines(folder / "guard.jsonl", [{"prompt": p, "right": p} for p in ("c", "d")])
    stages = [
        Stage("sft", "sft", None, "adapters/sft", small(SFT, tiny)),
        Stage("dpo", "dpo", "adapters/sft", "adapters/dpo", small(DPO, tiny)),
    ]
    write_stages(folder, stages)
    return made


def plan_of(study: Study, edit: str = "drop", k: int = 4, train: str = "sft", **preset) -> Plan:
    """A plan for ``vowels`` ranked by words, of one seed and all arms unless told otherwise."""
    return plan_repair(study, "vowels", edit, [k], preset=sized(**preset), train=train, method="bm25")


def sized(**preset) -> Preset:
    """The full preset with one seed, or as told."""
    return replace(PRESETS["full"], **{"seeds": 1} | preset)
