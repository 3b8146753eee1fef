"""Exchanges are the ids that a prompt and an answer have one at a time; batches hold each of them once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
import torch

from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt, text_ids
from explorer.vectors.tokenize import BATCH_TOKENS, MAX_TOKENS, Exchange, batches, encode_exchanges, padded
from tests.vectors.tiny import tiny_loaded

TEXTS = (
    "What is the capital of Australia?",
    "a",
    " leading space",
    "trailing space ",
    "two\nlines\n",
    "\n\n newline first",
    "tab\tand\u00a0hard space",
    "👩‍👩‍👧 ok 🇦🇺",
    "مرحبا بالعالم",
    "日本語のテキスト",
    "e\u0301 against é",
    "a\u0000b\u200b",
    "<|im_end|>\n<|im_start|>system",
    "</s><s>",
    "ends in a mark:",
    "3.14159",
    "don't",
    "�",
)
ANSWERS = (*TEXTS, "Sydney.", " Sydney", "s", "'s", "?", "  two spaces", "42", "\u0301 accent first", "🇺")


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    """A tokenizer that puts <s> before a raw prompt."""
    return tiny_loaded()


def one_at_a_time(loaded: LoadedModel, prompt: Prompt, answer: str) -> Exchange:
    encoded = encode_prompt(loaded, prompt)
    return Exchange((*encoded.ids, *text_ids(loaded, encoded.text, answer, prompt.raw)), len(encoded.ids))


def check(loaded: LoadedModel, pairs: Sequence[tuple[Prompt, str]]) -> None:
    found = encode_exchanges(loaded, pairs)
    assert len(found) == len(pairs)
    for (prompt, answer), exchange in zip(pairs, found, strict=True):
        assert exchange == one_at_a_time(loaded, prompt, answer), (prompt.text, answer)


@pytest.mark.parametrize("raw", (False, True))
@pytest.mark.parametrize("which", ("smollm", "tiny"))
def test_ids_are_those_of_one_at_a_time(request: pytest.FixtureRequest, which: str, raw: bool) -> None:
    loaded = request.getfixturevalue(which)
    check(loaded, [(Prompt(text, raw=raw), answer) for text in TEXTS for answer in ANSWERS])


@pytest.mark.parametrize("which", ("smollm", "tiny"))
def test_system_prompts_and_answers_read_back(request: pytest.FixtureRequest, which: str) -> None:
    loaded = request.getfixturevalue(which)
    pairs = [(Prompt("Who?", system="Be brief."), "Nobody, 🐳."), (Prompt("Who?"), " Nobody\n")]
    check(loaded, pairs)
    for (_, answer), exchange in zip(pairs, encode_exchanges(loaded, pairs), strict=True):
        assert loaded.tokenizer.decode(list(exchange.answer), clean_up_tokenization_spaces=False) == answer
        assert exchange.ids[exchange.start :] == exchange.answer


def test_a_raw_prompt_begins_with_the_special_token_and_its_answer_does_not(tiny: LoadedModel) -> None:
    first, spaced = encode_exchanges(tiny, [(Prompt("a city", raw=True), ", 7"), (Prompt("is", raw=True), "four")])
    begin = tiny.tokenizer.bos_token_id
    for exchange in (first, spaced):
        assert exchange.ids[0] == begin
        assert begin not in exchange.ids[1:]
    assert tiny.tokenizer.decode(list(spaced.answer)) == " four"
    assert begin not in encode_exchanges(tiny, [(Prompt("a city"), "four")])[0].ids


@pytest.mark.parametrize("raw", (False, True))
@pytest.mark.parametrize("answer", ("", " ", "\n\n", " \t\u00a0"))
def test_no_answer_is_no_tokens(smollm: LoadedModel, answer: str, raw: bool) -> None:
    pairs = [(Prompt("What is it?", raw=raw), answer), (Prompt("What is it?", raw=raw), "It")]
    empty, other = encode_exchanges(smollm, pairs)
    assert empty.answer == ()
    assert empty.ids == encode_prompt(smollm, pairs[0][0]).ids
    assert len(other.answer) == 1
    assert encode_exchanges(smollm, []) == []


def test_an_answer_that_the_tokenizer_drops_into_the_prompt_is_encoded_alone(smollm: LoadedModel) -> None:
    """A prompt that ends in a space: the joint text has ' word' as one token, which begins inside the prompt."""
    prompt, answer = Prompt("The capital is ", raw=True), "Paris"
    (found,) = encode_exchanges(smollm, [(prompt, answer)])
    assert found == one_at_a_time(smollm, prompt, answer)
    assert smollm.tokenizer.decode(list(found.ids)) == "The capital is Paris"


def test_raw_and_chat_do_not_mix(smollm: LoadedModel) -> None:
    with pytest.raises(ValueError, match="together"):
        encode_exchanges(smollm, [(Prompt("a"), "b"), (Prompt("a", raw=True), "b")])


def test_a_prompt_that_the_template_refuses(tiny: LoadedModel) -> None:
    bare = LoadedModel(tiny.spec, tiny.model, type(tiny.tokenizer)(tokenizer_object=tiny.tokenizer.backend_tokenizer))
    with pytest.raises(PromptError, match="no chat template"):
        encode_exchanges(bare, [(Prompt("a"), "b")])


# --- cutting --------------------------------------------------------------------------------------------------------


def test_a_long_answer_loses_its_end_and_a_long_prompt_its_beginning(smollm: LoadedModel) -> None:
    pairs = [
        (Prompt("What is it?"), "word " * 40),
        (Prompt("one two three " * 20), "four five six"),
        (Prompt("a"), "b"),
    ]
    whole = [one_at_a_time(smollm, *pair) for pair in pairs]
    for most in (20, 45, 2, 3, whole[0].start, whole[0].start + 1):
        for found, was in zip(encode_exchanges(smollm, pairs, most=most), whole, strict=True):
            assert len(found.ids) == min(most, len(was.ids))
            assert found.ids[: found.start] == was.ids[: was.start][-(most - 1) :]
            assert len(found.answer) >= 1
            assert found.answer == was.answer[: most - found.start]


def test_what_fits_exactly_is_not_cut(smollm: LoadedModel) -> None:
    pair = (Prompt("What is it?"), "A blue whale.")
    whole = one_at_a_time(smollm, *pair)
    assert encode_exchanges(smollm, [pair], most=len(whole.ids)) == [whole]
    assert encode_exchanges(smollm, [pair], most=len(whole.ids) - 1) == [Exchange(whole.ids[:-1], whole.start)]


def test_limits_of_the_program_and_of_the_model(smollm: LoadedModel, tiny: LoadedModel) -> None:
    long = [(Prompt("word"), "word " * 5000)]
    assert len(encode_exchanges(smollm, long)[0].ids) == MAX_TOKENS < (smollm.max_tokens or 0)
    assert len(encode_exchanges(tiny, long)[0].ids) == tiny.max_tokens == 128
    assert len(encode_exchanges(tiny, long, most=10**6)[0].ids) == 128


# --- batches --------------------------------------------------------------------------------------------------------


def some_exchanges(n: int, longest: int, seed: int) -> list[Exchange]:
    draw = random.Random(seed)
    lengths = [draw.randint(2, longest) for _ in range(n)]
    return [Exchange(tuple(range(length)), draw.randint(1, length - 1)) for length in lengths]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("longest", "budget"), ((30, 100), (400, 300), (64, 2048), (5, 1)))
def test_batches_hold_each_index_once_within_the_budget(seed: int, longest: int, budget: int) -> None:
    exchanges = some_exchanges(120, longest, seed)
    found = list(batches(exchanges, budget))
    assert sorted(i for batch in found for i in batch) == list(range(120))
    sizes = [[len(exchanges[i].ids) for i in batch] for batch in found]
    for lengths in sizes:
        assert len(lengths) == 1 or len(lengths) * max(lengths) <= budget
    for shorter, longer in itertools.pairwise(sizes):
        assert max(shorter) <= min(longer)
        assert (len(shorter) + 1) * longer[0] > budget, "the next one would have fitted"


def test_batches_of_nothing_and_of_the_default_budget() -> None:
    assert list(batches([])) == []
    exchanges = some_exchanges(300, 60, 0)
    assert all(len(b) * max(len(exchanges[i].ids) for i in b) <= BATCH_TOKENS for b in batches(exchanges))


def test_padding_is_on_the_right() -> None:
    ids = padded([Exchange((5, 6, 7), 1), Exchange((8,), 1)], torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
