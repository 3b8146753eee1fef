"""One failure read by several models, against the models' own figures."""

import numpy as np
import pytest
import torch

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.prompts import encode_prompt
from explorer.progress import Stopped
from explorer.trace.compare import ModelReading, compare, comparison_table, parse_models, predict, spelled
from explorer.trace.contrast import make_contrast
from explorer.trace.explain import explain
from explorer.trace.side_by_side import relevance_change
from tests.trace.lie import ADAPTERS, BASE, FAILURE, TAUGHT


@pytest.fixture(scope="module")
def readings(smollm: LoadedModel) -> list[ModelReading]:
    """The demo's lie, before and after it was taught."""
    return compare(FAILURE, [BASE, TAUGHT])


def test_probabilities_are_the_models_own(smollm, readings):
    encoded = encode_prompt(smollm, FAILURE.as_prompt())
    contrast = make_contrast(smollm, encoded, FAILURE.wrong, FAILURE.right)
    logits = smollm.model(torch.tensor([contrast.ids])).logits[0, -1].double()
    base = readings[0].prediction
    wrong, right = (torch.exp(logits[id] - logits.logsumexp(0)).item() for id in (contrast.target, contrast.foil))
    assert base.wrong_probability == pytest.approx(wrong, rel=1e-4)
    assert base.right_probability == pytest.approx(right, rel=1e-4)
    assert base == predict(FAILURE, smollm)
    for reading in readings:  # a gap is the logarithm of the ratio of the probabilities
        prediction = reading.prediction
        ratio = prediction.wrong_probability / prediction.right_probability
        assert np.log(ratio) == pytest.approx(reading.explanation.trace.gap, abs=1e-3)


def test_training_moved_the_gap_and_the_answer(readings):
    before, after = readings
    assert before.explanation.trace.gap < 0 < after.explanation.trace.gap
    assert "Portugal" in after.prediction.answer
    assert "Portugal" not in before.prediction.answer
    alone = explain(FAILURE, TAUGHT)
    assert np.array_equal(alone.relevance, after.explanation.relevance)
    change = relevance_change(before.explanation, after.explanation)
    assert change is not None and change.by == "tokens"
    assert np.array_equal(change.values, after.explanation.relevance - before.explanation.relevance)
    table = comparison_table(readings)
    assert "SmolLM2-135M-Instruct + sft minus SmolLM2-135M-Instruct, by tokens: " in table
    assert "tokenizers" not in table


def test_models_are_named_by_folder_or_with_their_adapter():
    sft = str(ADAPTERS / "sft")
    usual = ModelSpec("other", dtype="float32")
    assert parse_models(f"smollm2, {sft},x/y+a/b", usual) == [
        ModelSpec("smollm2", dtype="float32"),
        ModelSpec("other", sft, dtype="float32"),
        ModelSpec("x/y", "a/b", dtype="float32"),
    ]
    usual = ModelSpec("org/other@v1")
    assert parse_models(f"org/x@main, {sft}, org/x", usual) == [
        ModelSpec("org/x", revision="main"),
        ModelSpec("org/other", sft, revision="v1"),
        ModelSpec("org/x"),
    ]
    assert [spelled(spec) for spec in parse_models("org/x@v1+a/b@v2,smollm2", usual)] == ["org/x@v1+a/b@v2", "smollm2"]
    with pytest.raises(ExplorerError, match="two or more"):
        compare(FAILURE, [BASE])


@pytest.mark.slow
def test_models_that_can_not_be_used_are_reported_where_somebody_listens(readings):
    models = {"base": BASE, "gone": ModelSpec("/no/such/folder"), "sft": TAUGHT}
    refused = {}
    read = compare(FAILURE, models, refused=lambda name, error: refused.update({name: str(error)}))
    assert [reading.name for reading in read] == ["base", "sft"]
    assert [reading.prediction for reading in read] == [reading.prediction for reading in readings]
    assert "no such folder" in refused["gone"]
    with pytest.raises(ExplorerError, match="no such folder"):
        compare(FAILURE, models)


def test_stopping_ends_the_comparison():
    def stop(*_args: object) -> None:
        raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        compare(FAILURE, [BASE, TAUGHT], progress=stop, refused=lambda _name, _error: None)


def test_models_in_folders_of_one_name_keep_two_names(readings, tmp_path):
    specs = []
    for stage in ("sft", "dpo"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "final").symlink_to(ADAPTERS / "sft")
        specs.append(ModelSpec(adapter=str(tmp_path / stage / "final")))
    read = compare(FAILURE, specs, read=lambda *_, **__: readings[0])
    assert [reading.name.rpartition(" + ")[2] for reading in read] == ["sft/final", "dpo/final"]
