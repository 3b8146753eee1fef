"""The command cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from explorer.cli.main import main
from explorer.data.study import Study
from tests.behaviors.synthetic import study_of_two_models


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """See ``study_of_two_models``."""
    return study_of_two_models(tmp_path_factory.mktemp("clusters"))


def test_the_command(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: tmp_path / f"x.{kind}" for kind in ("html", "csv")}
    given = ["cluster", str(study.folder), "--method", "gradient", "--layer", "1", "--clusters", "2", "--json", "-"]
    assert main([*given, *(part for kind, path in files.items() for part in (f"--{kind}", str(path)))]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert len(plain["clusters"]) == 2 and (plain["method"], plain["layer"], plain["stage"]) == ("gradient", 1, "base")
    assert plain["answers"] == {"now": "tuned", "before": "base"} and plain["reduction"] is None
    ids = [s["id"] for c in plain["clusters"] for s in c["behaviors"]]
    assert len(ids) + len(plain["unchanged"]) == 2 + 6 and {"a0", "b0"} <= set(ids)
    assert sum(len(c["datapoints"]) for c in plain["clusters"]) + plain["unassigned"] == 16
    assert files["html"].read_text().startswith("<!doctype html>") and files["csv"].read_text().count("\n") == 21
    assert main([*given[:-2], "--prompts", "behaviors"]) == 0
    printed = capsys.readouterr().out
    assert "2 prompts against 16 datapoints" in printed and len(re.findall(r"^\d\. Not", printed, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    (
        (["--clusters", "0"], "--clusters is 0; expected at least 1"),
        (
            ["--clusters", "99", "--prompts", "behaviors"],
            "99 clusters of 2 behavior prompts can't be made",
        ),
        (["--method", "bm25"], "Method 'bm25' has no vectors to cluster"),
        (["--layer", "7"], "no vectors for 'explorer' at layer 7"),
        (["--reference", "nope"], "no checkpoint 'nope'"),
        (["--reference", "after"], "is the model under study itself"),
        (["--method", "gradient", "--layer", "1", "--html", "/nowhere/x.html"], "can't be written"),
    ),
)
def test_bad_arguments(study: Study, more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", str(study.folder), *more]) == 2
    assert message in capsys.readouterr().err


def test_a_study_without_prompts_or_vectors(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text((study.folder / "study.toml").read_text())
    (tmp_path / "datapoints.parquet").write_bytes((study.folder / "datapoints.parquet").read_bytes())
    assert main(["cluster", str(tmp_path)]) == 2
    assert "Run 'explorer build" in capsys.readouterr().err
    (tmp_path / "vectors").symlink_to(study.folder / "vectors")
    for which, missing in (("all", "no behavior prompt to cluster"), ("discovery", "discovery.jsonl: no such file")):
        assert main(["cluster", str(tmp_path), "--prompts", which]) == 2
        assert missing in capsys.readouterr().err
