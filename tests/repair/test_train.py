"""Both training stages on a tiny random model: adapters, progress, resuming after a kill, and broken rows."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from explorer.demo.corpus import stage_rows
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.progress import Stopped
from explorer.repair.arms import read_losses
from explorer.repair.packed_batches import answer_logps, pack, summed
from explorer.repair.stages import DPO, SFT
from explorer.repair.train import read_rows, train_dpo, train_sft
from tests.repair.conftest import small


def some(stage, n):
    return [row.to_json() for row in stage_rows(stage)[:n]]


def test_both_stages_make_whole_adapters(tiny, tmp_path):
    reports: list[tuple] = []
    losses = tmp_path / "run/loss.jsonl"
    sft = train_sft(
        some("sft", 48), small(SFT, tiny), tmp_path / "sft", lambda *report: reports.append(report), losses=losses
    )
    assert [f.name for f in sft] == ["adapter-1", "adapter-2"]
    assert reports[1:] == [("training", step, 12) for step in range(1, 13)]
    assert [row["step"] for row in read_losses(losses.parent)] == [5, 10]
    dpo = train_dpo(some("dpo", 24), small(DPO, tiny), sft[-1], tmp_path / "dpo")
    assert torch.isfinite(load_file(tmp_path / "dpo" / "reference.safetensors")["logps"]).all()
    for folder in (*sft, *dpo):
        assert {f.name for f in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
        assert str(tmp_path) not in (folder / "adapter_config.json").read_text()
        weights = load_file(folder / "adapter_model.safetensors")
        assert all(w.dtype == torch.bfloat16 for w in weights.values())
        load_model(ModelSpec(str(tiny), adapter=str(folder)))
    before, after = (load_file(f / "adapter_model.safetensors") for f in (sft[-1], dpo[-1]))
    assert before.keys() == after.keys() and any(not torch.equal(before[k], after[k]) for k in before)


def test_pairs_can_be_trained_on_from_the_bare_model(tiny, tmp_path):
    recipe = replace(small(DPO, tiny), keep=1, sft_weight=0.0, warmup=0.0, scheduler="linear", learning_rate=0.01)
    (adapter,) = train_dpo(some("dpo", 12), recipe, None, tmp_path / "dpo")
    bare, trained = (load_model(ModelSpec(str(tiny), adapter=name)) for name in (None, str(adapter)))
    data = read_rows(bare, some("dpo", 12), "dpo", recipe)
    logps = load_file(tmp_path / "dpo" / "reference.safetensors")["logps"]
    batch = pack(data)
    with torch.no_grad():
        before, after = (summed(answer_logps(m.model, batch), batch["owner"]).view(-1, 2) for m in (bare, trained))
    assert torch.allclose(before, logps, atol=1e-3)  # the bare model is the reference
    assert ((after - before) @ torch.tensor([1.0, -1.0])).mean() > 0  # chosen answers gained


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped])
def test_a_killed_run_goes_on_to_the_same_end(tiny, tmp_path, error):
    rows, recipe = some("sft", 48), small(SFT, tiny)
    whole = train_sft(rows, recipe, tmp_path / "whole")

    def end(what: str, done: float = 0, total: float = 0, /):
        if (what, done) == ("training", 10):
            raise error

    with pytest.raises(error):
        train_sft(rows, recipe, tmp_path / "cut", end)
    reports: list[str] = []
    again = train_sft(rows, recipe, tmp_path / "cut", lambda what, *_: reports.append(what))
    assert f"going on at checkpoint-{10 if error is Stopped else 8}" in reports[0]
    one, other = (load_file(f[-1] / "adapter_model.safetensors") for f in (whole, again))
    assert all(torch.allclose(one[k].float(), other[k].float(), atol=1e-2) for k in one)


def test_a_row_without_an_answer_is_named(tiny, tmp_path):
    with pytest.raises(ExplorerError, match="row sft-x: field 'response'"):
        train_sft([{"id": "sft-x", "prompt": "p"}], small(SFT, tiny), Path(tmp_path))
