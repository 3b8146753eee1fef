import io
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


def test_trace_contrasts_at_a_place(smollm, capsys):
    answers = ["--wrong", "The country is Portugal.", "--right", "Genoa is in Italy."]
    places = []
    for options in ([], ["--place", "0"]):
        assert main([*SELECTION, *answers, *options, "--json", "-"]) == 0
        out = json.loads(capsys.readouterr().out)
        (place,) = [place for place in out["places"] if place["place"] == out["contrast"]["place"]]
        assert place["logit_gap"] == pytest.approx(out["contrast"]["logit_gap"], abs=1e-3)
        places.append(out["contrast"]["target"]["text"])
    assert places == [" Portugal", "The"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--right", "Sydney"], "are the same tokens"),
        (["--wrong", ""], "wrong answer is empty"),
        (["--prompt", " "], "prompt is empty"),
        (["--evidence", "xyz"], "does not stand in the prompt"),
        (["--place", "1"], "place is 1; expected 0 to 0"),
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


@pytest.mark.slow
def test_edits_are_rerun(smollm, capsys):
    assert main([*SELECTION, "--json", "-"]) == 0
    tokens = json.loads(capsys.readouterr().out)["tokens"]
    (country,) = [t["index"] for t in tokens if t["text"] == " Australia"]
    (capital,) = [t["index"] for t in tokens if t["text"] == " capital"]
    assert main([*SELECTION, "--json", "-", "--delete", str(capital), "--replace", f"{country}=France"]) == 0
    edits = json.loads(capsys.readouterr().out)["edits"]
    assert edits["prompt"] == "What is the of France?"
    assert edits["change"] == pytest.approx(edits["gap"] - edits["gap_before"])
    assert {"index": country, "text": "France"} in edits["tokens"]
    assert main([*SELECTION, "--delete", f"{country},{capital}"]) == 0
    assert "'What is the of?'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--delete", "0"], "is the template's"),
        (["--delete", "x"], "expected a whole number"),
        (["--delete", "-1"], "from 0"),
        (["--replace", "12"], "expected N=WORD"),
        (["--replace", "9999=x"], "has no token 9999"),
    ],
)
def test_edits_that_can_not_be_made_are_one_line(smollm, capsys, change, complaint):
    try:
        code = main([*SELECTION, *change])
    except SystemExit as refused:  # by the parser of arguments
        code = refused.code
    assert code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.slow
def test_the_minimal_edit_is_printed_and_in_the_json(smollm, capsys):
    toronto = "My friend told me that the capital of Canada is Toronto. What is the capital of Canada?"
    failure = ["trace", "--prompt", toronto, "--wrong", "Toronto", "--right", "Ottawa", "--minimal"]
    assert main([*failure, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    found = figures["minimal_edit"]
    assert found["gap"] == pytest.approx(figures["contrast"]["logit_gap"], abs=1e-3) and found["gap"] > 0
    gone = {token["index"] for token in found["removed"]["tokens"]}
    assert {token["index"] for token in found["rerun"]["tokens"]} == gone
    assert found["flips"] and found["rerun"]["gap"] < 0 and found["removed"]["gap"] < 0
    assert 0 <= found["random_sets"]["flipped"] <= found["random_sets"]["sets"] == min(20, found["tokens"] - 1)
    assert found["enough_to_keep"]["gap"] > 0
    assert main(failure) == 0
    out = capsys.readouterr().out
    assert f"minimal edit: {', '.join(repr(token['text']) for token in found['removed']['tokens'])}" in out
    assert repr(" ".join(found["rerun"]["answer"].split())) in out and "enough to keep 'Toronto'" in out
    assert main([*failure[:4], "Ottawa", "--right", "Toronto", "--minimal"]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_a_prompt_from_a_file_or_stdin_is_the_prompt(smollm, capsys, tmp_path, monkeypatch):
    prompt = SELECTION[2]
    (tmp_path / "prompt.txt").write_text(prompt + "\n")
    assert main([*SELECTION, "--json", "-"]) == 0
    wanted = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(prompt.encode())))
    for source in (str(tmp_path / "prompt.txt"), "-"):
        assert main(["trace", "--prompt-file", source, *SELECTION[3:], "--json", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["tokens"] == wanted["tokens"]
    assert main(["trace", "--prompt-file", str(tmp_path / "none"), *SELECTION[3:]]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["trace", "graph"])
def test_a_file_of_failures_is_explained_one_by_one(smollm, capsys, tmp_path, command):
    rows = [
        {"id": "a", "prompt": SELECTION[2], "wrong": "Sydney", "right": "Canberra"},
        {"id": "b", "prompt": "What is 2+2?", "wrong": "5", "right": "4", "system": "Be brief."},
    ]
    file = tmp_path / "failures.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = [command, "--failures", str(file)] + ([] if command == "trace" else ["--layers", "0,15,30"])
    assert main([*line, "--json", "-"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in listed] == ["a", "b"]
    assert main([*line, "--id", "b"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# b\n") and "# a" not in text
    if command == "trace":
        assert main([*SELECTION, "--json", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["tokens"] == listed[0]["tokens"]
        assert "Be brief" in "".join(token["text"] for token in listed[1]["tokens"])
    assert main([*line, "--id", "b", "--out", str(tmp_path / "b.html")]) == 0 and (tmp_path / "b.html").is_file()
    capsys.readouterr()
    for more, words in (
        (["--out", str(tmp_path / "x.svg")], "--out is for one failure"),
        (["--wrong", "W"], "bring their own"),
        (["--id", "c"], "no failure 'c'; expected a, b"),
    ):
        assert main([*line, *more]) == 2 and words in capsys.readouterr().err
    assert main([command, "--prompt", "p", "--wrong", "w"]) == 2 and "--right is missing" in capsys.readouterr().err
    assert main([command, "--prompt", "p", "--id", "w"]) == 2 and "goes with --failures" in capsys.readouterr().err
