"""The index on disk: what is in it, that a killed or damaged build comes out the same, and what is refused."""

from __future__ import annotations

import errno
import itertools
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from explorer.errors import ExplorerError
from explorer.models import ModelSpec, load_model
from explorer.ranking import encode_target, scores
from explorer.study import Study, open_study
from explorer.vectors import store
from explorer.vectors.build import Item, Pace, build_index, index_folder, item_vectors, plan, row_items
from explorer.vectors.methods import METHODS
from explorer.vectors.onepass import PARTS
from explorer.vectors.store import MANIFEST, PAIR, SINGLE, STATS, UNRANKED, Index, Manifest, open_index, read_manifest
from tests.vectors.reference import reference_layer
from tests.vectors.tiny import LAYERS, build_and_tell, mixed_rows, restless_loaded, row, save_tiny, tiny_study

SIZE = 4
ROWS = mixed_rows(26)


def build(study: Study, **settings: Any) -> Index:
    return build_index(study, **{"layers": LAYERS, "shard_rows": SIZE, **settings})


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file but the lock; the manifest as JSON in one order, since it lists files as they were made."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
    if MANIFEST in found:
        found[MANIFEST] = json.dumps(json.loads(found[MANIFEST]), sort_keys=True).encode()
    return found


def times_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}


def flip(path: Path, at: int) -> None:
    """Change one byte, and make sure that the file's time shows it, as it does seconds after a build."""
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.write_bytes(whole)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Index:
    """An index that was built without a break."""
    return build(tiny_study(tmp_path_factory.mktemp("whole"), model, ROWS))


@pytest.fixture
def study(tmp_path: Path, model: Path) -> Study:
    """The same study, with nothing built."""
    return tiny_study(tmp_path / "study", model, ROWS)


@pytest.fixture
def built(study: Study) -> Iterator[Index]:
    yield build(study)


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
            target = encode_target(loaded, items, method, LAYERS, "bad")
            found = scores(whole, target, method, LAYERS, centre, "bad")
            assert torch.equal(found.isnan(), whole.kinds == UNRANKED), name
            many = scores(whole, target, method, LAYERS, centre, "bad", torch.rand(20, 2) + 0.1)
            assert torch.equal(many.isnan().all(1), whole.kinds == UNRANKED)
            assert torch.equal(many.isnan().any(1), whole.kinds == UNRANKED)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.parts])
def test_a_row_is_most_like_itself(whole: Index, model: Path, name: str) -> None:
    loaded, method = load_model(ModelSpec(str(model))), METHODS[name]
    for i, query in ((5, "bad"), (6, "contrast"), (7, "bank")):
        target = encode_target(loaded, row_items([ROWS[i]], raw=False), method, LAYERS, query)
        found = scores(whole, target, method, LAYERS, False, query)
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
    told: list[Pace] = []
    build(study, progress=told.append)
    assert [pace.done for pace in told] == [4, 8, 12, 16, 20, 24, 26]
    assert all(pace.rows == 26 and pace.rate > 0 and pace.left >= 0 for pace in told)
    assert told[-1].left == 0
    again: list[Pace] = []
    build(study, progress=again.append)
    assert again == []


def test_only_safetensors_and_json_are_written(built: Index, study: Study) -> None:
    names = {path.name for path in built.folder.iterdir()}
    assert names == {MANIFEST, STATS, ".lock", *(name for name, _, _ in built.manifest.shards)}
    kinds = {path.suffix for path in study.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert kinds == {".safetensors", ".json", ".toml", ".parquet", ".jsonl"}
    for name, _, _ in built.manifest.shards:
        with safe_open(built.folder / name, framework="pt") as file:
            assert set(file.keys()) == {"kinds", *(f"{part}.{layer}" for part in PARTS for layer in LAYERS)}


# --- a build that stops ---------------------------------------------------------------------------------------------

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.vectors.tiny", "explorer.vectors.build"])


def kill_a_build(study: Study, delay: float, shard_rows: int, dies_at: tuple[int, bool] = (0, False)) -> bool:
    """Kill a building process ``delay`` seconds after its first shard, or let it kill itself; whether it was killed."""
    told, tell = FORK.Pipe(duplex=False)
    process = FORK.Process(target=build_and_tell, args=(study.folder, tell, 0.004, shard_rows, dies_at))
    with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):  # AppTest leaves app.py there, to be run again
        process.start()
    tell.close()
    if not dies_at[0]:
        assert told.poll(60), "the process built nothing"
        time.sleep(delay)
        process.kill()
    process.join(60)
    told.close()
    assert process.exitcode in (0, -9)
    return process.exitcode == -9


def finished_shards(folder: Path) -> dict[str, int]:
    """Time of writing of every shard that the manifest lists; it is whole at any moment."""
    manifest = read_manifest(folder)
    assert not store.broken_files(folder, manifest)
    return {name: time for name, time in times_of(folder).items() if name in manifest.files}


def without_scratch(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_of(folder).items() if not name.startswith(".")}


def test_ten_kills_change_nothing(tmp_path: Path, model: Path) -> None:
    rows, draw = mixed_rows(60), random.Random(0)
    study = tiny_study(tmp_path / "killed", model, rows)
    folder = index_folder(study, plan(study, load_model(ModelSpec(str(model))), "before", layers=LAYERS))
    counts, kept = [0], {}
    for _ in range(10):
        assert kill_a_build(study, 0, 1, (draw.randint(3, 10), draw.random() < 0.5))
        now = finished_shards(folder)
        assert now.items() >= kept.items(), "a finished shard was lost or made again"
        counts.append(len(now))
        kept = now
        with pytest.raises(ExplorerError, match=rf"not finished \({len(now)} of 60 shards\)"):
            open_index(folder)
    assert sum(a < b < 60 for a, b in itertools.pairwise(counts)) >= 5, "kills did not fall into the build"
    resumed = build(study, shard_rows=1)
    assert resumed.folder == folder
    assert times_of(folder).items() >= kept.items()
    other = build(tiny_study(tmp_path / "whole", model, rows), shard_rows=1)
    assert without_scratch(folder) == without_scratch(other.folder)


@pytest.mark.parametrize("moment", [(1, False), (2, True), (7, False), (16, False), (16, True)])
def test_a_kill_beside_each_step(study: Study, whole: Index, moment: tuple[int, bool]) -> None:
    """Files are put in place in the order manifest, shard, manifest, shard … statistics (16th), manifest."""
    assert kill_a_build(study, 0, SIZE, moment)
    folder = study.folder / "vectors" / whole.folder.name
    if moment != (1, False):
        finished_shards(folder)
        with pytest.raises(ExplorerError, match="not finished"):
            open_index(folder)
    assert without_scratch(build(study).folder) == without_scratch(whole.folder)


def test_no_scratch_of_a_killed_build_stays(study: Study, whole: Index) -> None:
    assert kill_a_build(study, 0, SIZE, (2, False))
    assert files_of(build(study).folder).keys() == files_of(whole.folder).keys()


def test_an_interrupt_between_shards_loses_nothing(study: Study, whole: Index) -> None:
    def stop(pace: Pace) -> None:
        if pace.done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(study, progress=stop)
    folder = study.folder / "vectors" / whole.folder.name
    kept = finished_shards(folder)
    assert len(kept) == 3
    assert files_of(build(study).folder) == files_of(whole.folder)
    assert times_of(folder).items() >= kept.items()


class Failing:
    """``save_file`` that writes half a file and fails at its n-th call."""

    def __init__(self, n: int, error: BaseException) -> None:
        self.left, self.error = n, error

    def __call__(self, tensors: dict[str, torch.Tensor], path: Path) -> None:
        self.left -= 1
        save_file(tensors, path)
        if self.left == 0:
            path.write_bytes(path.read_bytes()[:1000])
            raise self.error


FULL = (
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
)


@pytest.mark.parametrize("error", FULL, ids=("os", "safetensors"))
@pytest.mark.parametrize("number", (1, 3, 8))
def test_a_full_disk(
    study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch, error: Exception, number: int
) -> None:
    """The eighth file is the statistics."""
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_file", Failing(number, error))
        with pytest.raises(ExplorerError, match="the disk is full") as caught:
            build(study)
    name = STATS if number == 8 else f"shard-{number - 1:05d}"
    assert name in str(caught.value) and "\n" not in str(caught.value)
    folder = study.folder / "vectors" / whole.folder.name
    assert files_of(folder).keys() == {MANIFEST, *(f"shard-{i:05d}.safetensors" for i in range(number - 1))}
    kept = finished_shards(folder)
    assert len(kept) == number - 1
    assert files_of(build(study).folder) == files_of(whole.folder)
    assert times_of(folder).items() >= kept.items()


def test_a_disk_that_fails_otherwise(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "save_file", Failing(2, OSError(errno.EIO, "Input/output error")))
    with pytest.raises(ExplorerError, match=r"shard-00001.safetensors: can't be written \(Input/output error\)"):
        build(study)


def test_an_interrupt_while_a_shard_is_written_leaves_no_half_of_it(
    study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_file", Failing(3, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            build(study)
    folder = study.folder / "vectors" / whole.folder.name
    assert files_of(folder).keys() == {MANIFEST, "shard-00000.safetensors", "shard-00001.safetensors"}


def test_two_builders_at_once(study: Study, whole: Index) -> None:
    folder = study.folder / "vectors" / whole.folder.name
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(ExplorerError, match="another process builds this index"):
        build(study)
    assert files_of(build(study).folder) == files_of(whole.folder)


# --- damage ---------------------------------------------------------------------------------------------------------


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
    told: list[Pace] = []
    build(study, progress=told.append)
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


# --- which index it is ----------------------------------------------------------------------------------------------


def changed(rows: list[dict[str, Any]], **field: str) -> list[dict[str, Any]]:
    return [rows[0] | field, *rows[1:]]


def test_what_makes_another_index(tmp_path: Path, model: Path) -> None:
    other_model = save_tiny(tmp_path / "other", seed=1)
    told: dict[str, tuple[Path, list[dict[str, Any]], dict[str, Any]]] = {
        "same": (model, ROWS, {}),
        "prompt": (model, changed(ROWS, prompt="another"), {}),
        "response": (model, changed(ROWS, response="another"), {}),
        "system": (model, changed(ROWS, system="another"), {}),
        "id": (model, changed(ROWS, id="another"), {}),
        "order": (model, ROWS[::-1], {}),
        "fewer": (model, ROWS[:-1], {}),
        "pair turned": (model, [ROWS[1] | {"chosen": "b", "rejected": "a"}], {}),
        "pair": (model, [ROWS[1] | {"chosen": "a", "rejected": "b"}], {}),
        "pair's first": (model, [ROWS[1] | {"chosen": "c", "rejected": "b"}], {}),
        "pair's second": (model, [ROWS[1] | {"chosen": "a", "rejected": "c"}], {}),
        "model": (other_model, ROWS, {}),
        "layers": (model, ROWS, {"layers": (1, 2)}),
        "parts": (model, ROWS, {"parts": ("state", "change")}),
    }
    prints = {}
    for name, (source, rows, settings) in told.items():
        study = tiny_study(tmp_path / name, source, rows)
        loaded = load_model(ModelSpec(str(source)))
        planned = plan(study, loaded, "before", **{"layers": LAYERS, **settings})
        prints[name] = index_folder(study, planned).name
    assert len(set(prints.values())) == len(prints), prints


def test_what_makes_no_other_index(tmp_path: Path, model: Path) -> None:
    """Labels are not what vectors are made from; the order in which layers are named is no matter."""
    loaded = load_model(ModelSpec(str(model)))
    told: tuple[tuple[list[dict[str, Any]], dict[str, Any]], ...] = (
        (ROWS, {"layers": (1, 3)}),
        ([r | {"label": "other"} for r in ROWS], {"layers": (3, 1)}),
        (ROWS, {"layers": (3, 1, 1), "parts": PARTS[::-1]}),
    )
    prints = set()
    for i, (rows, settings) in enumerate(told):
        study = tiny_study(tmp_path / str(i), model, rows)
        prints.add(plan(study, loaded, "before", **settings).fingerprint)
    assert len(prints) == 1


def test_layers_of_the_study_are_as_good_as_asked_for(tmp_path: Path, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    written = plan(tiny_study(tmp_path / "s", model, ROWS, layers=(3, 1)), loaded, "before")
    assert written.layers == [1, 3]
    asked = plan(tiny_study(tmp_path / "t", model, ROWS), loaded, "before", layers=(3, 1))
    assert written.fingerprint == asked.fingerprint


def test_changed_files_of_the_model_make_another_index(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    study = tiny_study(tmp_path / "study", folder, ROWS)
    loaded = load_model(ModelSpec(str(folder)))
    before = plan(study, loaded, "before", layers=LAYERS).fingerprint
    assert plan(study, loaded, "before", layers=LAYERS).fingerprint == before
    seen = {before}
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        seen.add(plan(study, loaded, "before", layers=LAYERS).fingerprint)
    assert len(seen) == 5


def test_before_and_after_a_training(tmp_path: Path, model: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(load_model(ModelSpec(str(model))).model.float(), LoraConfig(r=2, target_modules=["q_proj"]))
    with torch.no_grad():
        for name, p in tuned.named_parameters():
            if "lora_B" in name:
                p.fill_(0.3)
    tuned.save_pretrained(str(tmp_path / "tuned"))
    fresh = tmp_path / "fresh"  # the loaded model is changed by peft
    save_tiny(fresh)
    study = tiny_study(tmp_path / "study", fresh, ROWS[:6], adapters=[str(tmp_path / "tuned")])
    before, after = build(study), build(study, checkpoint="after")
    assert (before.manifest.checkpoint, after.manifest.checkpoint) == ("base", "tuned")
    assert before.folder != after.folder
    which = torch.arange(4)
    assert not torch.equal(before.rows("state", 3, which), after.rows("state", 3, which))
    assert build(study, checkpoint="base").folder == before.folder
    with pytest.raises(ExplorerError, match="no checkpoint 'middle'"):
        build(study, checkpoint="middle")


def test_what_there_is_none_of(study: Study, whole: Index, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    for layer in (0, 4, -1):
        with pytest.raises(ExplorerError, match=f"Layer {layer} is not there; expected 1 to 3"):
            plan(study, loaded, "before", layers=(1, layer))
    with pytest.raises(ExplorerError, match="Part 'weights' is unknown; expected some of state, gradient"):
        plan(study, loaded, "before", parts=("state", "weights"))
    whole.require("state", 3)
    for part, layer in (("state", 2), ("weights", 1)):
        with pytest.raises(ExplorerError, match="no vectors of") as caught:
            whole.require(part, layer)
        told = str(caught.value)
        assert f"'{part}' at layer {layer}" in told
        assert "parts state, gradient, change, outer, activation, lora at layers 1, 3" in told
        assert str(whole.folder) in told
    target = encode_target(loaded, row_items(ROWS[:1], raw=False), METHODS["rept"], (2,), "bad")
    with pytest.raises(ExplorerError, match="at layer 2"):
        scores(whole, target, METHODS["rept"], (2,), False, "bad")


@pytest.mark.parametrize("seed", (1, 3, 4))
def test_the_default_layer_is_the_built_one_nearest_to_the_late_one(tmp_path: Path, seed: int) -> None:
    folder = save_tiny(tmp_path / "model", restless_loaded(seed, torch.float32))
    study, loaded = tiny_study(tmp_path / "study", folder, ROWS), load_model(ModelSpec(str(folder)))
    prompts = []
    for r in ROWS:
        system = f"<|system|>{r['system']}</s>" if r["system"] else ""
        text = f"{system}<|user|>{r['prompt']}</s><|assistant|>"
        prompts.append(loaded.tokenizer.encode(text, add_special_tokens=False))
    turning = reference_layer(loaded.model, prompts)
    automatic = plan(study, loaded, "before")
    assert automatic.layers == sorted({turning, 3, 5})
    assert automatic.default_layer == 5
    for layers in ((1, 6), (2, 4), (turning,), (4,)):
        chosen = plan(study, loaded, "before", layers=layers).default_layer
        assert chosen in layers
        assert abs(chosen - 5) == min(abs(layer - 5) for layer in layers)


def test_an_unfinished_index_says_how_far_it_is(study: Study) -> None:
    def stop(pace: Pace) -> None:
        if pace.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(study, progress=stop)
    (folder,) = (study.folder / "vectors").iterdir()
    with pytest.raises(ExplorerError, match=r"not finished \(2 of 7 shards\); run 'explorer build'"):
        open_index(folder)


def test_a_study_without_rows_is_refused(tmp_path: Path, model: Path) -> None:
    study = tiny_study(tmp_path / "s", model, ROWS[:1])
    import pyarrow.parquet as pq

    pq.write_table(study.datapoints().slice(0, 0), study.folder / "datapoints.parquet")
    with pytest.raises(ExplorerError, match="no datapoints"):
        build(open_study(study.folder))


def test_a_manifest_names_its_shards() -> None:
    manifest = Manifest("before", {"a": 1}, 10, 4, [1], ["state"], 1)
    assert [(first, last) for _, first, last in manifest.shards] == [(0, 4), (4, 8), (8, 10)]
    assert Manifest("after", {"a": 1}, 10, 5, [1], ["state"], 1).fingerprint == manifest.fingerprint
    assert Manifest("before", {"a": 2}, 10, 4, [1], ["state"], 1).fingerprint != manifest.fingerprint


def test_items_of_rows() -> None:
    single, pair = row_items([row(0, "a", system="S"), row(1, None, pair=("b", "c"))], raw=True)
    assert (single.answer, single.other, single.prompt.system, single.prompt.raw) == ("a", None, "S", True)
    assert (pair.answer, pair.other, pair.prompt.system) == ("b", "c", None)
    assert row_items([{"id": "x", "prompt": "p", "response": "r"}], raw=False) == [
        Item(single.prompt.__class__("p"), "r")
    ]
