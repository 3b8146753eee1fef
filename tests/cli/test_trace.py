import json

import pytest

from explorer.cli.main import main

SELECTION = ["trace", "--prompt", "What is the capital of Australia?", "--wrong", "Sydney", "--right", "Canberra"]


def test_trace_prints_one_json_object(smollm, capsys):
    assert main([*SELECTION, "--json", "-", "--rule", "cplrp"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["rule"] == "cplrp"
    assert out["contrast"]["logit_gap"] > 0
    assert {"index", "id", "text", "segment", "relevance"} == set(out["tokens"][0])


def test_trace_prints_a_table_and_writes_files(smollm, capsys, tmp_path):
    assert main([*SELECTION, "--out", str(tmp_path / "map.svg"), "--whole"]) == 0
    assert "towards the wrong answer" in capsys.readouterr().out
    assert (tmp_path / "map.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--right", "Sydney"], "are the same tokens"),
        (["--wrong", ""], "wrong answer is empty"),
        (["--prompt", " "], "prompt is empty"),
        (["--evidence", "xyz"], "does not stand in the prompt"),
        (["--layer", "99"], "layer is 99; expected 0"),
        (["--model", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["--out", "/no/such/folder/x.png"], "can't be written"),
        (["--out", "x.docx"], "expected png, svg"),
        (["--device", "toaster"], "'toaster' is not available"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(smollm, capsys, change, complaint):
    assert main([*SELECTION, *change]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("explorer:")]
    assert len(err) == 1
    assert complaint in err[0]
