"""A tiny study with two checkpoints; indexes of a moment need not reach the disk."""

import os

import pytest
import torch
from peft import LoraConfig, get_peft_model

from explorer.data.study import Study, open_study
from explorer.files import write_json_lines
from explorer.vectors.build import build_index
from tests.vectors.tiny import WORDS, mixed_rows, save_tiny, tiny_loaded, tiny_study

PROMPTS = tuple(f"{i}: {WORDS[i % 3][: 8 + 5 * i]}?" for i in range(6))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A tiny random model, an adapter that changes it, four behavior prompts, six unlabelled ones, and vectors."""
    folder = tmp_path_factory.mktemp("clusters")
    model = save_tiny(folder / "model")
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(tiny_loaded(dtype=torch.float32).model, config).save_pretrained(str(folder / "tuned"))
    behaviors = [
        {"id": "a0", "name": "a", "prompt": "one?", "bad": "no", "good": "yes", "half": "query"},
        {"id": "a1", "name": "a", "prompt": "two?", "bad": "no", "good": "yes", "half": "evaluation"},
        {"id": "b0", "name": "b", "prompt": "three?", "bad": "seven"},
    ]
    made = tiny_study(folder / "s", model, mixed_rows(20), adapters=[str(folder / "tuned")], behaviors=behaviors)
    lines = [{"id": f"d{i}", "prompt": text} for i, text in enumerate(PROMPTS)]
    write_json_lines(made.folder / "discovery.jsonl", lines)
    build_index(made, "base", layers=[1, 3])
    return open_study(made.folder)


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred small files would otherwise wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)
