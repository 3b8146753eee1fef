"""A build that is killed, interrupted or out of disk space: it goes on where it was, and comes out the same."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import random
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import save_file

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.progress import Progress, Stopped
from explorer.vectors import index as store
from explorer.vectors import items
from explorer.vectors.build import index_folder, plan
from explorer.vectors.index import MANIFEST, STATS, Index, open_index, read_manifest
from explorer.vectors.one_pass import PARTS
from explorer.vectors.tokenize import batches
from tests.vectors.tiny import (
    LAYERS,
    SIZE,
    build,
    build_and_tell,
    files_of,
    mixed_rows,
    times_of,
    tiny_study,
)

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.vectors.tiny", "pandas", "transformers.models.llama.modeling_llama"])


def stop_at(row: int) -> Progress:
    """Progress that stops a build in this row."""

    def stop(_what: str, done: float = 0, _total: float = 0, /) -> None:
        if int(done) == row:
            raise Stopped("stopped")

    return stop


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


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path: Path, model: Path) -> None:
    rows, draw = mixed_rows(60), random.Random(0)
    study = tiny_study(tmp_path / "killed", model, rows)
    folder = index_folder(study, plan(study, load_model(ModelSpec(str(model))), "before", PARTS, LAYERS))
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_scratch_of_a_killed_build_stays(study: Study, whole: Index) -> None:
    assert kill_a_build(study, 0, SIZE, (2, False))
    assert files_of(build(study).folder).keys() == files_of(whole.folder).keys()


def test_an_interrupt_between_shards_loses_nothing(study: Study, whole: Index) -> None:
    with pytest.raises(Stopped):
        build(study, progress=stop_at(12))
    folder = study.folder / "vectors" / whole.folder.name
    kept = finished_shards(folder)
    assert len(kept) == 3
    assert files_of(build(study).folder) == files_of(whole.folder)
    assert times_of(folder).items() >= kept.items()


def test_an_interrupt_inside_a_shard_loses_that_shard_alone(
    study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("explorer.vectors.items.batches", partial(batches, budget=1))
        with pytest.raises(Stopped):
            build(study, progress=stop_at(9))  # the third shard holds rows 8 to 12
    folder = study.folder / "vectors" / whole.folder.name
    kept = finished_shards(folder)
    assert sorted(kept) == ["shard-00000.safetensors", "shard-00001.safetensors"] == sorted(times_of(folder))
    made = build(study)
    assert times_of(folder).items() >= kept.items()
    for part in PARTS:  # batches of another size round otherwise
        ours, theirs = made.rows(part, 3, torch.arange(26)), whole.rows(part, 3, torch.arange(26))
        assert (ours - theirs).norm() < 0.01 * theirs.norm()


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


def test_an_unfinished_index_says_how_far_it_is(study: Study) -> None:
    with pytest.raises(Stopped):
        build(study, progress=stop_at(8))
    (folder,) = (study.folder / "vectors").iterdir()
    with pytest.raises(ExplorerError, match=r"not finished \(2 of 7 shards\); run 'explorer build'"):
        open_index(folder)


def stop_from(row: int) -> Progress:
    """Progress that stops a build in this row or after it."""

    def stop(_what: str, done: float = 0, _total: float = 0, /) -> None:
        if done >= row:
            raise Stopped("stopped")

    return stop


def test_a_slow_shard_is_saved_by_time(study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch of a shard is one exchange, and the clock says that every one took two minutes."""
    clock, ran = itertools.count(step=120), []
    monkeypatch.setattr("explorer.vectors.items.batches", partial(batches, budget=1))
    real = items.one_pass
    monkeypatch.setattr(
        items, "one_pass", lambda view, batch, *rest: ran.append(len(batch)) or real(view, batch, *rest)
    )
    with monkeypatch.context() as patch:
        patch.setattr("explorer.vectors.unfinished.monotonic", lambda: float(next(clock)))
        patch.setattr("explorer.vectors.unfinished._SHARE", 0)
        with pytest.raises(Stopped):
            build(study, shard_rows=26, progress=stop_from(20))
    folder = study.folder / "vectors" / whole.folder.name
    assert "part-00000.safetensors" in read_manifest(folder).files and not times_of(folder)
    first = len(ran)
    ran.clear()
    resumed = build(study, shard_rows=26)
    assert first > 5 and not list(folder.glob("part-*")) and "part-00000.safetensors" not in resumed.manifest.files
    again = len(ran)
    ran.clear()
    for path in folder.glob("*"):
        path.unlink()
    build(study, shard_rows=26)
    assert first + again == len(ran)  # no exchange went through the model twice


def test_unfinished_work_changes_no_vector(study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=120)
    monkeypatch.setattr("explorer.vectors.items.batches", partial(batches, budget=1))
    with monkeypatch.context() as patch:
        patch.setattr("explorer.vectors.unfinished.monotonic", lambda: float(next(clock)))
        with pytest.raises(Stopped):
            build(study, shard_rows=26, progress=stop_from(20))
    resumed = files_of(build(study, shard_rows=26).folder)
    for path in (study.folder / "vectors" / whole.folder.name).glob("*"):
        path.unlink()
    assert files_of(build(study, shard_rows=26).folder) == resumed


def test_unfinished_work_that_is_damaged_or_of_other_batches_is_left(
    study: Study, whole: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = study.folder / "vectors" / whole.folder.name, itertools.count(step=120)
    monkeypatch.setattr("explorer.vectors.unfinished.monotonic", lambda: float(next(clock)))
    for damaged in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr("explorer.vectors.items.batches", partial(batches, budget=1))
            with pytest.raises(Stopped):
                build(study, shard_rows=26, progress=stop_from(20))
        if damaged:
            (folder / "part-00000.safetensors").write_bytes(b"x")
        made = build(study, shard_rows=26)
        assert not list(folder.glob("part-*"))
        for part in PARTS:
            ours, theirs = made.rows(part, 3, torch.arange(26)), whole.rows(part, 3, torch.arange(26))
            assert (ours - theirs).norm() < 0.01 * theirs.norm()
        for path in folder.glob("*"):
            path.unlink()
