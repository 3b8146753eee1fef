import json
import subprocess
import sys

import pytest
from safetensors.torch import load_file

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


@pytest.mark.parametrize("line", ["trace --rule magic", "trace", "nonsense", "graph --mass much"])
def test_wrong_arguments_are_one_line_and_exit_2(capsys, line):
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


GRAPH = ["graph", *SELECTION[1:]]


def test_graph_writes_every_file(smollm, capsys, tmp_path):
    out, edges = tmp_path / "graph.json", tmp_path / "edges.safetensors"
    assert main([*GRAPH, "--layers", "six", "--out", str(out), "--matrices", str(edges)]) == 0
    graph = json.loads(out.read_text())
    assert set(graph) == {"metadata", "qParams", "nodes", "links"}
    assert graph["metadata"]["layers"] == [0, 5, 10, 15, 20, 25, 30]
    matrices = load_file(edges)
    length = len(graph["metadata"]["prompt_tokens"])
    assert set(matrices) == {f"layer.{n}" for n in range(30)}
    assert all(m.shape == (length, length) for m in matrices.values())
    assert "of |relevance|" in capsys.readouterr().out
    for kind in ("html", "svg", "png"):
        assert main([*GRAPH, "--out", str(tmp_path / f"g.{kind}"), "--json", "-"]) == 0
        json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--layers", "3,99"], "expected numbers from 0 to 30"),
        (["--layers", "some"], "expected all, six, or numbers"),
        (["--edge-threshold", "1000"], "leave no edge"),
        (["--rule", "gradient"], "not for 'gradient'"),
        (["--matrices", "/no/such/folder/e.safetensors"], "no such folder"),
        (["--out", "x.docx"], "expected png, svg"),
    ],
)
def test_bad_graph_input_is_one_line_and_exit_2(smollm, capsys, change, complaint):
    assert main([*GRAPH, *change]) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("explorer:")]
    assert len(err) == 1
    assert complaint in err[0]


def test_demo_path(smollm, capsys):
    assert main(["demo", "path"]) == 0
    assert capsys.readouterr().out.strip().endswith("smollm2-bcc81830")


def test_help_does_not_import_torch():
    code = "import sys, explorer.cli.main as c; c.parser().format_help(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
