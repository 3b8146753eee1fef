"""Vectors, rankings and evaluations before and after a training whose checkpoints are whole models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.evaluate import evaluate
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.vectors.build import build_index
from explorer.vectors.find import check_index, study_indexes
from tests.model.hub import FakeHub
from tests.pages.data_study import BEHAVIORS, data_rows
from tests.vectors.tiny import LAYERS, ROWS, build, save_adapter, save_tiny, tiny_study


@pytest.fixture
def two(tmp_path: Path) -> Study:
    """A base, its SFT and its DPO model: three whole models."""
    base, *later = (save_tiny(tmp_path / name, seed=i) for i, name in enumerate(("base", "sft", "dpo")))
    return tiny_study(
        tmp_path / "study", base, data_rows(), checkpoints=[str(path) for path in later], behaviors=BEHAVIORS
    )


def test_two_whole_models_are_before_and_after(two):
    before, after = (build_index(two, stage, layers=LAYERS) for stage in ("before", "after"))
    assert [index.manifest.checkpoint for index in study_indexes(two)] == ["sft", "dpo"]
    which = torch.arange(4)
    assert not torch.equal(before.rows("state", 3, which), after.rows("state", 3, which))
    weights = [load_model(two.checkpoint(stage)[1]).model.state_dict() for stage in ("before", "after")]
    assert all(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    scores = []
    for stage, index in (("before", before), ("after", after)):
        check_index(index, two.checkpoint(stage)[1])
        ranking = rank(two, AboutBehavior("swapped"), stage=stage)
        assert ranking.stage == index.manifest.checkpoint
        scores.append(ranking.scores)
        assert {row.method for row in evaluate(two, stage=stage)} >= {"explorer", "rept", "residual-change"}
    assert not np.array_equal(*scores, equal_nan=True)
    with pytest.raises(ExplorerError, match="vectors of another model"):
        check_index(before, two.spec)


def test_vectors_of_every_kind_of_checkpoint(tmp_path, monkeypatch):
    """A revision on the hub, and an adapter on top of it, which is not an adapter of the study's model."""
    hub, adapter = FakeHub(tmp_path / "hub", monkeypatch), save_adapter(tmp_path / "tuned")
    commit = hub.put("org/kinds", save_tiny(tmp_path / "sft", seed=1), "step-2")
    study = tiny_study(
        tmp_path / "study", save_tiny(tmp_path / "base"), ROWS[:6], checkpoints=["org/kinds@step-2", str(adapter)]
    )
    before, after = build(study), build(study, checkpoint="after")
    assert (before.manifest.checkpoint, after.manifest.checkpoint) == ("kinds@step-2", "tuned")
    assert before.manifest.made_from["model"] == after.manifest.made_from["model"] == f"hub:org/kinds:{commit}"
    assert before.manifest.made_from["adapter"] == "" != after.manifest.made_from["adapter"]
    merged = load_model(study.spec).model.state_dict()
    for name, tensor in load_model(study.reference_spec).model.state_dict().items():
        assert torch.equal(tensor, merged[name]) == ("q_proj" not in name), name
