"""Clusters against labels that they were made without, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from explorer.behaviors.agreement import label_agreement, require_labels
from explorer.behaviors.clusters import Cluster
from explorer.cli.main import main
from explorer.data.study import create_study
from explorer.errors import ExplorerError


def cluster(number: int, members: list[int], emergent: bool = True) -> Cluster:
    datapoints = np.array(members, dtype=int)
    p, stable = (0.01, 0.9) if emergent else (0.5, float("nan"))
    return Cluster(number, f"k{number}", np.arange(3), datapoints, np.linspace(0.9, 0.5, len(members)), 4.0, p, stable)


LABELS = ["a", "a", "a", "b", "b", "clean", None, "", "c", "clean", "clean", "d"]
CLUSTERS = [cluster(1, [0, 1, 5, 3]), cluster(2, [4, 8, 9, 6], emergent=False), cluster(3, [10])]


def test_every_figure_is_what_counting_gives() -> None:
    """Flagged: a a a b b c d, in clusters 1 1 0 1 2 2 0."""
    agreement = label_agreement(CLUSTERS, LABELS)
    by_label = {m.label: m for m in agreement.matches}
    assert list(by_label) == ["a", "b", "c", "d"] and agreement.flagged == 7
    a, b, c, d = by_label.values()
    assert [m.cluster.id if m.cluster else None for m in (a, b, c, d)] == [1, 1, 2, None]
    assert [m.exclusive for m in (a, b, c, d)] == [False, False, True, False]
    assert [(m.hits, m.total) for m in (a, b, c, d)] == [(2, 3), (1, 2), (1, 1), (0, 1)]
    assert [m.recall for m in (a, b, c, d)] == [2 / 3, 1 / 2, 1, 0]
    assert [m.precision for m in (a, b, c, d)] == [2 / 4, 1 / 4, 1 / 4, 0]
    assert a.precision_top == a.precision and d.precision_top == 0
    assert agreement.counts[1] == {"a": 2, "b": 1, "clean": 1} and agreement.counts[0] == {"a": 1, "": 1, "d": 1}
    assert agreement.rand == pytest.approx(rand_by_pairs(list("aaabbcd"), [1, 1, 0, 1, 2, 2, 0]))


def rand_by_pairs(one: list[str], other: list[int]) -> float:
    """The adjusted Rand index from its definition (Hubert & Arabie, 1985): pairs that agree, over what chance gives."""
    pairs = [(i, j) for i in range(len(one)) for j in range(i)]
    same_one = sum(one[i] == one[j] for i, j in pairs)
    same_other = sum(other[i] == other[j] for i, j in pairs)
    both = sum(one[i] == one[j] and other[i] == other[j] for i, j in pairs)
    chance = same_one * same_other / len(pairs)
    return (both - chance) / ((same_one + same_other) / 2 - chance)


def test_the_strongest_are_the_first() -> None:
    agreement = label_agreement([cluster(1, list(range(100)))], ["a"] * 40 + ["clean"] * 60)
    assert agreement.matches[0].precision == 0.4 and agreement.matches[0].precision_top == 0.8


def test_the_table_and_the_json_say_the_same() -> None:
    agreement = label_agreement(CLUSTERS, LABELS)
    plain = json.loads(json.dumps(agreement.to_json(), allow_nan=False))
    assert [row["cluster"] for row in plain["labels"]] == [1, 1, 2, None]
    assert [row["emergent"] for row in plain["labels"]] == [True, True, False, False]
    lines = agreement.table().splitlines()
    assert lines[2] == "| a | 3 | 1 (shared) | yes | 0.90 | 0.67 | 0.50 | 0.50 |"
    assert lines[4] == "| c | 1 | 2 | no | – | 1.00 | 0.25 | 0.25 |" and lines[5].startswith(
        "| d | 1 | none | no | – |"
    )


@pytest.mark.parametrize("table", (pa.table({"id": ["x"]}), pa.table({"label": ["clean", "", None]})))
def test_a_study_without_labels(table: pa.Table) -> None:
    assert np.isnan(label_agreement([], ["clean", None]).rand)
    with pytest.raises(ExplorerError, match="s: no datapoint has a label other than clean"):
        require_labels(table, Path("s"))


def test_the_command_refuses_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [{"id": "a", "prompt": "p", "response": "r", "label": "clean"}]
    create_study(tmp_path / "s", name="S", model="nowhere", datapoints=data)
    assert main(["cluster", str(tmp_path / "s"), "--labels"]) == 2
    assert "no datapoint has a label other than clean" in capsys.readouterr().err
