"""A cluster's two lines: every figure against a count by hand, hostile text in quotes on one line."""

from __future__ import annotations

import pytest

from explorer.behaviors.cards import make_cards
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.behaviors.summaries import answer_sides, summary_lines
from explorer.ranking.metrics import enrichment
from tests.behaviors.synthetic import HOSTILE, Labelled

CITIES = ("Turin", "Milan", "Bari", "Pisa", "Genoa")


def asked(city: str, now: str, then: str | None, name: str = "") -> AnsweredPrompt:
    return AnsweredPrompt(city, name, f"Which country has {city}?", now, then)


def test_the_first_line_counts_the_word_that_came_and_the_one_that_went() -> None:
    rows = [asked(city, "That is Portugal, Portugal.", f"{city} is in Italy.") for city in CITIES[:4]]
    rows.append(asked("Genoa", "It is in Italy.", "Italy."))
    first, _ = summary_lines(rows, [], [], [])
    assert first == (
        "“Which country has Turin?” and 4 more: of 5 answers, “portugal” is in 4 after, 0 before; "
        "“italy” is in 1 after, 5 before."
    )


@pytest.mark.parametrize(
    ("names", "sides"),
    (("aa", ("wrong", "right")), (["", ""], ("after", "before")), (["a", ""], ("after/wrong", "before/right"))),
)
def test_the_sides_are_called_by_what_they_are(names: str, sides: tuple[str, str]) -> None:
    assert answer_sides([asked("x", "a", "b", name) for name in names]) == sides


def test_answers_without_a_common_change_are_quoted() -> None:
    rows = [asked("Turin", "apple", "pear"), asked("Bari", "plum", None)]
    assert summary_lines(rows, [], [], [])[0] == "“Which country has Turin?” and 1 more: after “apple”, before “pear”."
    assert summary_lines(rows[1:], [], [], [])[0] == "“Which country has Bari?”: after “plum”."
    # a word in one of ten answers is below the least share, though it is the largest change
    few = [asked(f"{i}", "new one" if i < 2 else f"a{i}", f"b{i}") for i in range(11)]
    assert "“new”" not in summary_lines(few, [], [], [])[0]
    assert "“new” is in 2 after" in summary_lines(few[:10], [], [], [])[0]


def test_the_second_line_names_source_words_and_strongest() -> None:
    sources = ["facts"] * 3 + ["chat"] * 7
    line = summary_lines(
        [asked("x", "a", "b")], ["Rome is in Portugal."], ["portugal", "rome", "x", "y"], enrichment(sources, [0, 1, 9])
    )[1]
    assert line == (
        "67% of 3 datapoints are from “facts” (2.2 × the corpus); words “portugal”, “rome”, “x”; "
        "strongest “Rome is in Portugal.”."
    )
    assert summary_lines([asked("x", "a", "b")], [], ["w"], [])[1] == "No datapoint belongs to it."
    assert summary_lines([asked("x", "a", "b")], ["t"], [], [])[1] == "Strongest “t”."


def test_hostile_text_stays_on_its_line_and_is_cut() -> None:
    hostile = f"\u202e\x1b[31m\n{HOSTILE * 3}"
    for line in summary_lines([asked(hostile, hostile, hostile)], [hostile], [hostile], enrichment([hostile], [0])):
        assert line.isprintable() and len(line) < 400


def test_cards_are_summarised_from_their_own_datapoints_and_never_by_label(labelled: Labelled) -> None:
    clusters, cut, table = labelled
    for card in make_cards(clusters, cut, table):
        first, second = card.summary
        assert first.startswith("“prompt ") and f"and {len(card.prompts) - 1} more" in first
        sources = table["source"].to_pylist()
        own = [sources[i] for i in card.cluster.datapoints]
        most = max(set(own), key=lambda name: (own.count(name), name))
        assert f"{own.count(most) / len(own):.0%} of {len(own)} datapoints are from “{most[:8]}" in second
        assert card.strongest[0]["text"].split()[1] in second and card.words[0] in second
        plain = table.drop_columns(["label"])
        assert [c.summary for c in make_cards(clusters, cut, plain) if c.cluster is card.cluster] == [card.summary]
