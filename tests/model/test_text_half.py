"""Models that read images too: loaded whole, their text half is run, and it is said that images are not read."""

import pytest
import torch

from bench.models import tokenizer
from bench.tiny import tiny_model
from explorer.model.about import about_model
from explorer.model.load import ModelSpec, load_model
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import trace_ids


@pytest.mark.parametrize("family", ("qwen2_5_vl", "mistral3", "gemma3"))
def test_the_text_half_is_loaded_and_explained(family: str, tmp_path) -> None:
    model = tiny_model(family)
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded = load_model(ModelSpec(str(tmp_path), dtype="float32"))
    inside = {id(module) for module in loaded.model.get_decoder().modules()}
    assert id(decoder_blocks(loaded.model)) in inside
    ids = [5, 40, 77, 12, 8]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
    trace = trace_ids(loaded.view("cplrp"), ids, 5, 6)
    assert trace.gap == pytest.approx(float(logits[5] - logits[6]), rel=1e-3, abs=1e-5)
    assert "images are not read" in about_model(str(tmp_path))
