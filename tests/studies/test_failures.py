"""Questions with expected answers: the model is asked, and what it answers wrongly becomes failures."""

import json

import pytest

from explorer.cli.main import main
from explorer.data.failures import failure_of
from explorer.data.study import check_study
from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec
from explorer.studies.failures import ask_failures

QUESTIONS = "id,prompt,expected\n1,What is the capital of Turkey?,Ankara\n2,What is the capital of France?,Paris\n"


def test_what_the_model_gets_wrong_is_kept(smollm, tmp_path):
    path = tmp_path / "q.csv"
    path.write_text(QUESTIONS)
    asked = ask_failures(path, ModelSpec("smollm2"))
    (row,) = asked.entries
    assert asked.asked == 2 and row["id"] == "1" and "Istanbul" in row["wrong"] and "Ankara" in row["right"]
    assert failure_of(row, "row").prompt == "What is the capital of Turkey?"
    assert asked.lines() == ["1 failure of 2 prompts", "The model answers 1 prompt rightly; left out."]


def test_the_system_prompt_is_asked_with_and_kept(smollm, tmp_path):
    path = tmp_path / "q.jsonl"
    row = {"prompt": "What is the capital of Turkey?", "expected": "Ankara", "system": "You are brief."}
    path.write_text(json.dumps(row))
    (failure,) = ask_failures(path, ModelSpec("smollm2")).entries
    assert failure["system"] == "You are brief."


def test_a_new_study_with_questions(smollm, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.csv").write_text(QUESTIONS)
    (tmp_path / "data.jsonl").write_text('{"prompt": "p", "response": "r"}\n')
    line = ["new", "mine", "--model", "smollm2", "--data", "data.jsonl", "--failures", "q.csv"]
    assert main([*line, "--dry-run"]) == 0 and not (tmp_path / "mine").exists()
    assert "failures: the questions of q.csv, which the model is asked" in capsys.readouterr().err
    assert main(line) == 0
    assert "1 failure of 2 prompts" in capsys.readouterr().err
    made = check_study(tmp_path / "mine")
    assert [*made.failures()] == ["1"] and [b.prompt for b in made.behaviors()] == ["What is the capital of Turkey?"]


def test_a_table_without_expected_answers_is_refused(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("prompt,said\np,a\n")
    with pytest.raises(ExplorerError, match=r"q\.csv: nothing to ask"):
        ask_failures(path, ModelSpec("smollm2"))


def test_a_model_that_is_right_has_no_failures(smollm, tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("prompt,expected\nWhat is the capital of France?,Paris\n")
    with pytest.raises(ExplorerError, match="answers every prompt rightly"):
        ask_failures(path, ModelSpec("smollm2"))
