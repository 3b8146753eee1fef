import json

import pytest
from safetensors.torch import load_file

from explorer.cli.main import main
from tests.cli.test_trace import SELECTION

GRAPH = ["graph", *SELECTION[1:]]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_verdict_is_printed_and_in_the_files(smollm, capsys, tmp_path):
    out = tmp_path / "graph.json"
    assert main([*GRAPH, "--layers", "0,15", "--max-nodes", "20", "--faithfulness", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    meta = json.loads(out.read_text())["metadata"]
    assert meta["faithfulness"]["sentence"] in printed.out
    assert len(meta["faithfulness"]["tests"]) == 2
    assert meta["path"] in printed.out and "last token before the answer" in meta["path"]
    assert "Patching the nodes: " in printed.err


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
