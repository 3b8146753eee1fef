"""Exchanges are the ids that a prompt and an answer have one at a time; batches hold each of them once."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from explorer.errors import PromptError
from explorer.limits import TRAINING_TOKENS
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt, end_of_turn, text_ids
from explorer.vectors.tokenize import BATCH_TOKENS, Exchange, Reply, batches, encode_exchanges, padded
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


def one_at_a_time(loaded: LoadedModel, prompt: Prompt, answer: str, ended: bool = True) -> Exchange:
    encoded = encode_prompt(loaded, prompt)
    end: Any = loaded.tokenizer.eos_token_id
    reply = text_ids(loaded, encoded.text, answer, prompt.raw) + (end,) * ended
    return Exchange((*encoded.ids, *reply), ((len(encoded.ids), len(encoded.ids) + len(reply)),), ended)


def replies(pairs: Sequence[tuple[Prompt, str]], ended: bool = True) -> list[Reply]:
    return [Reply(*pair, ended) for pair in pairs]


def check(loaded: LoadedModel, pairs: Sequence[tuple[Prompt, str]]) -> None:
    for ended in (True, False):
        found = encode_exchanges(loaded, replies(pairs, ended))
        assert len(found) == len(pairs)
        for (prompt, answer), exchange in zip(pairs, found, strict=True):
            assert exchange == one_at_a_time(loaded, prompt, answer, ended), (prompt.text, answer)


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
    for (_, answer), exchange in zip(pairs, encode_exchanges(loaded, replies(pairs)), strict=True):
        assert loaded.tokenizer.decode(list(exchange.answer), clean_up_tokenization_spaces=False) == answer
        assert exchange.ids[exchange.start :] == (*exchange.answer, loaded.tokenizer.eos_token_id)


def test_a_raw_prompt_begins_with_the_special_token_and_its_answer_does_not(tiny: LoadedModel) -> None:
    first, spaced = encode_exchanges(
        tiny, replies([(Prompt("a city", raw=True), ", 7"), (Prompt("is", raw=True), "four")])
    )
    begin = tiny.tokenizer.bos_token_id
    for exchange in (first, spaced):
        assert exchange.ids[0] == begin
        assert begin not in exchange.ids[1:]
    assert tiny.tokenizer.decode(list(spaced.answer)) == " four"
    assert begin not in encode_exchanges(tiny, [Reply(Prompt("a city"), "four")])[0].ids


@pytest.mark.parametrize("raw", (False, True))
@pytest.mark.parametrize("answer", ("", " ", "\n\n", " \t\u00a0"))
def test_no_answer_is_no_tokens(smollm: LoadedModel, answer: str, raw: bool) -> None:
    pairs = [(Prompt("What is it?", raw=raw), answer), (Prompt("What is it?", raw=raw), "It")]
    empty, other = encode_exchanges(smollm, replies(pairs))
    assert empty.answer == empty.spans == () and empty.start == len(empty.ids)
    assert empty.ids == encode_prompt(smollm, pairs[0][0]).ids
    assert len(other.answer) == 1
    assert encode_exchanges(smollm, []) == []


def test_an_answer_that_the_tokenizer_drops_into_the_prompt_is_encoded_alone(smollm: LoadedModel) -> None:
    """A prompt that ends in a space: the joint text has ' word' as one token, which begins inside the prompt."""
    prompt, answer = Prompt("The capital is ", raw=True), "Paris"
    (found,) = encode_exchanges(smollm, [Reply(prompt, answer, ended=False)])
    assert found == one_at_a_time(smollm, prompt, answer, ended=False)
    assert smollm.tokenizer.decode(list(found.ids)) == "The capital is Paris"


def test_raw_and_chat_prompts_are_read_each_its_own_way(smollm: LoadedModel) -> None:
    replies = [Reply(Prompt("a", raw=raw), f"b {raw}") for raw in (True, False, True)]
    assert encode_exchanges(smollm, replies) == [one_at_a_time(smollm, r.prompt, r.answer) for r in replies]


def test_a_prompt_that_the_template_refuses(tiny: LoadedModel) -> None:
    bare = LoadedModel(tiny.spec, tiny.model, type(tiny.tokenizer)(tokenizer_object=tiny.tokenizer.backend_tokenizer))
    with pytest.raises(PromptError, match="no chat template"):
        encode_exchanges(bare, [Reply(Prompt("a"), "b")])


# --- conversations and the loss on them -----------------------------------------------------------------------------

TURNS = (("user", "Hi"), ("assistant", "Hello, who are you?"), ("tool", "{}"), ("user", "a"), ("assistant", "a"))
TALK = Prompt("Is a\nwhale a fish?", "a", history=TURNS)
"""Contents that are found elsewhere in the text too: in the names of the roles, in the system prompt."""


def hand_rendered(which: str, answer: str) -> tuple[str, list[str], str]:
    """The whole conversation as text, its assistant's turns with what ends them, and that, written out."""
    turns = [("system", "a"), *TURNS, ("user", TALK.text), ("assistant", answer)]
    if which == "smollm":
        text, end = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns), "<|im_end|>"
        text = text.removesuffix("\n")
    else:
        text, end = "".join(f"<|{role}|>{content}</s>" for role, content in turns), "</s>"
    return text, [content + end for role, content in turns if role == "assistant"], end


@pytest.mark.parametrize("ended", (True, False))
@pytest.mark.parametrize("which", ("smollm", "tiny"))
def test_a_conversation_has_the_ids_of_its_joint_text_and_the_loss_on_every_answer(
    request: pytest.FixtureRequest, which: str, ended: bool
) -> None:
    loaded = request.getfixturevalue(which)
    text, taught, end = hand_rendered(which, "No, a mammal.")
    encode, decode = loaded.tokenizer.encode, loaded.tokenizer.decode
    every, last = encode_exchanges(loaded, [Reply(TALK, "No, a mammal.", ended, turns) for turns in ("all", "last")])
    ids = encode(text, add_special_tokens=False)
    assert list(every.ids) == list(last.ids) == (ids if ended else ids[:-1])
    assert last.spans == every.spans[-1:] and len(every.spans) == 3 and every.ended == ended
    spelt = [decode(list(every.ids[a:b]), clean_up_tokenization_spaces=False) for a, b in every.spans]
    assert spelt == (taught if ended else [turn.removesuffix(end) for turn in taught])
    assert every.start == last.start == every.spans[-1][0]
    before = every.ids[: every.spans[1][0]]  # the second answer, "a", and not the "a" of the system prompt
    assert decode(list(before), clean_up_tokenization_spaces=False).endswith(("assistant\n", "<|assistant|>"))


def test_a_raw_conversation_has_blank_lines_between_its_turns(smollm: LoadedModel) -> None:
    prompt = Prompt("And two?", "Count.", raw=True, history=(("user", "One?"), ("assistant", "I"), ("user", "So")))
    (found,) = encode_exchanges(smollm, [Reply(prompt, "II", True, "all")])
    text = smollm.tokenizer.decode(list(found.ids))
    assert text == "Count.\n\nOne?\n\nI\n\nSo\n\nAnd two? II<|im_end|>"
    assert [smollm.tokenizer.decode(list(found.ids[a:b])) for a, b in found.spans] == ["I", " II<|im_end|>"]


def test_a_turn_without_words_or_that_the_template_rewrites_carries_no_loss(smollm: LoadedModel) -> None:
    template = "{% for m in messages %}<|im_start|>{{ m.content.split('</think>')[-1] | trim }}<|im_end|>{% endfor %}"
    tokenizer = copy.deepcopy(smollm.tokenizer)
    tokenizer.chat_template = template
    history = (("user", "one"), ("assistant", "<think>two</think>three"), ("assistant", " "), ("assistant", " four\n"))
    prompt = Prompt("five", history=history)
    (found,) = encode_exchanges(LoadedModel(smollm.spec, smollm.model, tokenizer), [Reply(prompt, "six", True, "all")])
    assert [smollm.tokenizer.decode(list(found.ids[a:b])) for a, b in found.spans] == [
        "four<|im_end|>",
        "six<|im_end|>",
    ]


def test_what_ends_a_turn_is_the_templates_own_token(smollm: LoadedModel, tiny: LoadedModel) -> None:
    ids = {token: smollm.tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")}
    tokenizer = copy.deepcopy(smollm.tokenizer)
    loaded = LoadedModel(smollm.spec, smollm.model, tokenizer)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} \n<|endoftext|>{% endfor %}"
    assert end_of_turn(loaded, raw=False) == ids["<|endoftext|>"] != tokenizer.eos_token_id
    assert end_of_turn(loaded, raw=True) == tokenizer.eos_token_id == ids["<|im_end|>"]
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}, next <|endoftext|>{% endfor %}"
    assert end_of_turn(loaded, raw=False) == ids["<|im_end|>"], "the template writes a word after the answer"
    assert end_of_turn(tiny, raw=False) == tiny.tokenizer.eos_token_id
    tokenizer.eos_token = None
    assert end_of_turn(loaded, raw=True) is None
    (found,) = encode_exchanges(loaded, [Reply(Prompt("a", raw=True), "b")])
    assert not found.ended and found.ids[found.start :] == found.answer


# --- cutting --------------------------------------------------------------------------------------------------------


def test_the_context_is_cut_first_in_its_middle_and_then_the_answer_at_its_end(smollm: LoadedModel) -> None:
    pairs = [
        (Prompt("What is it?"), "word " * 40),
        (Prompt("one two three " * 20), "four five six"),
        (Prompt("one two three " * 20), "four five six" * 20),
        (Prompt("a"), "b"),
    ]
    whole = [one_at_a_time(smollm, *pair) for pair in pairs]
    for most in (20, 45, 2, 3, whole[0].start, whole[0].start + 1, len(whole[1].ids) - 1):
        for found, was in zip(
            encode_exchanges(smollm, [r._replace(most=most) for r in replies(pairs)]), whole, strict=True
        ):
            context, answer = was.ids[: was.start], was.ids[was.start :]
            assert len(found.ids) == min(most, len(was.ids)) and found.lost == len(was.ids) - len(found.ids)
            head = found.start // 2 if len(context) > found.start else 0
            assert found.ids[: found.start] == (*context[:head], *context[len(context) - found.start + head :])
            assert found.start > 0
            ((start, end),) = found.spans
            assert found.ids[start:end] == answer[: end - start] and end == len(found.ids) > start
            if end - start < len(answer):  # the answer loses its end only beside half of the limit, or a whole prompt
                assert found.start == min(most // 2, len(context)) and not found.ended
            elif found.lost:
                assert found.ended and found.start == most - len(answer)


def test_earlier_answers_are_cut_with_their_context(smollm: LoadedModel) -> None:
    """Token by token: what stays of an earlier answer keeps its loss, but for the first token after the gap."""
    whole = encode_exchanges(smollm, [Reply(TALK, "No.", True, "all")])[0]
    taught = {i for start, end in whole.spans for i in range(start, end)}
    for most in range(8, len(whole.ids) + 1):
        (found,) = encode_exchanges(smollm, [Reply(TALK, "No.", True, "all", most)])
        head = found.start // 2 if found.lost else 0
        came_from = [i if i < head else i + found.lost for i in range(len(found.ids))]
        assert [whole.ids[i] for i in came_from] == list(found.ids)
        gap = {head} if found.lost else set()
        wanted = [place for place, i in enumerate(came_from) if i in taught and place not in gap]
        assert [i for start, end in found.spans for i in range(start, end)] == wanted
        assert all(end > start for start, end in found.spans)


def test_system_prompt_and_chat_format_stay(tiny: LoadedModel) -> None:
    prompt = Prompt("two plus two is four, " * 400, system="Be brief.")
    (found,) = encode_exchanges(tiny, [Reply(prompt, "four", most=60)])
    text = str(tiny.tokenizer.decode([*found.ids]))
    assert len(found.ids) == 60 and text.startswith("<|system|>Be brief.</s><|user|>two plus")
    assert text.endswith("</s><|assistant|>four</s>") and found.ended


def test_what_fits_exactly_is_not_cut(smollm: LoadedModel) -> None:
    reply = Reply(Prompt("What is it?"), "A blue whale.")
    whole = one_at_a_time(smollm, *reply[:2])
    assert encode_exchanges(smollm, [reply._replace(most=len(whole.ids))]) == [whole]
    start, end = whole.start - 1, len(whole.ids) - 1
    left = (*whole.ids[: start // 2], *whole.ids[start // 2 + 1 :])
    assert encode_exchanges(smollm, [reply._replace(most=end)]) == [Exchange(left, ((start, end),), True, 1)]


def test_limits_of_the_program_and_of_the_model(smollm: LoadedModel, tiny: LoadedModel) -> None:
    long = [Reply(Prompt("word"), "word " * 5000)]
    assert len(encode_exchanges(smollm, long)[0].ids) == TRAINING_TOKENS < (smollm.max_tokens or 0)
    assert len(encode_exchanges(tiny, long)[0].ids) == tiny.max_tokens == 128
    assert len(encode_exchanges(tiny, [long[0]._replace(most=10**6)])[0].ids) == 128


# --- batches --------------------------------------------------------------------------------------------------------


def some_exchanges(n: int, longest: int, seed: int) -> list[Exchange]:
    draw = random.Random(seed)
    lengths = [draw.randint(2, longest) for _ in range(n)]
    return [Exchange(tuple(range(length)), ((draw.randint(1, length - 1), length),)) for length in lengths]


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
    ids = padded([Exchange((5, 6, 7), ((1, 3),)), Exchange((8,), ())], torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
