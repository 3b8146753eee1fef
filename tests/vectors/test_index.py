"""The index on disk: what is in it, and that damage is named and mended."""

from __future__ import annotations

import itertools
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.progress import Pace
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.build import WORK
from explorer.vectors.index import MANIFEST, PAIR, SINGLE, STATS, UNRANKED, Index, open_index
from explorer.vectors.items import item_vectors, row_items
from explorer.vectors.methods import METHODS
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.tokenize import batches
from tests.vectors.tiny import LAYERS, ROWS, SIZE, build, files_of, row, times_of, tiny_study

# --- what an index holds --------------------------------------------------------------------------------------------


def test_vectors_are_those_of_the_items_to_rounding(whole: Index, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    wanted, kinds = item_vectors(loaded, row_items(ROWS, raw=False), LAYERS)
    assert whole.manifest.layers == list(LAYERS)
    assert whole.manifest.parts == list(PARTS)
    assert whole.manifest.n == len(ROWS)
    assert torch.equal(whole.kinds, kinds)
    for part in PARTS:
        for layer in LAYERS:
            found, vectors = whole.rows(part, layer, torch.arange(len(ROWS))), wanted[f"{part}.{layer}"]
            assert found.dtype == torch.float32
            size = vectors.norm(dim=1, keepdim=True)
            assert ((found - vectors).abs() <= vectors.abs() / 256 + 1e-5 * size).all(), (part, layer)


def test_kinds_and_unanswered_rows(whole: Index) -> None:
    """Rows come by turns as single, pair, single, pair, and one whose answer is white space."""
    wanted = [[SINGLE, PAIR, SINGLE, PAIR, UNRANKED][i % 5] for i in range(len(ROWS))]
    assert whole.kinds.tolist() == wanted
    unranked = torch.tensor(wanted).eq(UNRANKED).nonzero()[:, 0]
    counts = {"unranked": wanted.count(0), "single": wanted.count(1), "pairs": wanted.count(2)}
    assert {name: whole.manifest.notes[name] for name in counts} == counts
    for part in PARTS:
        assert not whole.rows(part, 1, unranked).any()
        assert whole.rows(part, 1, torch.arange(4)).norm(dim=1).min() > 0


def test_unanswered_rows_are_never_ranked(whole: Index, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    items = row_items([ROWS[0], ROWS[2]], raw=False)
    for name, method in METHODS.items():
        if not method.parts:
            continue
        for centre in (False, True):
            target = encode_target(loaded, items, method.parts, LAYERS, "bad")
            found = scores(whole, target, method, 3, centre, "bad")
            assert torch.equal(found.isnan(), whole.kinds == UNRANKED), name
            many = scores(whole, target, method, 3, centre, "bad", torch.rand(20, 2) + 0.1)
            assert torch.equal(many.isnan().all(1), whole.kinds == UNRANKED)
            assert torch.equal(many.isnan().any(1), whole.kinds == UNRANKED)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.parts])
def test_a_row_is_most_like_itself(whole: Index, model: Path, name: str) -> None:
    loaded, method = load_model(ModelSpec(str(model))), METHODS[name]
    for i, query in ((5, "bad"), (6, "contrast"), (7, "bank")):
        target = encode_target(loaded, row_items([ROWS[i]], raw=False), method.parts, LAYERS, query)
        found = scores(whole, target, method, 3, False, query)
        assert found[i].item() == pytest.approx(1, abs=0.01)
        assert found.nan_to_num(-1).max() == found[i] or "state" in method.parts


def test_blocks_and_rows_agree(whole: Index) -> None:
    blocks = list(whole.blocks("change", 3))
    assert [first for first, _ in blocks] == list(range(0, 26, SIZE))
    assert all(block.dtype == torch.bfloat16 for _, block in blocks)
    joined = torch.cat([block for _, block in blocks]).float()
    which = torch.tensor([25, 0, 7, 7, 13])
    assert torch.equal(whole.rows("change", 3, which), joined[which])


def test_no_rows_are_asked_for(whole: Index) -> None:
    assert whole.rows("state", 1, torch.tensor([], dtype=torch.long)).shape == (0, 32)


@pytest.mark.parametrize("row_number", (26, -1))
def test_a_row_that_is_not_there(whole: Index, row_number: int) -> None:
    with pytest.raises((IndexError, ExplorerError)):
        whole.rows("state", 1, torch.tensor([0, row_number]))


def test_statistics(whole: Index) -> None:
    """Against float64 sums over the vectors of the shards, row by row."""
    shards = [load_file(whole.folder / name) for name, _, _ in whole.manifest.shards]
    kinds = np.concatenate([shard["kinds"].numpy() for shard in shards])
    for part in PARTS:
        x = np.concatenate([shard[f"{part}.3"].double().numpy() for shard in shards])
        means = np.zeros((3, x.shape[1]))
        for kind in (SINGLE, PAIR):
            means[kind] = x[kinds == kind].mean(0)
        np.testing.assert_allclose(whole.means(part, 3).numpy(), means, rtol=1e-5, atol=1e-7 * np.abs(x).max())
        for i in range(len(x)):
            plain, centred = np.sqrt((x[i] ** 2).sum()), np.sqrt(((x[i] - means[kinds[i]]) ** 2).sum())
            assert whole.norms(part, 3, centred=False)[i].item() == pytest.approx(plain, rel=1e-5)
            assert whole.norms(part, 3, centred=True)[i].item() == pytest.approx(centred, rel=1e-5)


def test_a_study_of_one_kind_has_no_mean_of_the_other(tmp_path: Path, model: Path) -> None:
    index = build(tiny_study(tmp_path / "s", model, [r for r in ROWS if r["response"]]), layers=(1,), parts=("state",))
    assert index.manifest.parts == ["state"]
    assert not index.means("state", 1)[PAIR].any()
    assert index.means("state", 1)[SINGLE].any()


def test_an_empty_response_beside_a_pair_is_a_pair(tmp_path: Path, model: Path) -> None:
    """CSV and the like have '' where others have nothing, and ``read_datapoints`` takes such a row."""
    rows = [row(0, "", pair=("a fish", "a bird")), row(1, None, pair=("a fish", "a bird")), row(2, "a bird")]
    assert build(tiny_study(tmp_path / "s", model, rows), layers=(1,)).kinds.tolist() == [PAIR, PAIR, SINGLE]


def test_a_shard_without_any_answer(tmp_path: Path, model: Path) -> None:
    rows = [row(i, " ") for i in range(3)] + [row(3, "a fish")]
    index = build(tiny_study(tmp_path / "s", model, rows), shard_rows=2)
    assert index.kinds.tolist() == [0, 0, 0, 1]
    assert torch.equal(index.norms("lora", 1, centred=False) > 0, torch.tensor([False, False, False, True]))


def test_progress_is_told_after_every_shard(study: Study) -> None:
    told: list[tuple[str, float, float]] = []
    build(study, progress=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == [4, 8, 12, 16, 20, 24, 26]
    assert {(what, total) for what, _, total in told} == {(WORK, 26)}
    told.clear()
    build(study, progress=lambda *step: told.append(step))
    assert told == []


def test_progress_is_told_after_every_batch_of_a_shard(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock by which a token takes a second: what is done is right at any moment, in either shard, and so is the
    time left that is worked out from it."""
    lengths, clock = [], [0.0]

    def tick(view: Any, exchanges: Any, *given: Any) -> Any:
        lengths.append(sum(len(e.ids) for e in exchanges))
        clock[0] += lengths[-1]
        return one_pass(view, exchanges, *given)

    monkeypatch.setattr("explorer.vectors.items.batches", partial(batches, budget=100))
    monkeypatch.setattr("explorer.vectors.items.one_pass", tick)
    monkeypatch.setattr("explorer.progress.monotonic", lambda: clock[0])
    told: list[tuple[float, float | None, float]] = []
    pace = Pace()
    pace.left(WORK, 0, 26)
    build(study, progress=lambda *step: told.append((step[1], pace.left(*step), clock[0])), shard_rows=13)
    assert len(told) == len(lengths) > 10
    done = [step for step, _, _ in told]
    assert done == sorted(done) and 13 in done and done[-1] == 26
    first, tokens = done.index(13), list(itertools.accumulate(lengths))
    for i, (step, left, now) in enumerate(told):
        share = np.interp(tokens[i], [0, tokens[first], tokens[-1]], [0, 1, 2])
        assert step == pytest.approx(13 * share)
        assert left == pytest.approx((26 - 13 * share) / (13 * share / now), abs=1e-6)


def test_only_safetensors_and_json_are_written(built: Index, study: Study) -> None:
    names = {path.name for path in built.folder.iterdir()}
    assert names == {MANIFEST, STATS, ".lock", *(name for name, _, _ in built.manifest.shards)}
    kinds = {path.suffix for path in study.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert kinds == {".safetensors", ".json", ".toml", ".parquet", ".jsonl"}
    for name, _, _ in built.manifest.shards:
        with safe_open(built.folder / name, framework="pt") as file:
            assert set(file.keys()) == {"kinds", "cut", *(f"{part}.{layer}" for part in PARTS for layer in LAYERS)}


# --- damage ---------------------------------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    """Change one byte, and make sure that the file's time shows it, as it does seconds after a build."""
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.write_bytes(whole)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


@pytest.mark.parametrize("name", ("shard-00000.safetensors", "shard-00006.safetensors"))
@pytest.mark.parametrize("damage", ("first byte", "last byte", "cut", "gone"))
def test_a_damaged_shard_is_named_and_made_again_alone(built: Index, study: Study, name: str, damage: str) -> None:
    path, before, times = built.folder / name, files_of(built.folder), times_of(built.folder)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        flip(path, 0 if damage == "first byte" else -1)
    with pytest.raises(ExplorerError, match="missing or damaged") as caught:
        open_index(built.folder)
    assert name in str(caught.value) and "explorer build" in str(caught.value)
    assert sum(other in str(caught.value) for other in times) == 1
    told: list[object] = []
    build(study, progress=lambda *step: told.append(step))
    assert len(told) == 1
    assert files_of(built.folder) == before
    after = times_of(built.folder)
    assert {other for other in times if after[other] != times[other]} == {name}


def test_two_damaged_shards_are_both_named(built: Index, study: Study) -> None:
    before = files_of(built.folder)
    flip(built.folder / "shard-00001.safetensors", 500)
    (built.folder / "shard-00004.safetensors").unlink()
    with pytest.raises(ExplorerError, match=r"shard-00001.safetensors, shard-00004.safetensors are missing"):
        open_index(built.folder)
    build(study)
    assert files_of(built.folder) == before


def test_damaged_statistics(built: Index, study: Study) -> None:
    before, times = files_of(built.folder), times_of(built.folder)
    flip(built.folder / STATS, 2000)
    with pytest.raises(ExplorerError, match=r"stats\.safetensors is missing or damaged"):
        open_index(built.folder)
    build(study)
    assert files_of(built.folder) == before
    assert times_of(built.folder) == times


BROKEN = (
    "",
    "{",
    "null",
    "[]",
    "7",
    '{"format": 1}',
    '{"format": 2, "files": {}}',
    '{"format": 1, "checkpoint": "before", "unknown": 3}',
    "\x00\x01",
)


@pytest.mark.parametrize("text", (*BROKEN, None), ids=[*(f"text{i}" for i in range(len(BROKEN))), "cut"])
def test_a_broken_manifest(built: Index, study: Study, text: str | None) -> None:
    before, path = files_of(built.folder), built.folder / MANIFEST
    path.write_text(path.read_text()[:-200] if text is None else text)
    with pytest.raises(ExplorerError) as caught:
        open_index(built.folder)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    build(study)
    assert files_of(built.folder) == before


def test_a_manifest_that_is_not_text(built: Index) -> None:
    (built.folder / MANIFEST).write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ExplorerError, match="not a manifest"):
        open_index(built.folder)


def test_no_index_at_all(tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="no such file; expected an index of vectors"):
        open_index(tmp_path)


def test_other_shard_sizes_leave_no_old_shard(built: Index, study: Study) -> None:
    again = build(study, shard_rows=13)
    names = {path.name for path in again.folder.glob("shard-*")}
    assert names == {"shard-00000.safetensors", "shard-00001.safetensors"}


def test_a_shard_that_changes_or_shrinks_under_an_open_index_is_named_and_never_read(whole: Index, tmp_path: Path):
    folder, name, layer = shutil.copytree(whole.folder, tmp_path / "copy"), whole.manifest.shards[0][0], LAYERS[0]
    before = next(iter(open_index(folder).blocks("state", layer)))[1].clone()
    content = (folder / name).read_bytes()
    for damage in (lambda: os.truncate(folder / name, 200), lambda: (folder / name).write_bytes(content[::-1])):
        index = open_index(folder)
        damage()
        with pytest.raises(ExplorerError, match=f"{name}: changed since it was opened"):
            next(iter(index.blocks("state", layer)))
        (folder / name).write_bytes(content)
    assert torch.equal(next(iter(open_index(folder).blocks("state", layer)))[1], before)
