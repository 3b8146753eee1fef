"""Adapters with their own tokenizer or chat template, of kinds that can't be merged, and given in a model's place."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer.errors import ModelError
from explorer.model.adapters import with_base
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.explain import ready_model
from explorer.vectors.fingerprint import model_digest
from tests.model.hub import FakeHub
from tests.trace.lie import ADAPTERS
from tests.vectors.tiny import save_adapter, save_tiny, tiny_tokenizer

OWN = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}>{% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


@pytest.fixture
def adapter(tmp_path) -> Path:
    return save_adapter(tmp_path / "adapter")


def read(base: Path, adapter: Path | str) -> str:
    return encode_prompt(load_model(ModelSpec(str(base), str(adapter))), Prompt("two")).text


def test_without_its_own_an_adapter_reads_as_its_base(base, adapter):
    assert read(base, adapter) == "<|user|>two</s><|assistant|>"
    assert "tokenizer" not in model_digest(ModelSpec(str(base), str(adapter)))


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json", "named"])
def test_its_chat_template_is_used(base, adapter, file):
    if file == "chat_template.jinja":
        (adapter / file).write_text(OWN)
    else:
        template = (
            OWN if file != "named" else [{"name": "tools", "template": "x"}, {"name": "default", "template": OWN}]
        )
        (adapter / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert read(base, adapter) == "[user] two\n>"
    assert load_model(ModelSpec(str(base))).tokenizer.chat_template != OWN  # the base's stays
    assert model_digest(ModelSpec(str(base), str(adapter)))["tokenizer"] == "the adapter's"


def test_its_tokenizer_is_used_and_new_tokens_have_its_embeddings(base, adapter):
    tokenizer = tiny_tokenizer().__class__.from_pretrained(base)
    tokenizer.add_tokens(["<|new|>"], special_tokens=True)
    tokenizer.save_pretrained(adapter)
    spec = ModelSpec(str(base), str(adapter))
    rows = len(tokenizer)
    with pytest.raises(
        ModelError, match=f"{rows} tokens, the model embeddings for {rows - 1}, and the adapter holds none"
    ):
        load_model(spec)
    weights, new = load_file(adapter / "adapter_model.safetensors"), torch.randn(rows, 32)
    for name in ("model.embed_tokens", "lm_head"):
        weights[f"base_model.model.{name}.weight"] = new.clone()
    save_file(weights, adapter / "adapter_model.safetensors")
    loaded = load_model(spec)
    ids = loaded.tokenizer("two<|new|>", add_special_tokens=False)["input_ids"]
    assert ids[-1] == rows - 1
    embeddings: Any = loaded.model.get_input_embeddings()
    assert torch.equal(embeddings.weight[rows - 1], new[rows - 1])


def test_a_broken_tokenizer_is_told(base, adapter):
    (adapter / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"adapter: its tokenizer can't be read"):
        load_model(ModelSpec(str(base), str(adapter)))


def test_an_adapter_on_the_hub_brings_its_template(base, adapter, tmp_path, monkeypatch):
    (adapter / "chat_template.jinja").write_text(OWN)
    FakeHub(tmp_path / "hub", monkeypatch).put("org/with-template", adapter)
    assert read(base, "org/with-template") == "[user] two\n>"


@pytest.mark.parametrize("kind", ["PREFIX_TUNING", "PROMPT_TUNING"])
def test_prefix_tuning_is_refused_in_words(base, adapter, kind):
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": kind}))
    with pytest.raises(ModelError, match=f"kind {kind} puts trained vectors before the text, .* expected a LoRA"):
        load_model(ModelSpec(str(base), str(adapter)))


def test_an_adapter_in_a_models_place_stands_on_its_base(base, adapter):
    def names(value: object) -> None:
        config = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": value}))

    names(str(base))
    assert with_base(ModelSpec(str(adapter))) == ModelSpec(str(base), str(adapter))
    assert ready_model(str(adapter)) is load_model(ModelSpec(str(base), str(adapter)))
    names("org/name")
    assert with_base(ModelSpec(str(adapter), dtype="float32")) == ModelSpec("org/name", str(adapter), dtype="float32")
    assert with_base(ModelSpec(str(ADAPTERS / "sft"))) == ModelSpec("smollm2", str(ADAPTERS / "sft"))
    for value, words in ((None, "does not name it"), ("gone", "names 'gone', which is not here"), (3, "does not name")):
        names(value)
        with pytest.raises(ModelError, match=f"is a PEFT adapter, and {words}"):
            with_base(ModelSpec(str(adapter)))
    with pytest.raises(ModelError, match="one adapter"):
        with_base(ModelSpec(str(adapter), "other"))
    for other in (ModelSpec(), ModelSpec("org/name"), ModelSpec(str(base))):
        assert with_base(other) == other
    shutil.rmtree(adapter)


def test_an_ia3_adapter_is_merged(base, tmp_path):
    from peft import IA3Config, get_peft_model

    torch.manual_seed(0)
    model = load_model(ModelSpec(str(base))).model
    config = IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    adapted = get_peft_model(copy.deepcopy(model), config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "ia3_" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    adapted.save_pretrained(str(tmp_path))
    merged, ids = load_model(ModelSpec(str(base), str(tmp_path))).model, torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        wanted = adapted(ids).logits
        torch.testing.assert_close(merged(ids).logits, wanted, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(model(ids).logits, wanted, atol=1e-2)
