"""What is no regular file in the place of one: pipes, devices, folders, sockets, loops; and links that lead out."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.behaviors.notes import read_notes
from explorer.behaviors.prompts import discovery_prompts
from explorer.data.importer import import_data
from explorer.data.study import Study, check_study, read_datapoints
from explorer.errors import ExplorerError
from explorer.files import append_lines
from explorer.jobs import LOCK, LOG, STOP, is_running, log_tail, stop
from explorer.reading import open_file, read_bytes, read_toml
from explorer.repair.checks import held_out
from explorer.repair.job import execute, start
from explorer.repair.plan import REPAIRS, read_plan, repair_folder, repair_folders, run_folder
from explorer.repair.results import read_result
from explorer.repair.stages import read_stages
from explorer.vectors.index import read_manifest
from tests.fuzz.conftest import RUN
from tests.fuzz.harness import check_sentence

READERS: dict[str, Callable[[Study], Any]] = {
    "study.toml": lambda study: check_study(study.folder),
    "datapoints.parquet": Study.datapoints,
    "behaviors.jsonl": Study.behaviors,
    "failures.jsonl": Study.failures,
    "controls.jsonl": lambda study: held_out(study, "n"),
    "guard.jsonl": lambda study: held_out(study, "n"),
    "discovery.jsonl": discovery_prompts,
    "training.json": read_stages,
    "cluster-notes.json": lambda study: read_notes(study.folder),
    f"{REPAIRS}/{RUN}/plan.json": lambda study: read_plan(study.folder / REPAIRS / RUN),
    f"{REPAIRS}/{RUN}/result.json": lambda study: read_result(study.folder / REPAIRS / RUN),
    "vectors/x/manifest.json": lambda study: read_manifest(study.folder / "vectors" / "x"),
    "data.jsonl": lambda study: import_data(study.folder / "data.jsonl"),
    "data.json": lambda study: import_data(study.folder / "data.json"),
    "data.csv": lambda study: import_data(study.folder / "data.csv"),
    "data.parquet": lambda study: import_data(study.folder / "data.parquet"),
    "data.arrow": lambda study: import_data(study.folder / "data.arrow"),
}


def place(kind: str, path: Path) -> None:
    """Put something into the place of a file."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path.name)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                home = os.getcwd()
                os.chdir(path.parent)  # a socket's path is short
                made.bind(path.name)
                os.chdir(home)
        case _:
            path.symlink_to(kind)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ("pipe", "folder", "loop", "socket", "/dev/zero", "/dev/tty", "/nowhere"))
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(study: Study, name: str, kind: str):
    path = study.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_bytes() if path.is_file() else None
    path.unlink(missing_ok=True)
    try:
        place(kind, path)
        with pytest.raises(ExplorerError) as error:
            READERS[name](study)
        check_sentence(str(error.value))
    finally:
        path.rmdir() if kind == "folder" else path.unlink()
        if kept is not None:
            path.write_bytes(kept)


@pytest.mark.parametrize("name", ("a\0b", "x" * 300, "/" + "y/" * 3_000, "\ud800", "", ".", "/dev/null", "/dev/zero"))
def test_what_can_be_no_name_is_refused(tmp_path: Path, name: str):
    for read in (lambda path: read_bytes(path, "text"), read_datapoints, import_data, check_study, read_toml_of):
        with pytest.raises(ExplorerError) as error:
            read(tmp_path / name)
        check_sentence(str(error.value))


def read_toml_of(path: Path) -> dict[str, Any]:
    return read_toml(path, "settings")


def test_a_file_behind_a_link_is_read(tmp_path: Path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    with open_file(tmp_path / "link", "text") as file:
        assert file.read() == b"x"


@pytest.mark.timeout(20)
def test_links_in_a_study_lead_no_writer_out_of_it(study: Study, monkeypatch: pytest.MonkeyPatch):
    folder, secret = study.folder / REPAIRS / RUN, study.folder.parent / "outside" / "secret"
    monkeypatch.setattr("subprocess.Popen", lambda *_args, **_settings: pytest.fail("a job was started"))
    (folder / "progress.json").unlink()
    (folder / "result.json").rename(folder / "kept")
    for name, write in (
        (LOG, lambda: start(study, folder)),
        (STOP, lambda: stop(folder)),
        ("loss.jsonl", lambda: append_lines(folder / "loss.jsonl", [{"a": 1}])),
        (LOCK, lambda: execute(study, folder)),
    ):
        for target in (secret, secret.with_name("new")):
            (folder / name).symlink_to(target)
            with pytest.raises((ExplorerError, OSError)):
                write()
            (folder / name).unlink()
            (folder / "progress.json").unlink(missing_ok=True)
    (folder / LOG).symlink_to("/dev/zero")
    assert log_tail(folder) == "" and not is_running(folder)
    (folder / LOG).unlink()
    (folder / "kept").rename(folder / "result.json")
    assert secret.read_text() == "untouched" and not secret.with_name("new").exists()


def test_names_lead_nowhere_else(study: Study):
    for name in ("/etc", "../../outside", "..", ".", "", "none-such", "a\0b", "x" * 500):
        with pytest.raises(ExplorerError):
            repair_folder(study, name)
        assert run_folder(study, name).parent.resolve() == (study.folder / REPAIRS / "runs").resolve()
    assert repair_folder(study, RUN).name == RUN


def test_repairs_with_unreadable_entries_are_listed(study: Study):
    broken = study.folder / REPAIRS / "broken"
    broken.mkdir()
    (broken / "plan.json").symlink_to("plan.json")
    assert study.folder / REPAIRS / RUN in repair_folders(study)
    (broken / "plan.json").unlink()
    broken.rmdir()
