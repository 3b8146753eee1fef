"""Clusters in writing: CSV with every datapoint, JSON with every card."""

from __future__ import annotations

import csv
import io
import json

from explorer.behaviors.agreement import label_agreement
from explorer.behaviors.cards import make_cards
from explorer.behaviors.report import assignment_csv, summary, to_json
from tests.behaviors.synthetic import Labelled


def test_the_csv_has_a_line_for_every_datapoint(labelled: Labelled) -> None:
    _, cut, table = labelled
    rows = list(csv.DictReader(io.StringIO(assignment_csv(cut, table))))
    assert [row["id"] for row in rows] == [f"'={i}" for i in range(200)]  # no spreadsheet runs an id
    by_row = {i: c for c in cut for i in c.datapoints.tolist()}
    assert [row["cluster"] for row in rows] == [str(by_row[i].id) if i in by_row else "" for i in range(200)]
    assert rows[int(cut[0].datapoints[0])]["emergent"] == str(cut[0].emergent).lower()


def test_the_json_is_plain_and_counts_every_datapoint(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    agreement = label_agreement(cut, table["label"].to_pylist())
    cards = make_cards(clusters, cut, table)
    plain = json.loads(json.dumps(to_json(clusters, cards, agreement), allow_nan=False))
    assert sum(len(c["datapoints"]) for c in plain["clusters"]) + plain["unassigned"] == 200
    assert plain["agreement"] == json.loads(json.dumps(agreement.to_json())) and plain["note"] == summary(clusters, cut)
    assert "agreement" not in to_json(clusters, cards)
