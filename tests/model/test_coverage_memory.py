"""A passed coverage check is remembered for just what it depends on; a failed one never is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel
from explorer.model import coverage_memory, lrp
from explorer.model.coverage_memory import check_key
from explorer.model.lrp import lrp_view, view_state
from explorer.model.residual import decoder_blocks
from tests.model.families import OTHERS, tiny_model


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[PreTrainedModel]:
    """The views that were checked, with a memory of its own."""
    checked: list[PreTrainedModel] = []
    check = lrp.check_coverage
    monkeypatch.setattr(coverage_memory, "folder", lambda: tmp_path / "coverage")

    def noted(view: PreTrainedModel) -> None:
        checked.extend([view] if view_state(view).rule == "cplrp" else [])  # the other rule's is looked at beside it
        check(view)

    monkeypatch.setattr(lrp, "check_coverage", noted)
    return checked


def test_a_passed_check_is_remembered_for_both_rules(checks: list[PreTrainedModel], tmp_path: Path):
    lrp_view(tiny_model("llama"), "attnlrp")
    (file,) = (tmp_path / "coverage").iterdir()
    assert file.stem == check_key(tiny_model("llama"))
    for rule in ("attnlrp", "cplrp"):
        lrp_view(tiny_model("llama"), rule)
    assert len(checks) == 1


def test_a_refusal_is_not_remembered(checks: list[PreTrainedModel], tmp_path: Path):
    for _ in range(2):
        with pytest.raises(UncoveredModel):
            lrp_view(tiny_model(OTHERS[0], dtype=torch.float32), "cplrp")
    assert not (tmp_path / "coverage").exists()


@pytest.mark.parametrize("content", (b"", b"{", b"[]", b'{"key": "0", "model": "LlamaForCausalLM"}', b"\xff" * 100))
def test_a_broken_file_only_costs_the_check(checks: list[PreTrainedModel], tmp_path: Path, content: bytes):
    lrp_view(tiny_model("llama"), "attnlrp")
    (file,) = (tmp_path / "coverage").iterdir()
    whole = file.read_bytes()
    file.write_bytes(content)
    lrp_view(tiny_model("llama"), "attnlrp")
    assert len(checks) == 2 and file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_only_costs_the_check(checks: list[PreTrainedModel], tmp_path: Path):
    (tmp_path / "coverage").write_text("a file")
    for _ in range(2):
        lrp_view(tiny_model("llama"), "cplrp")
    assert len(checks) == 2


def test_other_weights_of_the_blocks_share_a_check():
    """Blocks are probed with weights of the check's own."""
    one, other = tiny_model("llama"), tiny_model("llama")
    with torch.no_grad():
        for block in decoder_blocks(other):
            for parameter in block.parameters():
                parameter.mul_(3)
    assert check_key(one) == check_key(other)


def changed_head(model: PreTrainedModel) -> None:
    """The head is probed with the model's own weights."""
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1  # pyright: ignore[reportIndexIssue]


def changed_norm(model: PreTrainedModel) -> None:
    with torch.no_grad():
        model.model.norm.weight[0] += 1  # pyright: ignore[reportAttributeAccessIssue]


def changed_buffer(model: PreTrainedModel) -> None:
    next(iter(model.buffers())).mul_(2)


def changed_module(model: PreTrainedModel) -> None:
    decoder_blocks(model)[-1].mlp.act_fn = nn.GELU()  # pyright: ignore[reportAttributeAccessIssue]


def changed_config(model: PreTrainedModel) -> None:
    model.config.rms_norm_eps *= 2  # pyright: ignore[reportAttributeAccessIssue]


def changed_precision(model: PreTrainedModel) -> None:
    model.to(torch.bfloat16)  # pyright: ignore[reportArgumentType]


CHANGES = (changed_head, changed_norm, changed_buffer, changed_module, changed_config, changed_precision)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_the_check_depends_on_makes_another_key(change):
    model = tiny_model("llama")
    before = check_key(model)
    assert check_key(model) == before
    change(model)
    assert check_key(model) != before


@pytest.mark.parametrize("library", ("torch", "transformers"))
def test_another_version_is_checked_anew(monkeypatch: pytest.MonkeyPatch, library: str):
    before = check_key(tiny_model("llama"))
    monkeypatch.setattr(getattr(coverage_memory, library), "__version__", "0.0")
    assert check_key(tiny_model("llama")) != before


def test_the_models_name_does_not_count():
    model = tiny_model("llama")
    before = check_key(model)
    model.config._name_or_path = "elsewhere"
    assert check_key(model) == before


def test_code_that_is_not_known_is_checked_every_time(checks: list[PreTrainedModel]):
    model = tiny_model("llama")

    class Own(type(model)):  # pyright: ignore[reportGeneralTypeIssues]
        pass

    for _ in range(2):
        copy = tiny_model("llama")
        copy.__class__ = Own
        lrp_view(copy, "cplrp")
    assert len(checks) == 2
