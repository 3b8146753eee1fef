"""Models of a training in memory: revisions of the hub, whole models beside adapters, and what is kept of them."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from explorer.errors import ModelError
from explorer.model import load, memory
from explorer.model.load import ModelSpec, load_model
from explorer.model.spec import short_name
from explorer.vectors.fingerprint import model_digest
from tests.model.hub import FakeHub
from tests.vectors.tiny import save_adapter, save_tiny


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """An SFT and a DPO model of one shape."""
    return save_tiny(tmp_path / "sft"), save_tiny(tmp_path / "dpo", seed=1)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    return FakeHub(tmp_path / "hub", monkeypatch)


def weights(spec: ModelSpec) -> dict[str, torch.Tensor]:
    return {name: p.clone() for name, p in load_model(spec).model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_name_is_split_at_its_revision_and_a_path_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec("org/name@step-100")
    assert spec == ModelSpec("org/name", revision="step-100") and spec.name == "org/name@step-100"
    assert spec.title == "name@step-100" and ModelSpec("name@v1.0/a", "x/y@main").title == "name@v1.0-a + y@main"
    assert short_name("org/name@" + "0123456789" * 4) == "name@01234567"
    for path in ("./a@b", "/x/a@b", "~/a@b", "a@b.gguf", "a/b/c@d"):
        assert ModelSpec(path).source == path and ModelSpec(path).revision is None
    (tmp_path / "runs@2").mkdir()
    assert ModelSpec("runs@2").revision is None
    assert ModelSpec("org/name@a").weights != ModelSpec("org/name@b").weights


def test_what_has_no_revision_says_so(folders, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for spec in (ModelSpec(str(folders[0]), revision="main"), ModelSpec("sft@main"), ModelSpec(f"{folders[0]}@main")):
        with pytest.raises(ModelError, match="sft is on this machine and has no revision 'main'; only models"):
            load_model(spec)
    with pytest.raises(ModelError, match="smollm2 is the embedded model and has no revision 'x'"):
        load_model(ModelSpec("smollm2@x"))
    at = shutil.copytree(folders[0], tmp_path / "model@main")
    assert load_model(ModelSpec(str(at))).n_layers == 3


def test_revisions_of_the_hub_are_models_of_their_own(hub, folders):
    commits = [hub.put("org/olmo", folder, name) for folder, name in zip(folders, ("main", "dpo"), strict=True)]
    main, dpo = ModelSpec("org/olmo"), ModelSpec("org/olmo@dpo")
    assert same(weights(main), weights(ModelSpec(str(folders[0]))))
    assert same(weights(dpo), weights(ModelSpec(str(folders[1]))))
    digests = [model_digest(spec)["model"] for spec in (main, dpo)]
    assert digests == [f"hub:org/olmo:{commit}" for commit in commits]
    assert model_digest(ModelSpec("org/olmo", revision=commits[1]))["model"] == digests[1]
    with pytest.raises(ModelError, match="'org/olmo@nowhere' was not found"):
        load_model(ModelSpec("org/olmo@nowhere"))


def test_an_adapter_on_the_hub_has_revisions_and_is_known_by_its_content(hub, folders, tmp_path):
    adapter = save_adapter(tmp_path / "tuned")
    hub.put("org/tuned", adapter)
    path = adapter / "adapter_model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(path).items()}, path)
    hub.put("org/tuned", adapter, "twice")
    base = str(folders[0])
    main, twice = ModelSpec(base, "org/tuned"), ModelSpec(base, "org/tuned@twice")
    assert same(weights(twice), weights(ModelSpec(base, str(adapter))))
    assert not same(weights(main), weights(twice))
    assert (
        model_digest(main)["adapter"]
        != model_digest(twice)["adapter"]
        == model_digest(ModelSpec(base, str(adapter)))["adapter"]
    )
    with pytest.raises(ModelError, match="org/tuned is a PEFT adapter; expected a full model"):
        load_model(ModelSpec("org/tuned"))
    with pytest.raises(ModelError, match="Adapter 'org/tuned@gone' was not found on the hub"):
        load_model(ModelSpec(base, "org/tuned@gone"))


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept yet."""
    monkeypatch.setattr(load, "_kept", {})


def kept() -> list[ModelSpec]:
    return [spec for spec, _stamp in load._kept]


def test_models_are_kept_by_bytes_and_let_go_before_the_next_is_read(empty, folders, monkeypatch):
    sft, dpo = (ModelSpec(str(folder)) for folder in folders)
    size = memory.bytes_of([load_model(sft).model])
    assert size == 4 * memory.count_weights(folders[0])
    alive, real = weakref.ref(load_model(sft).model), AutoModelForCausalLM.from_pretrained
    seen = []

    def read(*given: Any, **more: Any) -> Any:
        seen.append(alive() is not None)
        return real(*given, **more)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)
    monkeypatch.setattr(memory, "room", lambda _device: 2 * size)
    load_model(dpo)
    assert kept() == [sft, dpo] and seen == [True]
    load_model(sft)  # used last now
    third = ModelSpec(str(folders[0]), dtype="bfloat16")
    load_model(third)
    assert kept() == [sft, third]
    monkeypatch.setattr(memory, "room", lambda _device: 0)
    gc.collect()
    load_model(dpo)
    assert kept() == [dpo] and seen == [True, True, False]


def test_a_model_that_is_held_never_changes_and_is_not_read_twice(empty, folders, monkeypatch):
    sft, dpo = (ModelSpec(str(folder)) for folder in folders)
    monkeypatch.setattr(memory, "room", lambda _device: 0)
    held = load_model(sft)
    before = {name: p.clone() for name, p in held.model.state_dict().items()}
    load_model(dpo)
    assert sft not in kept()
    assert same(before, held.model.state_dict())
    assert load_model(sft) is held


def test_equal_weights_are_held_once_and_others_are_not(empty, folders, tmp_path):
    base, adapted = ModelSpec(str(folders[0])), ModelSpec(str(folders[0]), str(save_adapter(tmp_path / "tuned")))
    alone = weights(adapted)
    load._kept.clear()
    load._alive.clear()
    plain = load_model(base).model
    before = {name: p.clone() for name, p in plain.state_dict().items()}
    tuned = load_model(adapted).model
    assert same(before, plain.state_dict()) and same(alone, tuned.state_dict())
    for (name, one), other in zip(plain.named_parameters(), tuned.parameters(), strict=True):
        assert (one.data_ptr() == other.data_ptr()) == ("q_proj" not in name), name
    changed = sum(p.nbytes for name, p in plain.named_parameters() if "q_proj" in name)
    assert memory.bytes_of([plain, tuned]) == memory.bytes_of([plain]) + changed
    one_bit = dict(plain.named_parameters())["model.norm.weight"].clone()
    other = load_model(ModelSpec(str(folders[1]))).model  # the same shapes, other numbers
    other.model.norm.weight.data = one_bit * (1 + 2e-7)
    memory.share_equal(other, [plain])
    assert not {p.data_ptr() for p in other.parameters()} & {p.data_ptr() for p in plain.parameters()}


def test_tokenizers_of_equal_files_are_one(empty, folders, tmp_path):
    sft, dpo = (load_model(ModelSpec(str(folder))) for folder in folders)
    assert sft.tokenizer is dpo.tokenizer
    changed = shutil.copytree(folders[1], tmp_path / "changed")
    (changed / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    other = load_model(ModelSpec(str(changed))).tokenizer
    assert other is not sft.tokenizer and other.chat_template != sft.tokenizer.chat_template
