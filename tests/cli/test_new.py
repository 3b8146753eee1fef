"""The command ``new``: says what it recognised, then writes a whole study or nothing."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from explorer.cli.main import main
from explorer.data.study import check_study, create_study
from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec

ROWS = [
    {"prompt": "<script>", "chosen": "![x](http://a/b)", "rejected": "r", "label": "bad"},
    {"prompt": "q", "response": "", "score": 1.5},
    {"prompt": "q", "response": "", "score": 1.5},
]
BEHAVIOR = {"id": "x", "name": "n", "prompt": "p", "bad": "b", "note": "kept"}
FAILURE = {"id": "f", "prompt": "p", "wrong": "w", "right": "r"}


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """A folder with data and two adapters, where relative paths are read."""
    monkeypatch.chdir(tmp_path)
    for name in ("sft", "dpo"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "adapter_config.json").write_text("{}")
        (tmp_path / "runs" / name / "adapter_model.safetensors").write_bytes(b"")
    write("pairs.jsonl", *ROWS)
    write("behaviors.jsonl", BEHAVIOR)
    write("failures.jsonl", FAILURE)


def write(name: str, *rows: object) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def new(line: str) -> int:
    return main(["new", *shlex.split(line)])


def test_a_study_is_made_and_said(tmp_path, capsys):
    line = "my/study --model smollm2 --adapter runs/sft --adapter runs/dpo/ --reference-adapter runs/sft"
    assert (
        new(f"{line} --data pairs.jsonl --behaviors behaviors.jsonl --failures failures.jsonl --name 'Mine \"1\"'") == 0
    )
    out, err = capsys.readouterr()
    assert out == "my/study\n"
    assert err.splitlines() == [
        "JSON lines, 3 rows; prompt from 'prompt', answer from 'chosen', 'rejected', 'response'",
        "taken as they are: 'label'",
        "also kept: 'score'",
        "1 exact duplicate left out",
        "1 row without an answer kept but never ranked",
        "behaviors: 1",
        "failures: 1",
    ]
    study = check_study(Path("my/study"))
    runs = tmp_path.resolve() / "runs"
    assert (study.name, study.model) == ('Mine "1"', "smollm2")
    sft, dpo = (ModelSpec("smollm2", str(runs / name)) for name in ("sft", "dpo"))
    assert (study.trained, study.reference) == ((sft, dpo), sft)
    assert study.datapoints().to_pylist() == [
        {"id": "row-000001", "response": None, "score": None, **ROWS[0]},
        {"id": "row-000002", "chosen": None, "rejected": None, "label": None, **ROWS[1]},
    ]
    assert study.behaviors()[0].name == "n" and "kept" in Path("my/study/behaviors.jsonl").read_text()
    assert study.failures()["f"].right == "r"


def test_conversations_and_where_the_loss_is(capsys):
    turns = [("user", "2+2?"), ("assistant", "4"), ("user", "3+3?"), ("assistant", "6")]
    write("chats.jsonl", {"messages": [{"role": role, "content": content} for role, content in turns]})
    assert new("whole --model smollm2 --data chats.jsonl") == 0
    assert "1 conversation of several answers: one row each, with the loss on all answers" in capsys.readouterr().err
    study = check_study(Path("whole"))
    assert (study.template, study.turns, study.end_of_turn) == ("chat", "all", True)
    assert study.datapoints().to_pylist() == [
        {"id": "row-000001", "history": '[["user", "2+2?"], ["assistant", "4"]]', "prompt": "3+3?", "response": "6"}
    ]
    assert new("each --model smollm2 --data chats.jsonl --turns each --template raw --end-of-turn yes --dry-run") == 0
    err = capsys.readouterr().err
    assert "made into 2 rows, one an answer" in err and "with a loss on the token that ends it" in err
    assert new("each --model smollm2 --data chats.jsonl --turns each --end-of-turn no") == 0
    study = check_study(Path("each"))
    assert (study.turns, study.end_of_turn) == ("last", False)
    assert study.datapoints()["id"].to_pylist() == ["row-000001.1", "row-000001.2"]


def test_columns_and_several_files(capsys):
    write("a.jsonl", {"Frage": "p", "Antwort": "r"}, {"Frage": "p2", "Antwort": "r"})
    write("b.jsonl", {"Frage": "p3", "Antwort": "r"}, {"Frage": 1, "Antwort": "r"})
    assert new("mine --model smollm2 --data a.jsonl --data b.jsonl --columns prompt=Frage,response=Antwort") == 0
    assert check_study(Path("mine")).datapoints()["prompt"].to_pylist() == ["p", "p2", "p3"]
    assert capsys.readouterr().err.splitlines() == [
        "JSON lines in 2 files, 4 rows; prompt from 'Frage', answer from 'Antwort'",
        "1 row broken or too long, left out ('--strict' refuses the data then):",
        "b.jsonl, row 2: field 'Frage' is int; expected text.",
    ]


def test_a_dry_run_writes_nothing(capsys):
    assert new("mine --model owner/name --adapter owner/adapter --data pairs.jsonl --dry-run --json -") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["study"] is None and result["rows"] == 3 and result["columns"]["chosen"] == "chosen"
    assert "--model owner/name: no such folder, taken as a hub id" in err and "3 rows" in err
    assert not Path("mine").exists()


def test_json_beside_the_study(capsys):
    assert new("mine --model . --data pairs.jsonl --json found.json --yes") == 0
    assert capsys.readouterr().out == "mine\n"
    assert json.loads(Path("found.json").read_text())["study"] == "mine"
    study = check_study(Path("mine"))
    assert study.model == str(Path.cwd()) and study.name == "mine" and study.behaviors() == []
    assert study.answer_tokens == 64
    assert new("other --model smollm2 --data pairs.jsonl --json - --answer-tokens 200 --max-tokens 512") == 0
    other = check_study(Path("other"))
    assert (other.answer_tokens, other.max_tokens) == (200, 512)
    assert json.loads(capsys.readouterr().out)["study"] == "other"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2), ("", 2)])
def test_at_a_terminal_it_asks(monkeypatch, capsys, answer, code):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdin, "readline", lambda: answer, raising=False)
    assert new("mine --model smollm2 --data pairs.jsonl") == code
    assert Path("mine").exists() == (code == 0)
    assert new("yes --model smollm2 --data pairs.jsonl --yes") == 0
    assert capsys.readouterr().err.count("[y/N]") == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--data gone.jsonl", "gone.jsonl: no such file"),
        ("--data broken.jsonl", "broken.jsonl, line 1: not JSON"),
        ("--data nameless.jsonl", "row 1: no column for prompts; found 'words'"),
        ("--columns prompt=", "--columns prompt=: expected FIELD=COLUMN"),
        ("--columns prompt=gone,response=label", "no column 'gone' for '--columns prompt=gone'; found 'prompt'"),
        ("--strict --data pairs.jsonl --data broken.jsonl", "broken.jsonl, line 1: not JSON"),
        ("--data 'gone/*.jsonl'", "gone/*.jsonl: matches no file of training data"),
        ("--behaviors failures.jsonl", "failures.jsonl, row 1: field 'name' is missing"),
        ("--failures behaviors.jsonl", "behaviors.jsonl, row 1: field 'wrong' is missing"),
        ("--failures latin.jsonl", "latin.jsonl, line 1: not UTF-8"),
        ("--adapter runs", "--adapter runs: no adapter_config.json; expected a PEFT adapter folder."),
        ("--adapter ./gone", "--adapter ./gone: no such folder"),
        ("--adapter gone", "--adapter gone: no such folder"),
        ("--reference-adapter a/b/c", "--reference-adapter a/b/c: no such folder"),
        ("--model ./gone.gguf", "--model ./gone.gguf: no such folder"),
        ("--json gone/x.json", "gone/x.json can't be written"),
        ("--answer-tokens 0", "--answer-tokens is 0; expected a whole number from 1 to 8,192"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, line, complaint):
    Path("broken.jsonl").write_text("{")
    write("nameless.jsonl", {"words": "p"})
    Path("latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    usual = {"--model": "smollm2", "--data": "pairs.jsonl"}
    option = line.split(maxsplit=1)[0]
    rest = " ".join(f"{name} {value}" for name, value in usual.items() if name != option)
    dry = "--dry-run" if option == "--json" else ""
    assert new(f"mine {rest} {line} {dry}") == 2
    errors = [text for text in capsys.readouterr().err.splitlines() if text.startswith("explorer:")]
    assert len(errors) == 1 and complaint in errors[0]
    assert not Path("mine").exists()


@pytest.mark.parametrize("name", ["study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl"])
def test_nothing_is_overwritten(capsys, name):
    Path("mine").mkdir()
    Path("mine", name).write_text("precious")
    assert new("mine --model smollm2 --data pairs.jsonl") == 2
    assert f"mine: there is a {name} already" in capsys.readouterr().err
    assert [p.read_text() for p in Path("mine").iterdir()] == ["precious"]


def test_a_folder_that_cannot_be_made(capsys):
    assert new("pairs.jsonl/mine --model smollm2 --data pairs.jsonl") == 2
    assert "pairs.jsonl/mine can't be written: " in capsys.readouterr().err


def test_a_study_that_fails_its_check_is_no_study(tmp_path):
    rows = pa.table({"id": ["a"], "prompt": ["p"], "response": ["r"]})
    with pytest.raises(ExplorerError, match="no such adapter folder"):
        create_study(tmp_path / "s", name="n", model="smollm2", datapoints=rows, adapters=["./gone"])
    assert not (tmp_path / "s" / "study.toml").exists()
    assert create_study(tmp_path / "s", name="n", model="smollm2", datapoints=rows).datapoints() == rows


def test_an_empty_answer_is_accepted(tmp_path):
    rows = [
        {"id": "a", "prompt": "p", "response": "", "chosen": None, "rejected": None},
        {"id": "b", "prompt": "p", "response": None, "chosen": "", "rejected": "r"},
    ]
    assert len(create_study(tmp_path / "s", name="n", model="smollm2", datapoints=rows).datapoints()) == 2


def test_the_command_in_the_readme_works(capsys):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ +python -m explorer (new .*)", readme, re.MULTILINE)
    assert main(shlex.split(command)) == 0
    assert check_study(Path("my-study")).spec == ModelSpec("smollm2", str(Path("runs/dpo").resolve()))


def test_help_and_dry_run_do_not_import_torch():
    code = """
import sys, explorer.cli.main as c
c.parser().format_help()
assert "pyarrow" not in sys.modules
assert c.main("new s --model smollm2 --data pairs.jsonl --dry-run".split()) == 0
sys.exit("torch" in sys.modules)
"""
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=path, check=False).returncode == 0
