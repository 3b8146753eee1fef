"""The command ``repair`` on the tiny study."""

import json
import zipfile

import pytest

from explorer.cli.main import main
from explorer.repair import job
from explorer.repair.plan import repair_folders
from tests.repair.conftest import started, study, tiny  # noqa: F401  (fixtures)


@pytest.mark.slow
def test_plan_train_draw_and_export(study, capsys, monkeypatch, tmp_path):  # noqa: F811
    line = ["repair", str(study.folder), "--behavior", "vowels", "--edit", "drop", "--top", "4", "--method", "bm25"]
    assert main([*line, "--train", "sft", "--dry-run"]) == 0
    assert "10 trainings of stage 'sft' on 24 rows (drop)" in capsys.readouterr().err
    assert main([*line, "--train", "sft", "--small", "--json", "-", "--out", str(tmp_path / "a.svg")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert {a["arm"] for a in values["arms"]} == {"none", "top", "random"} and values["share"] == 0.3
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert main([*line, "--export", str(study.folder / "edited.zip"), "--train", "sft"]) == 0
    assert (study.folder / "edited.zip").stat().st_size > 1000
    monkeypatch.setattr(job, "execute", None)  # a repair that is done is read, not run
    (folder,) = repair_folders(study)
    assert main(["repair", str(study.folder), "--go-on", folder.name, "--out", str(tmp_path / "b.svg")]) == 0
    printed = capsys.readouterr().out
    assert "top     k 4" in printed and "seeds 1\n" in printed
    assert all(line["least"] == line["rate"] == line["most"] for line in values["pooled"])
    assert (tmp_path / "b.svg").read_bytes() == (tmp_path / "a.svg").read_bytes()


def test_a_study_that_can_not_be_repeated_is_exported(study, capsys, tmp_path):  # noqa: F811
    (study.folder / "training.json").unlink()
    line = ["repair", str(study.folder), "--behavior", "vowels", "--edit", "replace", "--method", "bm25"]
    assert main([*line, "--top", "3"]) == 2 and "'repair --export FILE.zip'" in capsys.readouterr().err
    assert main([*line, "--top", "3", "--export", str(tmp_path / "a.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        about = json.loads(archive.read("edited.json"))
    assert len(about["ids"]) == 3 and about["left_out"] == about["ids"]  # the demo's rows have no corrected answer
    (tmp_path / "ids").write_text("\n".join(study.datapoints()["id"].to_pylist()[:2]))
    ids = [*line[:4], "--edit", "drop", "--ids", str(tmp_path / "ids"), "--export", str(tmp_path / "b.zip")]
    assert main(ids) == 0 and (tmp_path / "b.zip").is_file()
    assert main([*line, "--top", "999", "--export", str(tmp_path / "a.zip")]) == 2
    assert "k is 999; expected 1 to" in capsys.readouterr().err


def test_bad_arguments(study, capsys):  # noqa: F811
    line = ["repair", str(study.folder), "--behavior", "vowels", "--edit", "drop"]
    for arguments, complaint in (
        (line, "Nothing to do"),
        ([*line, "--top", "4,x"], "whole numbers"),
        ([*line, "--top", "4", "--out", "x.docx"], "expected png, svg"),
        ([*line, "--top", "4", "--arms", "none,x"], "Arm 'x' is unknown"),
        ([*line[:2], "--go-on", "none-such"], "no repair 'none-such'"),
    ):
        assert main(arguments) == 2 and complaint in capsys.readouterr().err


def test_the_help_tells_the_presets(capsys):
    with pytest.raises(SystemExit):
        main(["repair", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "30 % of the rows, 1 seed, arms none, top, random; default: all rows, 3 seeds" in words
