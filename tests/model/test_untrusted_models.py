"""Folders of models that somebody else made, or writes to: nothing runs, nothing is mapped, nothing is stale."""

from __future__ import annotations

import json
import os
import shutil
import struct
import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from explorer.errors import ExplorerError, ModelError
from explorer.model import embedded, load
from explorer.model.load import ModelSpec, load_model
from explorer.model.trusted import check_gguf
from explorer.vectors.fingerprint import model_digest
from tests.vectors.tiny import save_adapter, save_tiny

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "model")


def logits(spec: ModelSpec) -> torch.Tensor:
    with torch.no_grad():
        return load_model(spec).model(input_ids=torch.arange(5)[None]).logits


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(spec: ModelSpec) -> str:
    with pytest.raises(ExplorerError) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_is_trained_into_again_is_loaded_again_with_another_digest(folder, tmp_path):
    spec = ModelSpec(str(folder))
    old = load_model(spec)
    before, digest = logits(spec), model_digest(old)
    shutil.copy(save_tiny(tmp_path / "other", seed=1) / WEIGHTS, folder / WEIGHTS)
    with pytest.raises(ModelError, match="its files have changed since it was loaded"):
        model_digest(old)  # else the old model's vectors would be kept as the new one's
    new = load_model(spec)
    assert new is not old and model_digest(new) != digest
    assert not torch.equal(logits(spec), before)
    assert [key for key in load._kept if key[0] == spec] == [(spec, new.stamp)]


@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_a_loaded_model_is_no_map_of_its_file(folder, change):
    loaded = load_model(ModelSpec(str(folder)))
    ids = torch.arange(5)[None]
    before = loaded.model(input_ids=ids).logits
    if change == "overwrite":
        with (folder / WEIGHTS).open("r+b") as file:
            file.seek(1000)
            file.write(os.urandom(20_000))
    elif change == "truncate":
        os.truncate(folder / WEIGHTS, 100)
    else:
        shutil.rmtree(folder)
    assert torch.equal(loaded.model(input_ids=ids).logits, before)


def test_an_index_that_names_a_pickle_or_another_folder_is_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    for name in ("pytorch_model.bin", "../model.safetensors", "/etc/x.safetensors"):
        index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        assert "expected .safetensors files in the same folder" in refusal(ModelSpec(str(folder)))
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": 3}))
    assert "field 'weight_map' is missing" in refusal(ModelSpec(str(folder)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_hidden_layers": 10**9}, "'num_hidden_layers' is 1000000000; expected a whole number up to 1,000"),
        ({"intermediate_size": 10**7}, "lacks weights that its configuration asks for"),
        ({"vocab_size": 10**9}, "lacks weights that its configuration asks for"),
        ({"transformers_weights": "pytorch_model.bin"}, "field 'transformers_weights' is 'pytorch_model.bin'"),
        ({"attn_implementation": "someone/kernel"}, "field 'attn_implementation' is 'someone/kernel'"),
    ],
)
def test_a_configuration_can_not_ask_for_more_than_there_is(folder, change, sentence):
    rewrite(folder / "config.json", **change)
    began = time.monotonic()
    assert sentence in refusal(ModelSpec(str(folder)))
    assert time.monotonic() - began < 10


def test_an_adapter_runs_no_code_and_reads_no_pickle(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "trap.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    adapter = save_adapter(tmp_path / "adapter")
    config = adapter / "adapter_config.json"
    plain = config.read_text()
    spec = ModelSpec(str(folder), str(adapter))
    clean = logits(spec)
    rewrite(config, megatron_core="trap", auto_mapping={"parent_library": "trap", "base_model_class": "X"})
    assert torch.equal(logits(spec), clean)  # fields that are not taken change nothing
    for change, sentence in (
        ({"megatron_config": {"a": 1}, "megatron_core": "trap"}, "field 'megatron_config' is set"),
        ({"peft_type": "MULTITASK_PROMPT_TUNING"}, "kind MULTITASK_PROMPT_TUNING puts trained vectors before the text"),
        ({"init_lora_weights": "pissa"}, "which changes the base"),
        ({"r": 10**12}, "field 'r' is 1000000000000; expected a rank"),
        ({"r": "8"}, "field 'r' is 8; expected a rank"),
        ({"target_modules": r"(\w+\.?)+!"}, "field 'target_modules'"),
        ({"rank_pattern": {"(a+)+$": 3}}, "field 'rank_pattern'"),
        ({"modules_to_save": [3]}, "expected names of modules"),
    ):
        config.write_text(plain)
        rewrite(config, **change)
        assert sentence in refusal(spec)
    assert not (tmp_path / "ran").exists()


def test_a_model_folder_with_an_adapter_in_it_is_refused(folder, tmp_path):
    shutil.copy(save_adapter(tmp_path / "adapter") / "adapter_config.json", folder)
    assert "holds a model and a PEFT adapter" in refusal(ModelSpec(str(folder)))


def test_nobody_waits_for_the_download_of_another(folder, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def slow_hub(*_given, **_more):
        asked.set()
        assert answer.wait(30)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", slow_hub)
    failures: list[str] = []
    waiting = threading.Thread(target=lambda: failures.append(refusal(ModelSpec("nobody/slow"))))
    waiting.start()
    assert asked.wait(10)
    began = time.monotonic()
    load_model(ModelSpec(str(folder)))
    assert time.monotonic() - began < 5 and waiting.is_alive()
    answer.set()
    waiting.join()
    assert "'nobody/slow' was not found" in failures[0]


# --- the embedded model -------------------------------------------------------------------------------------------


@pytest.fixture
def cached(tmp_path: Path, smollm, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the embedded model's folder as the cache, whose download is only counted."""
    copy = shutil.copytree(embedded.final_folder(), tmp_path / embedded.final_folder().name)
    whole = shutil.copytree(copy, tmp_path / "whole")
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))

    def converted(_gguf: Path, folder: Path) -> None:
        shutil.copytree(whole, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checksums.json"))

    monkeypatch.setattr(embedded, "fetch_gguf", lambda scratch: scratch / "fetched")
    monkeypatch.setattr(embedded, "_convert", converted)
    return copy


def damage(folder: Path, how: str) -> None:
    if how == "zeroed tensor":
        tensors = load_file(folder / WEIGHTS)
        tensors["model.norm.weight"].zero_()
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    elif how == "other tokenizer":
        rewrite(folder / "tokenizer.json", version="2.0")
    elif how == "half a folder":
        (folder / WEIGHTS).unlink()
    elif how == "cut short":
        os.truncate(folder / WEIGHTS, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["zeroed tensor", "other tokenizer", "half a folder", "cut short"])
def test_a_damaged_copy_of_the_embedded_model_is_made_anew(cached, how):
    assert embedded.embedded_folder() == cached
    damage(cached, how)
    told: list[str] = []
    assert embedded.embedded_folder(lambda what, *_: told.append(what)) == cached
    assert told[0].startswith("Fetching")
    assert embedded.weights_digest(cached / WEIGHTS) == embedded.WEIGHTS_SHA256
    assert not list(cached.parent.glob(".*.scratch"))
    told.clear()
    embedded.embedded_folder(lambda what, *_: told.append(what))
    assert not told


def test_what_a_killed_conversion_left_is_swept(cached):
    left = cached.parent / f".{cached.name}.deadbeef.scratch" / "content"
    left.mkdir(parents=True)
    (left / "big").write_bytes(b"x" * 1000)
    (left.parent / ".lock").touch()
    damage(cached, "half a folder")
    embedded.embedded_folder()
    assert not left.exists()


def test_a_conversion_that_gives_other_weights_is_not_used(cached, monkeypatch):
    damage(cached, "half a folder")
    monkeypatch.setattr(embedded, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="The converted weights have SHA-256"):
        embedded.embedded_folder()
    assert not cached.exists()


# --- GGUF headers -------------------------------------------------------------------------------------------------


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def header(tensors: int, values: int, body: bytes = b"") -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, tensors, values) + body


BOMBS = {
    "values": header(0, 2**60),
    "tensors": header(2**60, 0),
    "text": header(0, 1, struct.pack("<Q", 2**62)),
    "array": header(0, 1, text(b"k") + struct.pack("<IIQ", 9, 4, 2**61)),
    "array of arrays": header(0, 1, text(b"k") + struct.pack("<IIQ", 9, 9, 3) + b"\0" * 200),
    "type": header(0, 1, text(b"k") + struct.pack("<I", 77)),
    "shape": header(1, 0, text(b"t") + struct.pack("<I", 2**31)),
    "version": struct.pack("<4sIQQ", b"GGUF", 99, 0, 0),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_gguf_header_that_declares_more_than_the_file_holds(tmp_path, bomb):
    path = tmp_path / "bomb.gguf"
    path.write_bytes(BOMBS[bomb])
    began = time.monotonic()
    assert "GGUF" in refusal(ModelSpec(str(path))) or bomb in ("values", "tensors")
    assert time.monotonic() - began < 2


GOOD = header(1, 2, text(b"a") + struct.pack("<If", 6, 1.5) + text(b"b") + struct.pack("<IIQ3I", 9, 4, 3, 1, 2, 3)) + (
    text(b"t") + struct.pack("<IQQIQ", 2, 4, 8, 0, 0)
)


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(GOOD)))
def test_any_gguf_header_is_walked_or_refused(tmp_path_factory, changes, end):
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.gguf"
    path.write_bytes(data[:end] if end % 3 else data)
    try:
        check_gguf(path)
    except ModelError as error:
        assert "\n" not in str(error)
