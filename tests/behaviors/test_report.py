"""Clusters in writing: CSV with every datapoint, JSON with every card."""

from __future__ import annotations

import csv
import io
import json

import numpy as np

from explorer.behaviors.agreement import label_agreement
from explorer.behaviors.cards import annotated, make_cards
from explorer.behaviors.matrix_view import Window, order_matrix
from explorer.behaviors.notes import Note
from explorer.behaviors.report import assignment_csv, heading, summary, to_json
from explorer.behaviors.selection import cards_within, select
from tests.behaviors.synthetic import HOSTILE, Labelled


def test_the_csv_has_a_line_for_every_datapoint(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    notes = {cut[0].key: Note("=flattery", HOSTILE, "bad")}
    cards = annotated(make_cards(clusters, cut, table), notes)
    rows = list(csv.DictReader(io.StringIO(assignment_csv(cards, table))))
    assert [row["id"] for row in rows] == [f"'={i}" for i in range(200)]  # no spreadsheet runs an id
    by_row = {i: c for c in cut for i in c.datapoints.tolist()}
    assert [row["cluster"] for row in rows] == [str(by_row[i].id) if i in by_row else "" for i in range(200)]
    assert rows[int(cut[0].datapoints[0])]["emergent"] == str(cut[0].emergent).lower()
    for i, row in enumerate(rows):
        named = ["'=flattery", "bad", HOSTILE] if by_row.get(i) is cut[0] else ["", "", ""]
        assert [row["name"], row["tag"], row["note"]] == named
    chosen = np.arange(200) % 7 == 3
    some = list(csv.DictReader(io.StringIO(assignment_csv(cards, table, chosen))))
    assert some == [row for row, wanted in zip(rows, chosen, strict=True) if wanted]
    assert assignment_csv(cards, table, ~chosen & chosen).count("\n") == 1  # the head alone


def test_the_json_is_plain_and_counts_every_datapoint(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    agreement = label_agreement(cut, table["label"].to_pylist())
    cards = make_cards(clusters, cut, table)
    plain = json.loads(json.dumps(to_json(clusters, cut, cards, agreement), allow_nan=False))
    assert sum(len(c["datapoints"]) for c in plain["clusters"]) + plain["unassigned"] == 200
    assert plain["agreement"] == json.loads(json.dumps(agreement.to_json())) and plain["note"] == summary(clusters, cut)
    assert not {"agreement", "selected"} & to_json(clusters, cut, cards).keys()
    assert {c["name"] for c in plain["clusters"]} == {""} and all(len(c["summary"]) == 2 for c in plain["clusters"])


def test_the_json_of_what_is_on_screen(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    cards = annotated(make_cards(clusters, cut, table), {cut[-1].key: Note("arithmetic", "sums", "wanted")})
    selection = select(order_matrix(clusters), 200, Window((0, 15), (0, 120)), None, None)
    kept = cards_within(cards, selection, clusters.matrix.rows, table)
    plain = to_json(clusters, cut, kept, selection=selection)
    assert [c["key"] for c in plain["clusters"]] == [card.cluster.key for card in kept] and len(kept) < len(cards)
    assert plain["selected"] == {"prompts": 15, "datapoints": 120}
    assert plain["note"].endswith("Selected: 120 of 200 datapoints and 15 of 30 prompts.")
    assert plain["unassigned"] == to_json(clusters, cut, cards)["unassigned"]  # of the study, not of the screen
    last = to_json(clusters, cut, cards)["clusters"][-1]
    assert (last["name"], last["note"], last["tag"]) == ("arithmetic", "sums", "wanted")
    assert heading("S", clusters) == f"Behaviors of S: {summary(clusters, cut).split('. ')[0]}"
