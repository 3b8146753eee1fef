"""LoRA on models that are no Llama: GPT-2 (transposed weights) and GPT-NeoX, on plain text and on chats."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.repair.stages import DPO, SFT
from explorer.repair.train import train_dpo, train_sft
from tests.repair.conftest import small
from tests.vectors.tiny import save_tiny, tiny_loaded

MAPS = {
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "gpt2": {"c_attn", "c_proj", "c_fc"},
    "gpt_neox": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
}
ROWS = [{"id": f"r{i}", "prompt": f"{i} plus two is", "response": "seven", "system": None} for i in range(8)]
PAIRS = [row | {"chosen": "seven", "rejected": "a whale"} for row in ROWS]


@pytest.mark.parametrize("family", list(MAPS))
@pytest.mark.parametrize("raw", [False, True])
def test_every_linear_map_of_the_blocks_is_trained(family, raw, tmp_path):
    folder = save_tiny(tmp_path / "model", tiny_loaded(family, torch.float32))
    recipe = small(SFT, folder)
    recipe = replace(recipe, keep=1, raw=raw, learning_rate=0.05, epochs=8.0)
    (adapter,) = train_sft(ROWS, recipe, tmp_path / "sft")
    weights = load_file(adapter / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in weights} == MAPS[family]
    assert all(weight.abs().sum() > 0 for weight in weights.values())  # B, which starts at 0, too
    assert family != "llama" or str(tmp_path) not in (adapter / "adapter_config.json").read_text()
    taught, bare = (load_model(ModelSpec(str(folder), path)) for path in (str(adapter), None))
    unmerged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(adapter)).eval()
    text = "3 plus two is" if raw else "<|user|>3 plus two is</s><|assistant|>"
    ids = torch.tensor([taught.tokenizer(text, add_special_tokens=raw)["input_ids"]])
    answer = int(taught.tokenizer(" seven" if raw else "seven", add_special_tokens=False)["input_ids"][0])
    with torch.no_grad():
        merged, alone, before = (model(ids).logits[0, -1] for model in (taught.model, unmerged, bare.model))
    torch.testing.assert_close(merged, alone, atol=1e-3, rtol=1e-3)
    assert merged.log_softmax(-1)[answer] > before.log_softmax(-1)[answer] + 1  # it learned what it was taught
    (paired,) = train_dpo(PAIRS, small(replace(DPO, keep=1, raw=raw), folder), adapter, tmp_path / "dpo")
    assert load_file(paired / "adapter_model.safetensors").keys() == weights.keys()


def test_targets_that_the_model_has_not(tmp_path):
    folder = save_tiny(tmp_path / "model", tiny_loaded("gpt2", torch.float32))
    recipe = replace(small(SFT, folder), targets=("q_proj",))
    with pytest.raises(ExplorerError, match="no LoRA adapter can be put in"):
        train_sft(ROWS, recipe, tmp_path / "sft")
