"""The Behaviors page of a tiny study whose prompts were answered by two tiny models."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from streamlit.testing.v1 import AppTest

from explorer.data.study import Study, open_study
from explorer.files import write_json_lines
from tests.pages.app import open_study_page, shown, texts
from tests.pages.data_study import BEHAVIORS, HOSTILE, data_rows
from tests.vectors.tiny import WORDS, save_tiny, tiny_loaded, tiny_study

open_page = partial(open_study_page, "behaviors")


ADDRESS = "http://localhost:8501/behaviors?clusters=3"


def behaviors_study(folder: Path) -> Study:
    """The study without vectors and answers."""
    model = save_tiny(folder / "model")
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(tiny_loaded(dtype=torch.float32).model, config).save_pretrained(str(folder / "tuned"))
    made = tiny_study(folder / "s", model, data_rows(), adapters=[str(folder / "tuned")], behaviors=BEHAVIORS)
    lines = [{"id": f"d{i}", "prompt": f"{i}: {WORDS[i % 3][: 8 + 5 * i]}?"} for i in range(5)]
    write_json_lines(made.folder / "discovery.jsonl", [*lines, {"id": HOSTILE, "prompt": HOSTILE}])
    return open_study(made.folder)


def said(app: AppTest) -> str:
    return " ".join(texts(app)).replace("\\", "")


def opened(study: Study, number: int = 1, **query: str) -> AppTest:
    """The page with a cluster that has datapoints."""
    cards = shown(open_page(study, clusters="3"), "cluster-list")["cards"]
    card = max(cards, key=lambda c: int(c["figures"].split("· ")[1].split()[0]))
    return open_page(study, clusters="3", cluster=card["key"], **query)
