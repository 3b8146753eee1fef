"""A token of the hub in the environment gets into no message, output or study file."""

import ast
import json
from pathlib import Path

import pytest

from explorer.cli.main import main

ROOT = Path(__file__).parents[1]
SECRET = "hf_SecretSecretSecretSecretSecretSecret"


@pytest.mark.slow
def test_no_output_holds_a_token(smollm, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", SECRET)
    data, study = tmp_path / "data.jsonl", tmp_path / "study"
    data.write_text(json.dumps({"prompt": "p", "response": "r"}) + "\n")
    case = ["--prompt", "The capital of Turkey is", "--raw", "--wrong", " Istanbul", "--right", " Ankara"]
    assert main(["new", str(study), "--model", "smollm2", "--data", str(data)]) == 0
    assert main(["trace", *case, "--json", str(tmp_path / "trace.json")]) == 0
    assert main(["graph", *case, "--out", str(tmp_path / "graph.json")]) == 0
    assert main(["trace", *case, "--model", "owner/absent", "--json", "-"]) == 2
    assert main(["trace", *case, "--adapter", "owner/absent", "--json", "-"]) == 2
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_the_environment_is_read_in_few_places():
    """Each reads names of its own, or hands the whole to a process that it starts; a new one is to be looked at."""
    readers = set()
    for path in ROOT.glob("explorer/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb", "get_token"):
                readers.add(path.relative_to(ROOT / "explorer").as_posix())
    expected = {
        "__init__.py",
        "jobs.py",
        "serving.py",
        "cli/app.py",
        "demo/build.py",
        "model/embedded.py",
        "model/hub.py",
    }
    assert readers <= expected
