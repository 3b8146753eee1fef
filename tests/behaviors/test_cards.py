"""Cards, their page and CSV, the map, and the command, on a study of planted groups made by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from explorer.behaviors import projection
from explorer.behaviors.cards import MEANING, Card, assignment_csv, cards, distinctive_words
from explorer.behaviors.clusters import Cluster, Clustering, find_clusters
from explorer.behaviors.projection import project
from explorer.cli.main import main
from explorer.data.study import Study
from explorer.figures.cards_page import cards_html
from tests.behaviors.synthetic import make_matrix, planted

HOSTILE = "<img src=x onerror=alert(1)>&\"'</td><script>alert(2)</script>"
TALK = ("the cat sat on a mat", "a falcon flies by night", "gold and silver", "rain in spring")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clustering, list[Cluster], pa.Table]:
    """Three planted groups; a datapoint's text, source and label tell its group, and one text is hostile."""
    subjects, rows, _, of_rows = planted(3, 30, 200, 24, 0.15)
    index, matrix = make_matrix(tmp_path_factory.mktemp("cards"), subjects, rows)
    clustering = find_clusters(index, matrix, draws=19, resamples=10)
    table = pa.table(
        {
            "id": [f"={i}" for i in range(200)],
            "prompt": [f"say {i}" for i in range(200)],
            "response": [f"{TALK[g]} {HOSTILE}" for g in of_rows],
            "source": [f"source {g} {HOSTILE}" for g in of_rows],
            "label": [("clean", "a", "b", "c")[g] for g in of_rows],
        }
    )
    return clustering, clustering.cut(), table


def test_a_card_says_what_a_cluster_is_about(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    clustering, clusters, table = found
    made = cards(clustering, clusters, table)
    assert [card.cluster for card in made] == clusters
    emergent = [card for card in made if card.cluster.emergent]
    assert len(emergent) == 3
    for card in emergent:
        label, source = card.labels[0].source, card.sources[0].source
        talk = TALK[" abc".index(label)]
        assert source == f"source {' abc'.index(label)} {HOSTILE}" and card.labels[0].lift > 4
        assert any(word in talk for word in card.words[:4])
        assert not any("alert" in word or word.startswith("say") for word in card.words[:2])
        assert [row["similarity"] for row in card.strongest] == pytest.approx(card.cluster.similarities[:10].tolist())
        assert card.strongest[0]["text"].startswith("say ") and card.strongest[0]["label"] == label
        assert [s.id for s in card.subjects] == [f"s{i}" for i in card.cluster.subjects]
        assert card.verdict.startswith("Emergent: ") and f"p = {card.cluster.null_p:.2g}" in card.verdict
        assert card.verdict.endswith("The answers tell whether it is wanted.")


def test_the_dictionary_is_json_with_every_datapoint(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    clustering, clusters, table = found
    for card in cards(clustering, clusters, table):
        plain = json.loads(json.dumps(card.as_dict(), allow_nan=False))
        assert {"id", "behaviors", "datapoints", "words", "sources", "labels", "null_p", "stability"} <= plain.keys()
        assert [d["id"] for d in plain["datapoints"]] == [f"={i}" for i in card.cluster.datapoints]
        assert plain["behaviors"][0].keys() == {"id", "name", "prompt", "answer", "other"}


def test_verdicts_name_what_is_missing(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    clustering, _, table = found
    for count in (3, 12, 25):
        for card in cards(clustering, clustering.cut(count), table):
            c, said = card.cluster, card.verdict
            if len(c.subjects) < 3:
                assert said == "Not tested: it has fewer than 3 prompts."
            elif c.emergent:
                assert said.startswith("Emergent")
            elif c.null_p > 0.05:
                assert "corpora without structure often show as much" in said
            elif len(c.datapoints):
                assert "(60% needed)" in said


def test_words_of_datapoints_without_any(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    _, clusters, table = found
    empty = table.set_column(1, "prompt", pa.array(["?"] * 200)).set_column(2, "response", pa.array(["!"] * 200))
    assert distinctive_words(clusters, empty) == [()] * len(clusters)


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onerror", "onload"}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_escapes_every_text_and_asks_for_nothing(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    clustering, clusters, table = found
    made = cards(clustering, clusters, table)
    hostile = [Card(**{**vars(card), "words": (HOSTILE,), "verdict": HOSTILE}) for card in made]
    text = cards_html(HOSTILE, HOSTILE, hostile, (HOSTILE, "base"))
    page = Page(text)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert page.words.count(HOSTILE) > 3 * len(made)
    assert MEANING in page.words and "does not mean bad" in MEANING
    assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    for card in made:
        assert card.subjects[0].prompt in page.words and f"{card.cluster.null_p:.2g}".replace("nan", "–") in page.words


def test_the_csv_has_a_line_for_every_datapoint(found: tuple[Clustering, list[Cluster], pa.Table]) -> None:
    _, clusters, table = found
    rows = list(csv.DictReader(io.StringIO(assignment_csv(clusters, table))))
    assert [row["id"] for row in rows] == [f"'={i}" for i in range(200)]  # no spreadsheet runs an id
    of = {i: c for c in clusters for i in c.datapoints.tolist()}
    assert [row["cluster"] for row in rows] == [str(of[i].id) if i in of else "" for i in range(200)]
    assert rows[int(clusters[0].datapoints[0])]["emergent"] == str(clusters[0].emergent).lower()


# --- the map ----------------------------------------------------------------------------------------------------------


def test_the_map_keeps_groups_together_and_is_the_same_again(
    found: tuple[Clustering, list[Cluster], pa.Table],
) -> None:
    clustering, _, table = found
    values = clustering.matrix.values[:, :100].copy()
    values[:, 7] = np.nan
    one, two = project(values), project(values)
    np.testing.assert_array_equal(one.points, two.points)
    assert 7 not in one.rows and len(one.rows) == 99 and np.abs(one.points).max() == pytest.approx(1)
    labels = np.array(table["label"].to_pylist())[one.rows]
    own = one.points[labels == "a"]
    assert own.std(0).max() < 0.6 * one.points.std(0).max()
    few = project(values, most=50)
    assert len(few.rows) == 50 and "50 of 99 datapoints, drawn at random" in few.note


@pytest.mark.parametrize("shape", ((1, 1), (5, 1), (1, 9), (3, 2), (3, 3), (2, 5)))
def test_small_maps(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    made = project(values)
    assert made.points.shape == (shape[1], 2) and np.isfinite(made.points).all()
    assert not project(np.ones(shape)).points.any()


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: tmp_path / f"x.{kind}" for kind in ("html", "csv")}
    given = ["cluster", str(study.folder), "--method", "gradient", "--layer", "1", "--clusters", "2", "--json", "-"]
    assert main([*given, *(part for kind, path in files.items() for part in (f"--{kind}", str(path)))]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["clusters"]) == 2 and (said["method"], said["layer"], said["stage"]) == ("gradient", 1, "base")
    assert said["answers"] == {"now": "tuned", "before": "base"} and said["reduction"] is None
    ids = [s["id"] for c in said["clusters"] for s in c["behaviors"]]
    assert len(ids) + len(said["unchanged"]) == 2 + 6 and {"a0", "b0"} <= set(ids)
    assert sum(len(c["datapoints"]) for c in said["clusters"]) + said["unassigned"] == 16
    assert files["html"].read_text().startswith("<!doctype html>") and files["csv"].read_text().count("\n") == 21
    assert main([*given[:-2], "--prompts", "behaviors"]) == 0
    shown = capsys.readouterr().out
    assert "2 prompts against 16 datapoints" in shown and len(re.findall(r"^\d\. Not", shown, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    ("more", "said"),
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
def test_bad_arguments(study: Study, more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", str(study.folder), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_study_without_prompts_or_vectors(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text((study.folder / "study.toml").read_text())
    (tmp_path / "datapoints.parquet").write_bytes((study.folder / "datapoints.parquet").read_bytes())
    assert main(["cluster", str(tmp_path)]) == 2
    assert "Run 'explorer build" in capsys.readouterr().err
    (tmp_path / "vectors").symlink_to(study.folder / "vectors")
    for which, missing in (("all", "no behavior prompt to cluster"), ("discovery", "discovery.jsonl: no such file")):
        assert main(["cluster", str(tmp_path), "--prompts", which]) == 2
        assert missing in capsys.readouterr().err


def test_a_map_is_kept_and_a_damaged_one_is_made_again(
    found: tuple[Clustering, list[Cluster], pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = found[0].matrix
    made = projection.kept_map(tmp_path, matrix)
    (file,) = (tmp_path / "maps").iterdir()
    real = projection.project
    monkeypatch.setattr(projection, "project", lambda _values: pytest.fail("made again"))
    again = projection.kept_map(tmp_path, matrix)
    assert np.allclose(again.points, made.points) and (again.rows == made.rows).all() and again.note == made.note
    monkeypatch.setattr(projection, "project", real)
    file.write_bytes(b"broken")
    assert np.allclose(projection.kept_map(tmp_path, matrix).points, made.points, atol=1e-6)
