"""In which precision vectors are made, and that a build keeps to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.vectors import precision
from explorer.vectors.precision import bfloat16_gain, in_precision
from tests.vectors.tiny import build


def test_bfloat16_only_where_it_is_clearly_faster(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    name, spec = study.checkpoint("before")
    for gain, wanted in ((5.0, "bfloat16"), (1.1, "auto"), (0.3, "auto")):
        monkeypatch.setattr(precision, "bfloat16_gain", lambda _device, gain=gain: gain)
        assert in_precision(study, name, spec, "auto").dtype == wanted
    assert in_precision(study, name, spec, None) == spec
    assert in_precision(study, name, spec, "float16").dtype == "float16"
    with pytest.raises(ExplorerError, match="dtype is 'int8'; expected auto, float32, bfloat16, float16"):
        in_precision(study, name, spec, "int8")


def test_a_build_goes_on_in_the_precision_that_it_was_begun_in(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine would choose by now."""
    monkeypatch.setattr(precision, "bfloat16_gain", lambda _device: 0.1)
    first = build(study, dtype="bfloat16")
    assert first.manifest.made_from["dtype"] == "bfloat16"
    assert build(study, dtype="auto").folder == first.folder
    other = build(study, dtype="float32")
    assert other.folder != first.folder and other.manifest.made_from["dtype"] == "float32"
    (Path(first.folder) / "manifest.json").write_text("{", encoding="utf-8")
    assert build(study, dtype="auto").folder == other.folder


def test_vectors_in_bfloat16_are_near_those_in_float32(study: Study) -> None:
    exact, rounded = build(study, dtype="float32"), build(study, dtype="bfloat16")
    answered = exact.kinds > 0
    for part in ("state", "change"):
        a, b = (index.rows(part, 3, torch.arange(len(answered)))[answered] for index in (exact, rounded))
        assert torch.cosine_similarity(a, b).median() > 0.99, part


def test_the_gain_is_measured_within_a_second() -> None:
    gain = bfloat16_gain("cpu")
    assert 0.01 < gain < 100 and gain == bfloat16_gain("cpu")
