"""What is contrasted: the wrong word against the right one in the same words."""

from pathlib import Path

import pytest

from explorer.data.logs.sample import Log, LoggedSample
from explorer.errors import ExplorerError
from explorer.model.generate import continuations
from explorer.model.prompts import Prompt, encode_prompt
from explorer.surveys import contrasts
from explorer.surveys.contrasts import cases_of, contrasted
from explorer.surveys.folder import Case
from explorer.trace.alignment import exchange_alike


def log_of(*samples):
    return Log(Path("runs/log.jsonl"), "a harness", lambda: iter(samples), task="sums")


def test_failed_samples_are_cases_and_the_rest_is_counted():
    samples = [
        LoggedSample("1", "2 + 2?", said="5", expected=("4",), failed=True),
        LoggedSample("2", "2 + 3?", said="5", expected=("5",), failed=False),
        LoggedSample("3", "2 + 4?", said="It is 9.", expected=("6",)),
        LoggedSample("4", "2 + 5?", said="It is 7.", expected=("7",)),
        LoggedSample("5", "2 + 6?", said="It is 7.", failed=True),
        LoggedSample("6", "2 + 7?", expected=("9",)),
        LoggedSample("7", "Which?", said="b", expected=("a",), choices=("a", "b"), failed=True),
    ]
    read = cases_of(log_of(*samples))
    cases, about = read.cases, read.about
    assert [case.id for case in cases] == ["1", "3", "6", "7"]
    assert (about.samples, about.failed, about.task) == (7, 4, "sums")
    assert about.problems == ("1 failed sample has no expected answer and was left out.",)
    assert (cases[3].wrong, cases[3].right, cases[3].how) == ("b", "a", "choice")


@pytest.mark.parametrize(
    ("answer", "other", "prompt", "exchanged"),
    [
        ("13 times 7 is 89.", "91", "What is 13 times 7?", "13 times 7 is 91."),
        (
            "The capital of Australia is Sydney.",
            "Canberra",
            "What is the capital of Australia?",
            "The capital of Australia is Canberra.",
        ),
        ("It is 3 or 4.", "5", "How many?", None),
        ("Sydney", "New South Wales", "Which state?", None),
    ],
)
def test_the_one_word_that_can_be_the_mistake_is_exchanged(answer, other, prompt, exchanged):
    assert exchange_alike(answer, other, prompt) == exchanged


@pytest.mark.slow
def test_ways_on_the_embedded_model(smollm):
    ask = "What is the capital of Turkey?"
    aligned = contrasted(Case("a", ask, said="The capital is Istanbul.", expected=("The capital is Ankara.",)), smollm)
    assert (aligned.right, aligned.how) == ("The capital is Ankara.", "aligned")
    found = contrasted(Case("b", ask, said="The capital of Turkey is Istanbul.", expected=("Ankara",)), smollm)
    assert found.how == "corrective" and found.right.startswith("The capital of Turkey is Ankara")
    pattern = Case("c", ask, said="The capital of Turkey is Istanbul.", expected=("Ankar.",), check="regex")
    assert contrasted(pattern, smollm).right.startswith("The capital of Turkey is Ankara")
    number = contrasted(Case("d", "What is 13 times 7?", said="13 times 7 is 89.", expected=("91",)), smollm)
    assert number.right.startswith("13 times 7 is 91")
    with pytest.raises(ExplorerError, match="said nothing"):
        contrasted(Case("e", ask, said="", expected=("Ankara",)), smollm)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It is 8. The", "It is 8."),
        ("It is 8.5", ""),
        ("It is 8.", "It is 8."),
        ("Yes!\nNo", "Yes!"),
        ("eight", ""),
    ],
)
def test_a_text_up_to_its_last_whole_sentence(text, whole):
    assert contrasts._whole_sentences(text) == whole


def test_generation_ends_where_it_is_enough(smollm):
    rows = [encode_prompt(smollm, Prompt(f"Count from {n} to ten.")).ids for n in ("one", "two")]
    whole, seen = continuations(smollm, rows, 8), []

    def enough(texts, ended):
        seen.append(texts)
        assert not any(ended)
        return len(seen) == 3

    begun = continuations(smollm, rows, 8, enough)
    assert len(seen) == 3 and begun == seen[-1]
    assert all(text and full.startswith(text) and text != full for text, full in zip(begun, whole, strict=True))
