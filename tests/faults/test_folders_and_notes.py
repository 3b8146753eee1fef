"""Killed, or out of disk, at every single change: what is there afterwards is whole, and the work can be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.behaviors.notes import Note, read_notes, write_note
from explorer.data.basket import change_basket, read_basket
from explorer.data.new_study import prepare_study
from explorer.data.study import check_study, create_study
from explorer.errors import ExplorerError
from explorer.files import append_lines, write_json
from explorer.reading import read_whole_lines
from explorer.repair.plan import Arm, Plan, read_plan, repair_folders, save_plan
from tests.faults.harness import BROKEN, DONE, KILLED, REFUSED, files_of, run_until

DATA = [{"id": f"r{n}", "prompt": f"question {n}", "response": f"answer {n}"} for n in range(20)]


def every_point(work: Callable[[], object], root: Path, check: Callable[[int], None], full_disk: bool = False) -> int:
    """Stop the work at each of its changes in turn and check what is left; return at how many."""
    for at in range(1, 200):
        code = run_until(work, root, at, full_disk)
        assert code in (DONE, REFUSED if full_disk else KILLED), f"change {at} ended with {code} ({BROKEN=})"
        check(code)
        if code == DONE:
            return at - 1
    raise AssertionError("never done")


@pytest.mark.slow
@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "disk full"])
@pytest.mark.parametrize("filled", [False, True], ids=["new folder", "folder of the data"])
def test_a_new_study_is_there_whole_or_can_be_made_again(tmp_path, filled, full_disk):
    place = tmp_path / "study"
    source = (place if filled else tmp_path) / "mine.jsonl"
    source.parent.mkdir(exist_ok=True)
    source.write_text("".join(json.dumps(row) + "\n" for row in DATA))

    def make() -> None:
        prepare_study(place, model="smollm2", data=source).write()

    def check(code: int) -> None:
        if (place / "study.toml").exists():
            assert check_study(place).datapoints().num_rows == len(DATA)
        if code == DONE:
            return
        if (place / "study.toml").exists():
            with pytest.raises(ExplorerError, match="there is a study"):
                make()
        else:
            make()  # goes through whatever was left
        for name in ("study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl"):
            (place / name).unlink()
        if not filled:
            place.rmdir()
        assert not list(tmp_path.glob(".*.scratch/content/*"))

    assert every_point(make, tmp_path, check, full_disk) >= 8
    assert source.exists()


@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "disk full"])
def test_notes_that_were_there_stay(tmp_path, full_disk):
    write_note(tmp_path, "a", Note("flattery", "praise"))

    def check(code: int) -> None:
        notes = read_notes(tmp_path)
        assert notes["a"] == Note("flattery", "praise")
        assert notes.get("b", Note("new")) == Note("new") and (code != DONE or "b" in notes)
        write_note(tmp_path, "b", Note())

    assert every_point(lambda: write_note(tmp_path, "b", Note("new")), tmp_path, check, full_disk) >= 1


@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "disk full"])
def test_a_basket_that_was_there_stays(tmp_path, full_disk):
    change_basket(tmp_path, lambda ids: ids.update(one=None, two=None))

    def check(code: int) -> None:
        assert read_basket(tmp_path) in (["one", "two"], ["one", "two", "three"])
        assert code != DONE or read_basket(tmp_path)[-1] == "three"
        change_basket(tmp_path, lambda ids: ids.pop("three", None))

    work = lambda: change_basket(tmp_path, lambda ids: ids.update(three=None))  # noqa: E731
    assert every_point(work, tmp_path, check, full_disk) >= 2


@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "disk full"])
def test_a_plan_of_a_repair_is_whole_or_absent(tmp_path, full_disk):
    study = create_study(tmp_path / "study", name="S", model="smollm2", datapoints=DATA)
    plan = Plan("b", "drop", "sft", {}, 1.0, 20, (Arm("none", 0, 0, ()), Arm("top", 1, 0, ("r1",))))

    def check(_code: int) -> None:
        for folder in repair_folders(study):
            assert read_plan(folder) == plan
            (folder / "plan.json").unlink()

    assert every_point(lambda: save_plan(study, plan), study.folder, check, full_disk) >= 2


@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "disk full"])
def test_lines_that_were_there_stay(tmp_path, full_disk):
    path = tmp_path / "answers.jsonl"
    append_lines(path, [{"n": 1}])

    def check(_code: int) -> None:
        assert next(iter(read_whole_lines(path))) == {"n": 1}

    every_point(lambda: append_lines(path, [{"n": 2}, {"n": 3}]), tmp_path, check, full_disk)
    append_lines(path, [{"n": 4}])
    assert [row["n"] for row in read_whole_lines(path)][-1] == 4


def test_a_write_that_fails_midway_leaves_the_old_file(tmp_path):
    """The limit on the size of files fails the write itself, wherever in the library it is done."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "value.json"
    write_json(path, {"old": 1})

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        write_json(path, {"new": "x" * 100_000})

    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        assert run_until(fill, tmp_path, 10**9) == REFUSED
    finally:
        signal.signal(signal.SIGXFSZ, before)
    assert files_of(tmp_path) == {"value.json": b'{\n "old": 1\n}\n'}
