"""Maps by models with different tokenizers, against a reference that goes letter by letter."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from explorer.data.failures import Failure
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.prompts import Token
from explorer.trace.compare import (
    ModelReading,
    Prediction,
    comparison_json,
    comparison_table,
    contrasted_sentence,
)
from explorer.trace.explain import Explanation, explain
from explorer.trace.side_by_side import changes_from_first, relevance_change, side_by_side
from explorer.trace.words import TEMPLATE, common_words
from tests.model.families import tiny_model

LETTERS = sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!'\n "))
FAILURE = Failure("Which country is it that's in 3.14, Florence?", "It is Portugal.", "It is Poland.")


def _loaded(name: str, pieces: str, template: str, family: str = "llama") -> LoadedModel:
    """A random model whose tokenizer cuts at the matches of a pattern and knows every piece of the failure's texts."""
    cutter = pre_tokenizers.Split(Regex(pieces), "isolated")
    texts = [FAILURE.prompt, FAILURE.wrong, FAILURE.right, " ", "\n\n", "It is", *LETTERS]
    known = sorted({piece for text in texts for piece, _ in cutter.pre_tokenize_str(text)})
    entries = {piece: number for number, piece in enumerate(["<unk>", "</s>", "<u>", "<a>", *known])}
    made = Tokenizer(models.WordLevel(entries, "<unk>"))
    made.pre_tokenizer, made.decoder = cutter, decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        eos_token="</s>",
        additional_special_tokens=["<u>", "<a>"],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
    model = tiny_model(family, dtype=torch.float32, vocab_size=len(tokenizer)).requires_grad_(False)
    return LoadedModel(ModelSpec(name), model, tokenizer)


@cache
def words_model() -> LoadedModel:
    """Whole words with the space before them; "that's" is one token, and so is ", "."""
    template = "{% for m in messages %}<u>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
    return _loaded("whole", r" ?[A-Za-z']+| ?[0-9.]+|[?.,!]+|\s", template)


@cache
def pairs_model() -> LoadedModel:
    """Pairs of letters, spaces apart; another template, with text of its own around the prompt."""
    template = (
        "{% for m in messages %}<u>\n\n{{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<a>\n{% endif %}"
    )
    return _loaded("pairs", r"[A-Za-z]{1,2}|[0-9]|[?.,!']|\s", template, "gpt2")


@cache
def explanations() -> tuple[Explanation, Explanation]:
    """The failure explained by both."""
    return explain(FAILURE, words_model()), explain(FAILURE, pairs_model())


def by_letters(explanation: Explanation, words: list[str], left_out: str) -> list[float]:
    """Slow reference: walk the letters of prompt and beginning, and give every token to the word of its first letter.

    A token of white space goes to the next word, at the end to the last one.
    """
    tokens = [token for token in explanation.tokens if token.segment != TEMPLATE]
    owners = [number for number, word in enumerate(words) for _ in word] + [None] * len(left_out)
    assert "".join("".join(t.text for t in tokens).split()) == "".join(words) + left_out
    sums, at = [0.0] * len(words), 0
    for token in tokens:
        letters = [c for c in token.text if not c.isspace()]
        owner = owners[at] if at < len(owners) else len(words) - 1
        if owner is not None:
            assert all(owners[at + i] == owner for i in range(len(letters)))
            sums[owner] += float(explanation.relevance[token.index])
        at += len(letters)
    return sums


WORDS = ["Which", "country", "is", "it", "that's", "in", "3.14", ",", "Florence", "?", "It", "is"]
"""What both tokenizers can be cut into: "that's" and "3.14" are one token of the first."""


def test_words_are_those_that_both_tokenizers_have():
    first, second = explanations()
    assert len(first.tokens) != len(second.tokens)
    maps = common_words([(e.tokens, e.relevance) for e in (first, second)])
    assert maps is not None
    for explanation, words, left_out in zip((first, second), maps, ("", "Po"), strict=True):
        assert ["".join(word.text.split()) for word in words] == WORDS
        assert [w.relevance for w in words] == pytest.approx(by_letters(explanation, WORDS, left_out), abs=1e-6)


def test_the_beginning_that_only_one_model_reads_is_left_out():
    first, second = explanations()
    assert "".join(t.text for t in first.tokens if t.segment == "generated") == "It is"
    assert "".join(t.text for t in second.tokens if t.segment == "generated") == "It is Po"
    readings = [ModelReading(e.model, e.spec, e, Prediction(0.1, 0.2, "x")) for e in (first, second)]
    assert "other tokens" in contrasted_sentence(readings)
    assert "whole: “Portugal” / “Poland”; pairs: “rt” / “la”" in contrasted_sentence(readings)
    assert contrasted_sentence(readings[:1]) == ""


def test_changes_between_tokenizers_are_by_words():
    first, second = explanations()
    change = relevance_change(first, second)
    assert change is not None and change.by == "words"
    wanted = np.subtract(by_letters(second, WORDS, "Po"), by_letters(first, WORDS, ""))
    assert change.values == pytest.approx(wanted, abs=1e-6)
    back = relevance_change(second, first)
    assert back is not None and back.values == pytest.approx(-wanted, abs=1e-6)
    cuts = side_by_side([first, second])
    assert [cut.by for cut in cuts] == ["words", "words"]
    assert [t.text for t in cuts[0].tokens] == [t.text for t in cuts[1].tokens]
    assert "".join(t.text for t in cuts[0].tokens) == FAILURE.prompt + "It is"
    for explanation, cut in zip((first, second), cuts, strict=True):
        sums = [explanation.relevance[list(places)].sum() for places in cut.members]
        assert cut.relevance == pytest.approx(sums, abs=1e-6)
    (strongest, value), *_ = cuts[1].strongest(change.values)
    assert value == change.values[np.abs(change.values).argmax()] and strongest in WORDS


def test_three_models_are_cut_alike_and_equal_tokenizers_by_tokens():
    first, second = explanations()
    cuts = side_by_side([first, first, second])
    assert [cut.by for cut in cuts] == ["words"] * 3
    assert len({len(cut.relevance) for cut in cuts}) == 1
    same = relevance_change(first, replace(first, rule="cplrp"))
    assert same is not None and same.by == "tokens" and len(same.values) == len(first.tokens)


def test_other_prompts_and_questions_keep_their_own_map():
    first, second = explanations()
    other = explain(replace(FAILURE, prompt="Which country is it?"), pairs_model())
    assert relevance_change(first, other) is None
    assert relevance_change(first, replace(second, whole=True)) is None
    elsewhere = replace(second.contrast, place=7)
    assert relevance_change(first, replace(second, contrast=elsewhere)) is None
    cuts = side_by_side([first, other, second])
    assert [cut.by for cut in cuts] == ["words", "own tokens", "words"]
    assert changes_from_first(cuts)[0] is None
    assert cuts[1].tokens == other.tokens


def test_table_and_json_say_what_was_compared():
    first, second = explanations()
    other = explain(replace(FAILURE, prompt="Which country is it?"), pairs_model())
    prediction = Prediction(0.1, 0.2, "x")
    readings = [
        ModelReading(name, e.spec, e, prediction) for name, e in zip("abc", (first, second, other), strict=True)
    ]
    table = comparison_table(readings)
    assert (
        "b minus a, by words: " in table and "c reads another text" in table and "cut the answers differently" in table
    )
    out = comparison_json(readings)
    aligned = out["side_by_side"]
    assert aligned["by"] == "words" and [text.strip() for text in aligned["texts"]] == WORDS
    change = relevance_change(first, second)
    assert change is not None and aligned["change_from_first"] == [change.values.tolist(), None]
    assert np.subtract(aligned["relevance"][1], aligned["relevance"][0]) == pytest.approx(change.values)
    assert aligned["relevance"][2] is None
    assert len(out["models"]) == 3 and "tokens" in out["models"][0]


def tokens_of(*pairs: tuple[str, str]) -> list[Token]:
    return [Token(i, i, text, segment) for i, (text, segment) in enumerate(pairs)]


def test_white_space_and_split_characters_lose_no_relevance():
    one = tokens_of(
        ("<t>", "template"),
        ("Hi", "user"),
        ("\n\n", "user"),
        ("日", "user"),
        ("", "user"),
        ("本", "user"),
        ("\n", "user"),
    )
    two = tokens_of(("H", "user"), ("i\n", "user"), ("\n日本", "user"), ("<t>", "template"))
    values = [np.arange(1.0, len(tokens) + 1) for tokens in (one, two)]
    maps = common_words(list(zip((one, two), values, strict=True)))
    assert maps is not None
    assert [[word.tokens for word in words] for words in maps] == [[(1,), (2, 3, 4, 5, 6)], [(0, 1), (2,)]]
    for tokens, numbers, words in zip((one, two), values, maps, strict=True):
        outside = sum(number for token, number in zip(tokens, numbers, strict=True) if token.segment != TEMPLATE)
        assert sum(word.relevance for word in words) == outside


def test_spaces_that_one_tokenizer_does_not_write_still_part_words():
    spaced = tokens_of(("a", "user"), (" b", "user"))
    silent = tokens_of(("a", "user"), ("b", "user"))
    maps = common_words([(spaced, np.ones(2)), (silent, np.ones(2))])
    assert maps is not None and [len(words) for words in maps] == [2, 2]
    assert common_words([(spaced, np.ones(2)), (tokens_of(("x", "template")), np.ones(1))]) is None
    assert common_words([(tokens_of(("x", "template")), np.ones(1))] * 2) is None
