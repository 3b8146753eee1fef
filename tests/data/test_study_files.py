"""Whole studies: renamed, duplicated, thrown away and taken back."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from filelock import FileLock

from explorer.data.study import create_study, open_study
from explorer.data.study_files import (
    delete_for_good,
    duplicate_study,
    folder_for,
    moved_settings,
    rename_study,
    restore_study,
    study_files,
    trash_study,
    trashed_studies,
)
from explorer.errors import ExplorerError
from tests.vectors.tiny import save_adapter, save_tiny

DATA = [{"id": "a", "prompt": "p", "response": "r"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study among others, with a model outside it."""
    model = save_tiny(tmp_path / "model")
    return create_study(tmp_path / "studies" / "mine", name="Mine", model=str(model), datapoints=DATA).folder


def test_a_renamed_study_keeps_everything_else(folder: Path):
    path = folder / "study.toml"
    text = '# name = "not this"\n' + path.read_text() + 'note = """\nname = 3\n"""\n'
    path.write_text(text)
    assert rename_study(folder, '  A "new" name \\ ').name == 'A "new" name \\'
    assert path.read_text().replace(r'"A \"new\" name \\"', '"Mine"') == text
    for wrong in ("", " \n ", "x" * 101, "two\nlines"):
        with pytest.raises(ExplorerError, match="expected 1 to 100, on one line"):
            rename_study(folder, wrong)


def test_a_name_that_stands_elsewhere_is_left_to_its_owner(folder: Path):
    path = folder / "study.toml"
    text = path.read_text().replace('name = "Mine"', 'name = """\nMine"""')
    path.write_text(text)
    with pytest.raises(ExplorerError, match="does not stand on a line of its own"):
        rename_study(folder, "Other")
    assert path.read_text() == text


def test_folders_are_named_after_the_study_and_never_taken_twice(tmp_path: Path):
    assert folder_for(tmp_path, "My study: 1/2 ../x") == tmp_path / "my-study-1-2-x"
    (tmp_path / "my-study").mkdir()
    os.symlink("nowhere", tmp_path / "my-study-2")
    assert folder_for(tmp_path, "My Study") == tmp_path / "my-study-3"
    assert folder_for(tmp_path, "Модель") == tmp_path / "study"


def test_a_duplicate_is_whole_and_its_paths_lead_where_they_led(tmp_path: Path, folder: Path):
    adapter = save_adapter(folder / "adapters" / "sft")
    outside = save_adapter(tmp_path / "studies" / "dpo")
    path = folder / "study.toml"
    entries = 'checkpoints = ["adapters/sft", "../dpo", "adapter:org/name"]'
    path.write_text(path.read_text().replace("checkpoints = []", entries))
    (folder / "vectors" / "f").mkdir(parents=True)
    (folder / "vectors" / "f" / "shard").write_bytes(b"1")
    (folder / "vectors" / "f" / ".lock").touch()
    os.symlink("/etc/passwd", folder / "link")
    before = open_study(folder)
    copy = duplicate_study(folder, tmp_path / "other", "Mine again")
    assert (copy.name, copy.folder, copy.model) == ("Mine again", tmp_path / "other" / "mine-again", before.model)
    assert [s.adapter for s in copy.trained] == [str(copy.folder / "adapters/sft"), str(outside), "org/name"]
    assert [s.adapter for s in before.trained] == [str(adapter), str(outside), "org/name"]
    names = {str(file.relative_to(copy.folder)) for file in study_files(copy.folder)}
    assert names == {str(file.relative_to(folder)) for file in study_files(folder)} >= {"vectors/f/shard"}
    assert not os.path.lexists(copy.folder / "link") and not (copy.folder / "vectors/f/.lock").exists()
    assert copy.datapoints().equals(before.datapoints())


def test_a_model_inside_the_study_moves_with_it(tmp_path: Path, folder: Path):
    path, inside = folder / "study.toml", save_tiny(folder / "models" / "base")
    path.write_text(path.read_text().replace(f'"{tmp_path}/model"', f'"{inside}"'))
    assert moved_settings(folder)["model"] == "./models/base"
    assert duplicate_study(folder, folder.parent, "Copy").model == str(folder.parent / "copy/models/base")


def test_the_trash_gives_back_what_was_thrown_in(folder: Path):
    before = {file.name: file.read_bytes() for file in study_files(folder)}
    thrown = trash_study(folder)
    assert not folder.exists() and (thrown.name, thrown.was) == ("Mine", folder)
    assert abs((datetime.now() - thrown.when).total_seconds()) < 60
    create_study(folder, name="New", model="smollm2", datapoints=DATA)
    back = restore_study(thrown)
    assert back == folder.with_name("mine-2") and trashed_studies(folder.parent) == []
    assert {file.name: file.read_bytes() for file in study_files(back)} == before
    delete_for_good(trash_study(back))
    assert trashed_studies(folder.parent) == [] and not back.exists() and folder.exists()


def test_only_what_lies_in_the_trash_is_deleted(folder: Path):
    from dataclasses import replace

    thrown = trash_study(folder)
    with pytest.raises(ExplorerError, match="not in the trash"):
        delete_for_good(replace(thrown, folder=folder.parent))
    assert thrown.folder.exists()


def test_a_study_at_work_is_not_thrown_away(folder: Path):
    job = folder / "repairs" / "one"
    job.mkdir(parents=True)
    with FileLock(job / ".lock"), pytest.raises(ExplorerError, match=r"1 job at work \(one\)"):
        trash_study(folder)
    assert trash_study(folder).folder.exists()
    with pytest.raises(ExplorerError, match=r"no study\.toml"):
        trash_study(folder.parent)
