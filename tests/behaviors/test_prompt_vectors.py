"""Vectors of prompts: cached, made again where damaged, refused for another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from explorer.behaviors import prompt_vectors as module
from explorer.behaviors.prompt_vectors import FOLDER, prompt_vectors
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.vectors.build import build_index
from explorer.vectors.fingerprint import model_digest
from explorer.vectors.index import UNRANKED, Index


def index_of(study: Study) -> Index:
    return build_index(study, "base", layers=[1, 3])


def test_vectors_are_cached_by_the_texts_alone(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(study)
    rows = (AnsweredPrompt("x", "", "one?", "no", " "), AnsweredPrompt("y", "a", "two?", "no", "yes"))
    first = prompt_vectors(study, index, rows)
    assert (first.kinds == UNRANKED).tolist() == [True, False]
    monkeypatch.setattr(module, "load_model", lambda *_rest: pytest.fail("made again"))
    again = prompt_vectors(study, index, rows)
    assert all(torch.equal(first.vectors[key], again.vectors[key]) for key in first.vectors)
    part = prompt_vectors(study, index, [AnsweredPrompt("named otherwise", "b", "two?", "no", "yes")])
    assert all(torch.equal(first.vectors[key][1:], part.vectors[key]) for key in first.vectors)


def test_stopped_or_damaged_vectors_are_made_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(study)
    rows = [AnsweredPrompt(f"k{i}", "", f"{i} sheep?", "yes", "no") for i in range(5)]
    made: list[int] = []
    real = module.item_vectors

    def spy(loaded, items, *rest):
        made.append(len(items))
        if sum(made) > 4:
            raise KeyboardInterrupt
        return real(loaded, items, *rest)

    monkeypatch.setattr(module, "item_vectors", spy)
    monkeypatch.setattr(module, "CHUNK", 2)
    with pytest.raises(KeyboardInterrupt):
        prompt_vectors(study, index, rows)
    assert made == [2, 2, 1]
    made[:] = [0]
    whole = prompt_vectors(study, index, rows)
    assert made == [0, 1]
    file = next(path for path in (index.folder / FOLDER).iterdir() if rows[0].digest in digests_in(path))
    file.write_bytes(file.read_bytes()[:100])
    again = prompt_vectors(study, index, rows)
    assert made == [0, 1, 2]
    for key, value in whole.vectors.items():
        torch.testing.assert_close(again.vectors[key], value, rtol=2**-7, atol=1e-6)
        assert torch.equal(value, value.bfloat16().float())


def digests_in(path: Path) -> set[str]:
    return {bytes(row).hex() for row in load_file(path)["names"].tolist()}


def test_cached_vectors_of_another_model_are_refused(study: Study) -> None:
    index, rows = index_of(study), [AnsweredPrompt("x", "", "one?", "no", "yes")]
    prompt_vectors(study, index, rows)
    changed = replace(study, model=str(study.folder))  # a folder with other files
    with pytest.raises(ExplorerError, match="vectors of another model"):
        prompt_vectors(changed, index, rows)


def test_a_model_is_told_without_loading_it(study: Study) -> None:
    for spec in study.checkpoints().values():
        assert model_digest(spec) == model_digest(load_model(spec))
    half = replace(study.spec, dtype="bfloat16")
    assert model_digest(half)["dtype"] == "bfloat16"
