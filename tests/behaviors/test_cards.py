"""Cards on planted groups made by hand."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from explorer.behaviors.cards import distinctive_words, make_cards
from tests.behaviors.synthetic import HOSTILE, TALK, Labelled


def test_a_card_says_what_a_cluster_is_about(labelled: Labelled) -> None:
    cards = make_cards(*labelled)
    assert [card.cluster for card in cards] == labelled.cut
    emergent = [card for card in cards if card.cluster.emergent]
    assert len(emergent) == 3
    for card in emergent:
        label, source = card.labels[0].source, card.sources[0].source
        talk = TALK[" abc".index(label)]
        assert source == f"source {' abc'.index(label)} {HOSTILE}" and card.labels[0].lift > 4
        assert any(word in talk for word in card.words[:4])
        assert not any("alert" in word or word.startswith("say") for word in card.words[:2])
        assert [row["similarity"] for row in card.strongest] == pytest.approx(card.cluster.similarities[:10].tolist())
        assert card.strongest[0]["text"].startswith("say ") and card.strongest[0]["label"] == label
        assert [p.id for p in card.prompts] == [f"s{i}" for i in card.cluster.prompts]
        assert card.verdict.startswith("Emergent: ") and f"p = {card.cluster.null_p:.2g}" in card.verdict
        assert card.verdict.endswith("The answers tell whether it is wanted.")


def test_the_dictionary_is_json_with_every_datapoint(labelled: Labelled) -> None:
    for card in make_cards(*labelled):
        plain = json.loads(json.dumps(card.to_json(), allow_nan=False))
        assert {"id", "behaviors", "datapoints", "words", "sources", "labels", "null_p", "stability"} <= plain.keys()
        assert [d["id"] for d in plain["datapoints"]] == [f"={i}" for i in card.cluster.datapoints]
        assert plain["behaviors"][0].keys() == {"id", "name", "prompt", "system", "raw", "answer", "other"}


def test_verdicts_name_what_is_missing(labelled: Labelled) -> None:
    clusters, _, table = labelled
    for count in (3, 12, 25):
        for card in make_cards(clusters, clusters.cut(count), table):
            c, verdict = card.cluster, card.verdict
            if len(c.prompts) < 3:
                assert verdict == "Not tested: it has fewer than 3 prompts."
            elif c.emergent:
                assert verdict.startswith("Emergent")
            elif c.null_p > 0.05:
                assert "corpora without structure often show as much" in verdict
            elif len(c.datapoints):
                assert "(60% needed)" in verdict


def test_words_of_datapoints_without_any(labelled: Labelled) -> None:
    _, cut, table = labelled
    empty = table.set_column(1, "prompt", pa.array(["?"] * 200)).set_column(2, "response", pa.array(["!"] * 200))
    assert distinctive_words(cut, empty) == [()] * len(cut)
