"""LoRA on models that are no Llama, on plain text and on chats; those that can't read packed rows read padded ones."""

import json
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BertConfig

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.repair.adapter import base_name
from explorer.repair.packed_batches import answer_logps, collate, packs
from explorer.repair.stages import DPO, SFT
from explorer.repair.train import load_base, read_rows, train_dpo, train_sft
from tests.model.gguf_file import save_gguf
from tests.model.test_same_states import OWN_CODE, model_of
from tests.repair.conftest import small
from tests.vectors.tiny import save_tiny, tiny_loaded, tiny_tokenizer

MAPS = {
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "gpt2": {"c_attn", "c_proj", "c_fc"},
    "phi3": {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    "gpt_neox": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "mamba": {"in_proj", "x_proj"},
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
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == "model"
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


def test_targets_of_another_family_are_told(tmp_path):
    """An adapter with Llama's names on Phi-3 changes two kinds of maps alone: a repair repeats that, and says so."""
    folder = save_tiny(tmp_path / "model", tiny_loaded("phi3", torch.float32))
    told: list[str] = []
    recipe = replace(small(SFT, folder), keep=1, targets=tuple(sorted(MAPS["llama"])))
    (adapter,) = train_sft(ROWS, recipe, tmp_path / "sft", lambda what, *_: told.append(what))
    names = {name.split(".")[-3] for name in load_file(adapter / "adapter_model.safetensors")}
    assert names == {"o_proj", "down_proj"}
    (sentence,) = [what for what in told if "targets" in what]
    assert "gate_proj, k_proj, q_proj, up_proj, v_proj are no parts" in sentence
    assert sentence.endswith("trained are down_proj, o_proj")


def test_an_adapter_names_the_model_that_it_was_trained_on():
    assert base_name(ModelSpec("org/name@v2")) == "org/name"
    assert base_name(ModelSpec("/home/someone/models/mine")) == "mine"
    assert base_name(ModelSpec()) == "SmolLM2-135M-Instruct"


def test_a_gguf_file_is_trained_like_any_model(tmp_path):
    """Its adapter goes onto the file again, and both stages run."""
    path = save_gguf(tmp_path / "tiny.gguf")
    recipe = replace(small(SFT, path), keep=1, raw=True, learning_rate=0.05, epochs=8.0)
    (adapter,) = train_sft(ROWS, recipe, tmp_path / "sft")
    (paired,) = train_dpo(PAIRS, small(replace(DPO, keep=1, raw=True), path), adapter, tmp_path / "dpo")
    assert json.loads((paired / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny.gguf"
    bare, taught = (load_model(ModelSpec(str(path), name)) for name in (None, str(adapter)))
    ids = torch.tensor([bare.tokenizer("3 plus two is")["input_ids"]])
    answer = int(bare.tokenizer(" seven", add_special_tokens=False)["input_ids"][0])
    before, after = (m.model(ids).logits[0, -1].log_softmax(-1)[answer].item() for m in (bare, taught))
    assert after > before + 1


def test_an_adapter_with_a_chat_template_is_trained_again_with_it(tmp_path):
    folder, own = save_tiny(tmp_path / "model"), tmp_path / "own"
    own.mkdir()
    (own / "chat_template.jinja").write_text("{% for m in messages %}[{{ m['content'] }}]{% endfor %}")
    recipe = replace(small(SFT, folder), keep=1, tokenizer=str(own))
    read = read_rows(load_base(recipe), ROWS, "sft", recipe)
    assert load_base(recipe).tokenizer.decode(read[0]["prompt_ids"]) == "[0 plus two is]"
    (adapter,) = train_sft(ROWS, recipe, tmp_path / "sft")
    loaded = load_model(ModelSpec(str(folder), str(adapter)))
    assert encode_prompt(loaded, Prompt("two")).text == "[two]"


@pytest.mark.parametrize("name", OWN_CODE)
def test_attention_code_of_its_own_is_trained_on_padded_rows(name, tmp_path):
    """The first step's loss is that of the rows read one by one."""
    model, losses = model_of(name), tmp_path / "losses.jsonl"
    folder = save_tiny(tmp_path / "model", LoadedModel(ModelSpec("tiny"), model, tiny_tokenizer()))
    recipe = replace(small(SFT, folder), keep=1, raw=True, batch=len(ROWS), epochs=5.0, learning_rate=0.05)
    data = read_rows(load_base(recipe), ROWS, "sft", recipe)
    assert all(row["padded"] == (name != "falcon") for row in data)
    train_sft(ROWS, recipe, tmp_path / "sft", losses=losses)
    assert json.loads(losses.read_text().splitlines()[-1])["loss"] < loss_of(model, data)
    batch = collate(data)
    assert -answer_logps(model, batch).mean().item() == pytest.approx(loss_of(model, data), rel=1e-4)


@torch.no_grad()
def loss_of(model, rows):
    """Mean loss of the answers' tokens, one plain pass a row."""
    found = []
    for row in rows:
        ids, start = [*row["prompt_ids"], *row["answers"][0]], len(row["prompt_ids"])
        logps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        found += [-float(logps[place - 1, ids[place]]) for place in range(start, len(ids))]
    return sum(found) / len(found)


def test_a_model_whose_tokens_see_what_comes_after_them_is_refused():
    config = BertConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=False).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))
    with pytest.raises(ExplorerError, match="can't be trained here: it reads padded rows otherwise than each alone"):
        packs(model, [{"prompt_ids": [4, 5, 6], "answers": [[7] * n]} for n in (1, 9)])
