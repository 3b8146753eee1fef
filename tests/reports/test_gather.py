"""A case's report holds what its pages show: each part's figures are those of the calls that make them."""

import json
import shlex

import numpy as np
import pytest

import explorer
from explorer.behaviors.clusters import cluster
from explorer.behaviors.of_case import cluster_of
from explorer.cli.main import main, parser
from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.graph.build import TracedEdges
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.progress import Stopped
from explorer.ranking.questions import AboutFailure
from explorer.ranking.rank import rank
from explorer.reports.blocks import Commands, Facts, Grid, Picture, Section, Text, Words
from explorer.reports.gather import report


def blocks(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def named(made, begins: str) -> Section:
    return next(section for section in made.sections if section.title.startswith(begins))


def test_the_parts_are_in_order_and_what_is_not_there_is_named(made):
    assert [section.title.split()[0] for section in made.sections] == ["Which", "Which", "Which", "What"]
    (missing,) = made.missing
    assert (missing.title, missing.why) == ("Repair", "No measured repair of this study is about its behavior.")
    assert explorer.report is report


def test_the_map_is_the_one_that_explain_draws(made, study):
    section = named(made, "Which words")
    failure = study.failures()["f"]
    expected = explorer.explain(failure, study.spec)
    assert isinstance(section.blocks[0], Text) and section.lead
    (picture,) = blocks(section, Picture)
    words = expected.tokens[3].text.strip()
    assert f"{expected.relevance[3]:+.4g} logits" in picture.svg and words in picture.svg
    assert section.case == Facts(
        (
            ("Prompt", "the capital of Canada is?", ""),
            ("Wrong answer", "Seoul", "wrong"),
            ("Right answer", "Ottawa", "right"),
            ("Gap", f"{expected.trace.gap:+.2f} logits, “Seoul” over “Ottawa”", ""),
            ("Model", study.spec.title, ""),
        )
    )


def test_the_verdicts_are_in_it_and_can_be_left_out(made, study):
    for begins in ("Which words", "Which way"):
        kinds = [block.kind for block in blocks(named(made, begins), Text)]
        assert "verdict" in kinds, begins
        assert "--faithfulness" in blocks(named(made, begins), Commands)[0].lines[0]
    quick = report(study, "f", judge=False)
    for begins in ("Which words", "Which way"):
        assert "verdict" not in [block.kind for block in blocks(named(quick, begins), Text)]
        assert "--faithfulness" not in blocks(named(quick, begins), Commands)[0].lines[0]


def test_the_guiltiest_rows_are_the_ranking_s_and_their_words_add_up(made, study):
    ranking = rank(study, AboutFailure(study.failures()["f"].question), method="explorer")
    rows = blocks(named(made, "Which training"), Words)
    ids = study.datapoints()["id"].to_pylist()
    assert len(rows) == 5
    for place, (row, number) in enumerate(zip(rows, ranking.top(5), strict=True), 1):
        assert row.head.startswith(f"{place} · score {ranking.scores[number]:.3f}") and ids[number] in row.head
        shares = [score for _, words in row.lines for _, score in words]
        assert any(shares) and max(map(abs, shares)) <= row.scale * (1 + 1e-9)


def test_a_model_that_was_not_trained_on_the_rows_has_no_cause_there(study, smollm):
    stranger = report(study, "f", ModelSpec(), judge=False)
    assert [missing.title for missing in stranger.missing] == ["Training data", "Cluster", "Repair"]
    assert all("was not trained on" in missing.why for missing in stranger.missing)


def test_the_cluster_is_the_one_that_holds_the_prompt(study):
    clusters = cluster(study)
    cut, case = clusters.cut(2), study.failures()["f"]
    one = cluster_of(clusters, cut, study, case)
    assert one and any(clusters.matrix.rows[i].prompt == case.prompt for i in one.prompts)
    assert cluster_of(clusters, cut, study, Failure("nothing of it", "a", "b")) is None
    named = cluster_of(clusters, cut, study, Failure("nothing of it", "a", "b", behavior="other"))
    counts = [sum(clusters.matrix.rows[i].name == "other" for i in c.prompts) for c in cut]
    assert named is cut[int(np.argmax(counts))]


def test_every_command_is_one_that_the_program_takes(made, attacked):
    lines = [line for m in (made, attacked) for s in m.sections for c in blocks(s, Commands) for line in c.lines]
    assert len(lines) >= 7, attacked.missing
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "failure-explorer" and parser().parse_args(words)


def test_the_commands_make_the_same_again(made, study, monkeypatch, tmp_path):
    monkeypatch.chdir(study.folder.parent)
    commands = [shlex.split(blocks(section, Commands)[0].lines[0])[1:] for section in made.sections]
    _, graph, ranking, _ = commands
    without = [word for word in graph[:-2] if word != "--faithfulness"]
    assert main([*without, "--json", str(tmp_path / "graph.json")]) == 0
    ((_, drawn),) = (one.values() for one in json.loads((tmp_path / "graph.json").read_text()))  # --failures: a list
    explanation = explorer.explain(study.failures()["f"], study.spec, record=True)
    story = TracedEdges(load_model(study.spec), explanation).story()
    assert len(drawn["nodes"]) == len(story.drawing.nodes) and len(drawn["links"]) == len(story.drawing.edges)
    assert main([*ranking, "--json", str(tmp_path / "rank.json")]) == 0
    ranked = json.loads((tmp_path / "rank.json").read_text())["datapoints"]
    heads = [row.head for row in blocks(named(made, "Which training"), Words)]
    assert all(row["id"] in head and f"{row['score']:.3f}" in head for row, head in zip(ranked, heads, strict=True))


def test_links_are_the_app_s_and_there_are_none_without_one(made, study):
    address = f"http://localhost:8501/graph?study={study.folder.name}&case=f"
    assert named(made, "Which way").link == address
    assert not any(section.link for section in report(study, "f", judge=False).sections)


def test_what_it_was_made_with_is_told_without_a_path_of_this_machine(made, study):
    facts = {label: text for label, text, _ in made.about.rows}
    assert "60 training examples, sha256 " in facts["Study"] and "torch 2." in facts["Versions"]
    everything = made.html().decode()
    assert str(study.folder.parent) not in everything and str(study.folder) not in everything


def test_stopping_ends_the_work(study):
    def stop(what: str, _done: float = 0, _total: float = 0, /) -> None:
        if what == "Report: Graph":
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        report(study, "f", judge=False, progress=stop)


def test_an_unknown_failure_is_told(study):
    with pytest.raises(ExplorerError, match="no failure 'g'; expected f"):
        report(study, "g")


def test_a_repair_is_in_the_report_of_its_behavior_s_failure(hostile, attacked):
    assert "Repair" in {missing.title for missing in attacked.missing}
    behavior = next(b for b in hostile.behaviors() if b.half == "evaluation")
    case = Failure(behavior.prompt, behavior.bad, behavior.good)
    section = report(hostile, case, judge=False).sections[-1]
    assert section.title.startswith("Is it really these examples")
    (grid, *_) = blocks(section, Grid)
    assert grid.rows[0][0] == "Unedited" and len(grid.rows) == 4


def test_a_damaged_repair_is_passed_over(study, tmp_path):
    folder = study.folder / "repairs" / "broken"
    folder.mkdir(parents=True)
    write_json(folder / "plan.json", {"behavior": "swapped"})
    (folder / "result.json").write_text("{")
    try:
        missing = {m.title: m.why for m in report(study, "f", judge=False).missing}
    finally:
        for path in sorted(study.folder.glob("repairs/**/*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (study.folder / "repairs").rmdir()
    assert missing["Repair"].startswith("No measured repair")
