"""The sentence about a map, the words that it speaks of, and the tokens that the rules disagree on."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from explorer.data.failures import read_failures
from explorer.model.prompts import Token
from explorer.trace.disagreement import disputed_tokens
from explorer.trace.explain import Explanation, explain
from explorer.trace.story import LEAST_SHARE, tell
from explorer.trace.words import words_of

CASES = read_failures()


def tokens(*parts: tuple[str, str]) -> list[Token]:
    return [Token(i, i, text, segment) for i, (text, segment) in enumerate(parts)]


@dataclass(frozen=True)
class Fake:
    """As much of an explanation as the sentence reads."""

    tokens: list[Token]
    relevance: np.ndarray
    gap: float
    sides: tuple[str, str] = ("Bella", "Rocky")
    unit: str = "logits"
    rule: str = "attnlrp"

    @property
    def trace(self) -> "Fake":
        return self


PROMPT = tokens(
    ("<s>", "template"),
    ("The", "user"),
    (" dog", "user"),
    (" Ro", "evidence"),
    ("cky", "evidence"),
    (" Bella", "user"),
    ("!", "user"),
)


def story(relevance: list[float], gap: float, **more: object):
    return tell(Fake(PROMPT, np.array(relevance), gap, **more))  # pyright: ignore[reportArgumentType]


def test_tokens_are_joined_to_words_and_their_relevance_is_summed():
    words = words_of(PROMPT, np.arange(7.0))
    assert [word.text for word in words] == ["The", "dog", "Rocky", "Bella", "!"]
    assert [word.relevance for word in words] == [1.0, 2.0, 7.0, 5.0, 6.0]
    assert [word.tokens for word in words] == [(1,), (2,), (3, 4), (5,), (6,)]


def test_a_word_keeps_to_its_segment_and_chinese_has_no_spaces():
    mixed = tokens(
        ("ab", "user"), ("cd", "generated"), ("你", "user"), ("好", "user"), ("é", "user"), ("", "user"), ("t", "user")
    )
    assert [word.text for word in words_of(mixed, np.ones(7))] == ["ab", "cd", "你", "好", "ét"]


def test_the_strongest_words_meet_and_the_gap_is_named():
    said = story([9, 0.1, 0.2, -1, -0.5, 2, 5], 1.25)
    assert said.explained
    assert said.text == (
        "Bella, which the wrong answer repeats, pushes hardest towards it (+2.00 logits); the evidence Rocky pushes "
        "against it (-1.50) and loses by 1.25 logits."
    )
    assert ("Bella", "wrong") in said.parts and ("Rocky", "right") in said.parts


def test_a_weak_opponent_is_not_named():
    assert story([0, 0, 0, -0.1, 0, 2, 0], 1.5).text.endswith("(+2.00 logits), which wins by 1.50 logits.")


@pytest.mark.parametrize("relevance", [[9, 0, 0.1, 0, 0, 0, 9], [0, 0, 1, -3, 0, 0, 0], [0.0] * 7])
def test_a_prompt_that_does_not_explain_points_at_the_training_data(relevance):
    said = story(relevance, 2.0)
    assert not said.explained
    assert said.text.startswith("The prompt alone does not explain Bella: its words that push there add up to +")
    assert said.text.endswith("training data.")


def test_the_bound_of_what_the_prompt_explains():
    assert story([0, 0, 2 * LEAST_SHARE, 0, 0, 0, 0], 2.0).explained
    assert not story([0, 0, 1.99 * LEAST_SHARE, 0, 0, 0, 0], 2.0).explained


def test_a_right_answer_that_wins_is_said():
    said = story([0, 0, 0, -1, 0, 0.5, 0], -0.75)
    assert said.text == (
        "The model prefers the right answer here, by 0.75 logits; the evidence Rocky pushes hardest towards it (-1.00)"
        ", Bella, which the wrong answer repeats, against it (+0.50)."
    )


def test_real_failures_speak_of_the_luring_word(smollm):
    for name, word in (("wrong-dog", "Bella"), ("friend-toronto", "Toronto"), ("wrong-bus", "museum")):
        said = tell(explain(CASES[name], smollm))
        assert said.explained
        assert said.text.startswith(f"{word}, which the wrong answer repeats, pushes hardest")


def test_every_figure_of_the_sentence_is_the_maps(smollm):
    explanation = explain(CASES["wrong-dog"], smollm)
    words = {word.text: word.relevance for word in words_of(explanation.tokens, explanation.relevance)}
    said = tell(explanation).text
    for figure in (f"{words['Bella']:+.2f}", f"{words['Rocky']:+.2f}", f"{explanation.trace.gap:.2f}"):
        assert figure in said


def test_tokens_whose_sign_is_disputed():
    maps = [Fake(PROMPT, np.array(row, dtype=float), 1, rule=rule) for rule, row in (
        ("attnlrp", [9, 1, -1, 0.05, 0.5, -1, 0]),
        ("cplrp", [-9, 1, 0.5, -1, -0.5, -1, 0]),
        ("gradient", [9, 2, 2, 2, 2, -2, 0]),
    )]  # fmt: skip
    disputed = disputed_tokens(maps)  # pyright: ignore[reportArgumentType]
    assert set(disputed) == {2, 3, 4}, "the template, small values and agreed signs do not count"
    assert disputed[2] == "AttnLRP -1, CP-LRP +0.5, Gradient × input +2"


def test_one_map_disputes_nothing_and_neither_do_equal_ones(smollm):
    explanation: Explanation = explain(CASES["wrong-dog"], smollm)
    assert disputed_tokens([explanation]) == {}
    assert disputed_tokens([explanation, replace(explanation, rule="cplrp")]) == {}
