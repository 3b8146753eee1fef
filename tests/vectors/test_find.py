"""Finding the index that answers, and the model that it was made in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec
from explorer.vectors import build as build_module
from explorer.vectors import find
from explorer.vectors.find import check_index, index_model, pick_index, study_indexes
from explorer.vectors.index import Index
from tests.vectors.tiny import ROWS, build, save_adapter, tiny_study


def test_indexes_stand_in_training_order_and_only_those_of_the_present_rows(tmp_path, model) -> None:
    settings = {"adapters": [str(save_adapter(tmp_path / "tuned"))]}
    study = tiny_study(tmp_path / "study", model, ROWS[:6], **settings)
    assert study_indexes(study) == []
    after, before = build(study, checkpoint="after", layers=(1,)), build(study, layers=(1, 3), parts=("state",))
    assert [i.key for i in study_indexes(study)] == [before.key, after.key]
    assert pick_index(study, "representation").key == before.key
    assert pick_index(study, "rept").key == after.key  # the other has no gradients
    assert pick_index(study, "representation", stage="tuned").key == after.key
    with pytest.raises(ExplorerError, match="no vectors for 'rept' at layer 3; built are base: layers 1, 3; tuned"):
        pick_index(study, "rept", 3)
    with pytest.raises(ExplorerError, match="no vectors for 'rept' in base"):
        pick_index(study, "rept", stage="before")
    other = tiny_study(tmp_path / "other", model, ROWS[:7], **settings)
    (study.folder / "vectors").rename(other.folder / "vectors")
    assert study_indexes(other) == []


def test_an_index_of_another_model_says_what_differs(whole: Index, study: Study, model) -> None:
    check_index(whole, ModelSpec(str(model)))
    with pytest.raises(ExplorerError, match=r"vectors of another model: model is pypi:.*; adapter is sha256:"):
        check_index(whole, ModelSpec(adapter=str(save_adapter(study.folder / "tuned"))))


def test_an_index_is_asked_in_the_precision_that_it_was_made_in(whole: Index, study: Study, monkeypatch) -> None:
    """On a machine whose usual precision is another one too, and where it is the same without a second load."""
    made = replace(whole, manifest=replace(whole.manifest, checkpoint="base"))
    assert index_model(study, made).dtype == "auto" and whole.manifest.made_from["dtype"] == "float32"
    monkeypatch.setattr(find, "dtype_of", lambda _spec: torch.bfloat16)  # as on a GPU
    assert index_model(study, made).dtype == "float32"


def test_vectors_of_an_older_version_are_passed_over_in_words_and_made_again(study: Study, monkeypatch) -> None:
    monkeypatch.setattr(build_module, "CODE", find.CODE - 1)
    old = build(study, layers=(1,), parts=("state",))
    monkeypatch.undo()
    assert study_indexes(study) == []
    said = rf"built are none \(vectors {old.folder.name} are old: an older version of this program made them\)\. Run"
    with pytest.raises(ExplorerError, match=said):
        pick_index(study, "representation")
    new = build(study, layers=(1,), parts=("state",))
    assert new.key != old.key and [i.key for i in study_indexes(study)] == [new.key]


@pytest.mark.parametrize(("setting", "other"), (("turns", "last"), ("end_of_turn", False)))
def test_vectors_with_the_loss_elsewhere_are_others(study: Study, setting: str, other: object) -> None:
    index, changed = build(study, layers=(1,), parts=("gradient",)), replace(study, **{setting: other})
    assert index.manifest.made_from[setting] == getattr(study, setting) != other
    assert study_indexes(changed) == []
    assert f"are old: the study's setting '{setting}' has changed since" in find.outdated_indexes(changed)
    assert find.outdated_indexes(study) == ""
