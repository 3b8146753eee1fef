"""The commands build, rank and evaluate on a tiny study, and what they refuse."""

import json

import pytest

from explorer.cli.main import main
from explorer.data.study import Study
from explorer.ranking.null import null_scores, significance
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from tests.pages.data_study import data_study


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Study:
    """The study with its vectors at layers 1 and 3."""
    return data_study(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Study:
    """The study without vectors."""
    return data_study(tmp_path_factory.mktemp("bare"), built=False)


def run(capsys, *line: object) -> tuple[int, str, str]:
    code = main([str(part) for part in line])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_rank_is_the_ranking_of_python(built, capsys):
    code, out, _ = run(capsys, "rank", built.folder, "--behavior", "swapped", "--layer", 1, "--tokens", "--json", "-")
    said = json.loads(out)
    wanted = rank(built, AboutBehavior("swapped"), layer=1)
    assert code == 0
    assert [d["score"] for d in said["datapoints"]] == [float(wanted.scores[i]) for i in wanted.top(20)]
    how = {
        "behavior": "swapped",
        "method": "explorer",
        "layer": 1,
        "stage": "base",
        "centre": True,
        "query": "contrast",
    }
    assert {name: said[name] for name in how} == how
    null = null_scores(built, wanted)
    assert said["null"]["values"] == sorted(null.tops.tolist())
    assert said["verdict"] == significance(built, wanted, null).to_json()
    for shown in said["datapoints"]:
        assert {"id", "score", "text", "tokens"} <= set(shown)
        assert any(t["score"] for t in shown["tokens"] if t["part"] == "answer")


def test_tokens_are_printed_for_people_too(built, capsys):
    line = ("rank", built.folder, "--behavior", "swapped", "--layer", 1, "--top", 3)
    _, out, _ = run(capsys, *line, "--tokens", "--json", "-")
    shown = json.loads(out)["datapoints"]
    _, text, _ = run(capsys, *line, "--tokens")
    lines = [part.partition("by tokens: ")[2] for part in text.splitlines() if "by tokens: " in part]
    assert len(lines) == len(shown) == 3
    for told, row in zip(lines, shown, strict=True):
        tokens = [*row["tokens"], *row.get("rejected_tokens", [])]
        strongest = max((t for t in tokens if t["text"].strip()), key=lambda t: abs(t["score"]))
        assert f"{strongest['text']!r} {strongest['score']:+.3g}" in told
    assert "by tokens" not in run(capsys, *line)[1]


@pytest.mark.parametrize("which", ["built", "bare"])
@pytest.mark.parametrize("method", ["bm25", "length", "random"])
def test_methods_that_read_texts_need_no_vectors(request, capsys, which, method):
    study = request.getfixturevalue(which)
    code, out, _ = run(capsys, "rank", study.folder, "--failure", "f", "--method", method, "--top", 3, "--json", "-")
    said = json.loads(out)
    assert code == 0 and len(said["datapoints"]) == 3
    assert (said["layer"], said["stage"]) == (None, None)
    code, out, _ = run(capsys, "rank", study.folder, "--failure", "f", "--method", method)
    first, *lines = out.splitlines()
    assert code == 0 and len(lines) == 20
    assert first.startswith("Not compared with unrelated prompts: ") and said["null"] is None
    assert said["verdict"]["kind"] == "unknown"


def test_evaluate_and_its_files(built, capsys, tmp_path):
    path = tmp_path / "table.json"
    assert run(capsys, "evaluate", built.folder, "--json", path)[0] == 0
    rows = json.loads(path.read_text())["rows"]
    assert {(r["method"], r["layer"]) for r in rows} >= {("explorer", 1), ("explorer", 3), ("bm25", None)}
    assert all(r["behavior"] == "swapped" and r["guilty"] == 20 for r in rows)
    assert len(run(capsys, "evaluate", built.folder)[1].splitlines()) == len(rows)


def test_build_of_a_copy_says_where_it_is(bare, capsys, tmp_path):
    study = data_study(tmp_path, built=False)
    code, out, err = run(capsys, "build", study.folder, "--layers", "1", "--methods", "rept")
    assert code == 0 and out.strip().startswith(str(study.folder / "vectors"))
    assert "60 datapoints (12 pairs, 1 without an answer, never ranked) in base at layers 1" in err
    assert "0:00 left" in err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("rank {bare} --failure f", "no vectors for 'explorer'"),
        ("rank {bare} --failure f --method bm25 --tokens", "no vectors for 'bm25'"),
        ("rank {built} --failure f --method magic", "'magic' is unknown"),
        ("rank {built} --failure f --layer 2", "no vectors for 'explorer' at layer 2"),
        ("rank {built} --failure f --top 0", "expected at least 1"),
        ("rank {built} --failure nobody", "no failure 'nobody'; expected f"),
        ("rank {built} --behavior nobody", "no behavior 'nobody'; expected other, swapped"),
        ("rank {built} --failure f --json /no/such/folder/x", "/no/such/folder/x can't be written"),
        ("evaluate {built} --json /no/such/folder/x", "/no/such/folder/x can't be written"),
        ("evaluate {built} --label nobody", "no datapoint has the label 'nobody'"),
        ("evaluate {bare}", "no vectors; run"),
        ("build {bare} --layers x", "Layers are 'x'; expected auto"),
        ("build {bare} --layers 9", "Layer 9 is not there; expected 1 to 3"),
        ("build {bare} --methods magic", "'magic' is unknown"),
        ("build {bare} --stage never", "no checkpoint 'never'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(built, bare, capsys, line, complaint):
    folders = {"built": built.folder, "bare": bare.folder}
    code, _, err = run(capsys, *(part.format(**folders) for part in line.split()))
    said = [text for text in err.splitlines() if text.startswith("explorer:")]
    assert code == 2 and len(said) == 1 and complaint in said[0]
