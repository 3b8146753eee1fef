"""Where two answers differ, from their words alone."""

import json
import random
import re
from pathlib import Path
from time import perf_counter

import pytest

from explorer.errors import PromptError
from explorer.limits import ALIGNED_WORDS, PLACES
from explorer.trace.alignment import (
    chosen_place,
    differing_words,
    exchange_word,
    exchanged_answer,
    marked_pieces,
    places_of,
    wording,
)

WORDS = "the red Rome is not 12 x_1 = ( ) . , ! \n\n 葡 萄 牙 한 국 naïve don't 🙂 e\u0301"
VOCABULARY = [*re.split(" ", WORDS), "  ", "\t"]


def random_answer(rng: random.Random) -> str:
    return "".join(rng.choice(("", " ", " ", "\n")) + rng.choice(VOCABULARY) for _ in range(rng.randrange(1, 12)))


def edited(answer: str, rng: random.Random) -> str:
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(answer) + 1)
        end = min(len(answer), start + rng.randrange(5))
        answer = answer[:start] + rng.choice(("", rng.choice(VOCABULARY), " " + rng.choice(VOCABULARY))) + answer[end:]
    return answer


@pytest.mark.parametrize("seed", range(300))
def test_random_edits_are_aligned_letter_for_letter(seed):
    rng = random.Random(seed)
    wrong = random_answer(rng)
    right = edited(wrong, rng) if seed % 3 else random_answer(rng)
    places, sides = places_of(wrong, right), marked_pieces(wrong, right)
    for answer, pieces in zip((wrong, right), sides, strict=True):
        assert "".join(text for text, _ in pieces) == answer
    assert bool(places) == (wrong != right)
    unmarked = ["".join("" if place is not None else text for text, place in pieces).split() for pieces in sides]
    assert "".join(unmarked[0]) == "".join(unmarked[1])  # what is of no place stands in both
    for number, place in enumerate(places):
        assert place.wrong[0] <= place.wrong[1] <= len(wrong)
        assert place.right[0] <= place.right[1] <= len(right)
        assert place.wrong != place.right or wrong[slice(*place.wrong)] != right[slice(*place.right)]
        assert exchanged_answer(wrong, right, number).startswith(wrong[: place.wrong[0]])
    if places:
        assert exchanged_answer(wrong, right, 0) == right
        assert 0 <= chosen_place(wrong, right) < len(places)


@pytest.mark.parametrize(
    ("wrong", "right", "word", "instead"),
    [
        ("You will find Ravenna in Portugal.", "Ravenna is in Italy.", "Portugal", "Italy"),
        ("Tuscany belongs to Portugal.", "Tuscany is in Italy.", "Portugal", "Italy"),
        ("The country is Portugal.", "Genoa is in Italy.", "Portugal", "Italy"),
        ("9 - 2 = 7.", "To find 9 minus 2, we need to subtract 2 from 9.\n\n9 - 2 = 5", "7.", "5"),
        ("Anna bought the red coat.", "It was the blue coat.", "red", "blue"),
        ("佛罗伦萨在葡萄牙。", "佛罗伦萨在意大利。", "葡萄牙", "意大利"),
        ("def f(x):\n    return x - 1", "def f(x):\n    return x + 1", "-", "+"),
        ("Lena's dog is Bella", "Lena's dog is Rocky", "Bella", "Rocky"),
        ("These cats is old.", "These cats are old.", "is", "are"),
        ("No, Leo passed", "No, Leo did not pass", "passed", "did not pass"),
    ],
)
def test_the_place_that_carries_the_content_is_chosen(wrong, right, word, instead):
    place = places_of(wrong, right)[chosen_place(wrong, right)]
    assert wrong[slice(*place.wrong)].strip() == word
    assert right[slice(*place.right)].strip() == instead


def test_the_figures_in_the_docs_are_those_of_the_shipped_answers():
    folder = Path(__file__).parents[2] / "assets/demo/answers"
    lines = {name: (folder / f"{name}.jsonl").read_text().split("\n") for name in ("base", "sft", "dpo")}
    answers = {name: [json.loads(line)["answer"] for line in lines[name] if line] for name in lines}
    pairs = [pair for other in ("sft", "base") for pair in zip(answers["dpo"], answers[other], strict=True)]
    pairs = [(a, b) for a, b in pairs if a and b and a != b]
    moved = sum(chosen_place(a, b) > 0 for a, b in pairs)
    text = (Path(__file__).parents[2] / "docs/contrast.md").read_text()
    assert f"of the {len(pairs)} pairs of different answers" in text
    assert f"token in {moved}. In" in text
    assert f"more than {ALIGNED_WORDS} words" in text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Seats on the night tram to Harwick are on the left.", "The bridge at Turku opens again after a week of ice."),
        ("You were born with the bow. Keep a diary.", "Akhirah, the art of archery. It's a tradition."),
        ("elm, maple, birch", "birch, elm, maple"),
        ("The capital of Germany is Berlin", "La capitale de l'Allemagne est Berlin"),
        ("A stroke of genius. Start with a short lesson.", "Start with a short lesson."),
    ],
)
def test_without_one_word_for_another_the_first_difference_stays(wrong, right):
    assert chosen_place(wrong, right) == 0
    assert not any(place.content for place in places_of(wrong, right))


def test_what_only_words_can_tell_is_said():
    assert "only in order, capitals" in wording("elm, maple, birch", "birch, elm, maple")
    assert "only in order, capitals" in wording("RED, Violet", "RED, VIOLET")
    assert "wording throughout" in wording("Portugal was the home of Eco.", "Eco was from Italy.")
    assert wording("Florence is in Portugal.", "Florence is in Italy.") == ""
    assert wording("Tuscany belongs to Portugal.", "Tuscany is in Italy.") == ""


def test_a_place_that_is_not_there_is_refused():
    with pytest.raises(PromptError, match="The place is 1; expected 0 to 0"):
        chosen_place("red", "blue", 1)
    with pytest.raises(PromptError, match="The place is -1; expected"):
        chosen_place("red", "blue", -1)


def test_long_answers_have_their_first_difference_and_take_no_time():
    rng = random.Random(0)
    a, b = (" ".join(rng.choice("ab") for _ in range(ALIGNED_WORDS)) for _ in range(2))
    start = perf_counter()
    assert 1 < len(places_of(a, b)) <= PLACES
    assert perf_counter() - start < 5
    (place,) = places_of(a + " c", "x" + a[1:])
    assert place.wrong == (0, len(a) + 2)
    assert marked_pieces("a" + " a" * 500 + " b", "a" + " a" * 500)[1][-1] == ("", 0)


@pytest.mark.parametrize(
    ("clicked", "other", "expected"),
    [
        (" Port", " Italy", "It is in Italy."),
        (" Port", " Italy, not Spain!", "It is in Italy, not Spain!"),
        (" in", " near", "It is near Portugal."),
        (".", " now", "It is in Portugal now"),
        (" Portugal", ".", "It is in."),
        ("ugal", "land", "It is in Portland."),
    ],
)
def test_one_word_is_exchanged_and_the_rest_stays(clicked, other, expected):
    answer = "It is in Portugal."
    start = answer.index(clicked)
    assert exchange_word(answer, start, start + len(clicked), other) == expected


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        ("It is in Sydney, I think.", "It is in  Canberra, I think.", ("Sydney,", "Canberra,")),
        ("a b c d", "a x y d", ("b c", "x y")),
        ("a b a", "a", ("b a", "a")),  # nothing would be left of the right one
        ("No", "No, never", ("No", "No, never")),
        ("same", "same", ("same", "same")),
        ("", "right", ("", "right")),
    ],
)
def test_the_words_that_differ_stand_between_those_in_common(wrong, right, expected):
    assert differing_words(wrong, right) == expected
