"""A study as one zip: it comes back as it was, and no zip writes outside its folder or runs anything."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from explorer.data import study_zip
from explorer.data.study import create_study, open_study
from explorer.data.study_files import study_files
from explorer.data.study_zip import export_study, import_study, outgoing
from explorer.errors import ExplorerError
from explorer.vectors.find import study_indexes
from tests.pages.data_study import data_study
from tests.vectors.tiny import save_adapter

DATA = [{"id": "a", "prompt": "p", "response": "r"}]


@pytest.fixture
def plain_zip(tmp_path: Path) -> dict[str, bytes]:
    """The files of a small study by their names."""
    made = create_study(tmp_path / "plain", name="Plain", model="smollm2", datapoints=DATA)
    return {file.name: file.read_bytes() for file in study_files(made.folder)}


def write_zip(path: Path, members: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return path


def test_a_study_comes_back_with_its_vectors_and_models(tmp_path: Path):
    made = data_study(tmp_path / "here", tuned=True)
    save_adapter(made.folder / "adapters" / "x")
    (made.folder / "repairs").mkdir()
    (made.folder / "repairs" / "evil.pkl").write_bytes(b"no")
    path = export_study(made.folder, tmp_path / "study.zip", models=True)
    first = path.read_bytes()
    assert export_study(made.folder, tmp_path / "again.zip", models=True).read_bytes() == first
    os.rename(tmp_path / "here", tmp_path / "gone")
    study, absent = import_study(path, tmp_path / "there", "Copy")
    assert absent == [] and study.name == "Copy" and study.folder == tmp_path / "there" / "copy"
    assert study.model == str(study.folder / "models/1-model")
    assert [spec.adapter for spec in study.trained] == [str(study.folder / "models/2-tuned")]
    assert len(study_indexes(study)) == 1
    assert not list(study.folder.rglob("*.pkl"))
    old = open_study(tmp_path / "gone" / "study")
    assert study.datapoints().equals(old.datapoints()) and study.behaviors() == old.behaviors()
    assert study.failures() == old.failures()


def test_vectors_and_models_are_left_out_on_demand_and_told(tmp_path: Path):
    made = data_study(tmp_path / "here")
    parts = outgoing(made.folder, vectors=False)
    assert not any(name.startswith("vectors/") for name in parts.files) and parts.settings["model"] == made.model
    assert parts.bytes == sum(file.stat().st_size for file in parts.files.values()) > 0
    path = export_study(made.folder, tmp_path / "small.zip", vectors=False)
    os.rename(tmp_path / "here", tmp_path / "gone")
    study, absent = import_study(path, tmp_path / "there")
    assert absent == [f"{made.model} is not on this machine: open study.toml and say where it is."]
    assert study.folder.name == "small" and study.name == made.name


def test_only_what_belongs_to_a_model_goes_along(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")
    made = create_study(tmp_path / "s", name="S", model=str(secret), datapoints=DATA)
    with pytest.raises(ExplorerError, match="no model or adapter"):
        export_study(made.folder, tmp_path / "s.zip", models=True)
    (secret / "config.json").write_text("{}")
    assert "models/1-secret/config.json" in outgoing(made.folder, models=True).files
    assert not any("key" in name for name in outgoing(made.folder, models=True).files)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ([("../evil", b"x")], "expected names inside the zip only"),
        ([("a/../../evil", b"x")], "expected names inside the zip only"),
        ([("/etc/evil", b"x")], "expected names inside the zip only"),
        ([("\\evil", b"x")], "expected names inside the zip only"),
        ([("C:/evil", b"x")], "expected names inside the zip only"),
        ([(link("vectors"), b"/etc")], "a study has no links, hidden files or programs"),
        ([("repairs/.lock", b"x")], "a study has no links, hidden files or programs"),
        ([(".git/config", b"x")], "a study has no links, hidden files or programs"),
        ([("repairs/runs/a/work/optimizer.pt", b"x")], "a study has no links, hidden files or programs"),
        ([("models/pytorch_model.BIN", b"x")], "a study has no links, hidden files or programs"),
        ([("models/modeling.py", b"x")], "a study has no links, hidden files or programs"),
        ([("a", b"x"), ("a/b", b"x")], "not readable as a zip of a study"),
        ([("x" * 300, b"x")], "not readable as a zip of a study"),
    ],
)
def test_hostile_zips_are_refused_and_leave_nothing(tmp_path: Path, plain_zip, members, complaint):
    path = write_zip(tmp_path / "evil.zip", [*plain_zip.items(), *members])
    with pytest.raises(ExplorerError, match=complaint):
        import_study(path, tmp_path / "studies")
    left = list((tmp_path / "studies").iterdir()) if (tmp_path / "studies").exists() else []
    assert left == [] and not (tmp_path / "evil").exists()


def test_zips_that_are_no_study_or_too_large_are_refused(tmp_path: Path, plain_zip, monkeypatch):
    studies = tmp_path / "studies"
    for members, complaint in (
        ({"a": b"x"}, "no study.toml in it"),
        (plain_zip | {"study.toml": b"name = 1"}, "study.toml: field 'format'"),
        (plain_zip | {"datapoints.parquet": b"x"}, "datapoints.parquet"),
        ({name: plain_zip[name] for name in ("study.toml",)}, "datapoints.parquet"),
    ):
        with pytest.raises(ExplorerError, match=complaint):
            import_study(write_zip(tmp_path / "z.zip", members), studies)
    (tmp_path / "cut.zip").write_bytes(write_zip(tmp_path / "z.zip", plain_zip).read_bytes()[:-30])
    (tmp_path / "text.zip").write_bytes(b"no zip")
    for name in ("cut.zip", "text.zip"):
        with pytest.raises(ExplorerError, match="not readable as a zip of a study"):
            import_study(tmp_path / name, studies)
    monkeypatch.setattr(study_zip, "STUDY_UNPACKED_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2_000_000))
    with pytest.raises(ExplorerError, match=r"unpacks to 2,000,000 bytes; expected at most 1,000,000"):
        import_study(tmp_path / "bomb.zip", studies)
    monkeypatch.setattr(study_zip, "STUDY_FILES", 3)
    with pytest.raises(ExplorerError, match=r"4 files; expected at most 3"):
        import_study(write_zip(tmp_path / "z.zip", plain_zip), studies)
    assert not list(studies.iterdir())


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, plain_zip):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in plain_zip.items():
            archive.writestr(name, content)
        archive.writestr("repairs/a", bytes(100_000))
    data = bytearray(raw.getvalue())
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the list says 10 bytes
    (tmp_path / "lie.zip").write_bytes(data)
    with pytest.raises(ExplorerError):
        import_study(tmp_path / "lie.zip", tmp_path / "studies")
    assert not list((tmp_path / "studies").iterdir())


def test_a_zip_of_the_folder_itself_is_read_too(tmp_path: Path, plain_zip):
    path = write_zip(tmp_path / "sent.zip", {f"my study/{name}": data for name, data in plain_zip.items()})
    study, _ = import_study(path, tmp_path / "studies")
    assert study.name == "Plain" and {f.name for f in study_files(study.folder)} == set(plain_zip)
