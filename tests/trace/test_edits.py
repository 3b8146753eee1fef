"""Edits of the prompt's text: the characters of a token, what is measured, what is predicted, how links spell them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from explorer import Edit, Failure, explain, try_edits
from explorer.errors import PromptError
from explorer.limits import EDIT_CHARS, EDITS, TRIES
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.edits import editable, format_tries, parse_tries, token_spans
from explorer.trace.explain import RULES
from tests.vectors.tiny import tiny_loaded

DOG = Failure(
    "My friend's dog is called Rocky. My own dog is called Bella.\nWhat is my friend's dog called?",
    "Bella",
    "Rocky",
    system="Be brief.",
    evidence="Rocky",
)
ODD = "  日本 🇦🇺 مرحبا\tnaïve  x\n\n"


def at(explanation, text: str, nth: int = 0) -> int:
    """Index of the nth token of that text."""
    return [t.index for t in explanation.tokens if t.text == text][nth]


def plain_gap(loaded, failure: Failure, explanation) -> float:
    """The gap after another prompt, by the model itself: no view, no hook, no code of the module under test."""
    encoded, c = encode_prompt(loaded, failure.as_prompt()), explanation.contrast
    begun = [t.id for t in c.tokens if t.segment == "generated"]

    def logits(ids):
        with torch.no_grad():
            return loaded.model(input_ids=torch.tensor([ids])).logits[0].double()

    if not explanation.whole:
        last = logits([*encoded.ids, *begun])[-1]
        return (last[c.target] - last[c.foil]).item()
    total = 0.0
    for sign, answer in ((1, c.wrong_ids), (-1, c.right_ids)):
        scores = logits([*encoded.ids, *answer]).log_softmax(-1)
        total += sign * sum(scores[len(encoded.ids) + i - 1, token].item() for i, token in enumerate(answer))
    return total


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("loaded", ["smollm", "tiny"])
def test_spans_cover_the_text_without_gaps(loaded, raw, request):
    loaded = request.getfixturevalue("smollm") if loaded == "smollm" else tiny_loaded()
    raw = raw or not loaded.tokenizer.chat_template
    encoded = encode_prompt(loaded, replace(DOG, prompt=ODD, evidence=None, raw=raw).as_prompt())
    spans = token_spans(loaded, encoded)
    assert len(spans) == len(encoded.tokens)
    assert spans[0][0] == 0 and spans[-1][1] == len(encoded.text)
    assert all(after[0] <= before[1] for before, after in pairwise(spans))


def test_template_tokens_alone_can_not_be_edited(smollm):
    explanation = explain(DOG, smollm)
    can = editable(smollm, DOG)
    assert can == [t.segment != "template" for t in explanation.tokens[: len(can)]]
    assert any(can) and not all(can)
    for index in (0, len(can) - 1):
        with pytest.raises(PromptError, match="is the template's"):
            try_edits(DOG, [Edit(index)], smollm, explanation=explanation)
    for index in (len(can), -1, 10**6):
        with pytest.raises(PromptError, match="has no token"):
            try_edits(DOG, [Edit(index)], smollm, explanation=explanation)


@pytest.mark.slow
def test_the_text_is_edited_letter_for_letter(smollm):
    explanation = explain(DOG, smollm)

    def prompt(*edits):
        return try_edits(DOG, edits, smollm, explanation=explanation).failure

    rocky, bella = at(explanation, " Rocky"), at(explanation, " Bella")
    assert prompt(Edit(rocky)).prompt == DOG.prompt.replace(" Rocky", "")
    assert prompt(Edit(rocky)).evidence is None
    assert prompt(Edit(bella)).evidence == "Rocky"
    assert prompt(Edit(bella, "Max")).prompt == DOG.prompt.replace("Bella", "Max")  # the space before it stays
    both = prompt(Edit(bella, "a <b>"), Edit(rocky), Edit(at(explanation, "Be")))
    assert both.prompt == DOG.prompt.replace(" Rocky", "").replace("Bella", "a <b>")
    assert both.system == " brief."
    assert prompt(Edit(bella), Edit(bella, "Max")).prompt == prompt(Edit(bella, "Max")).prompt  # the later one holds


@pytest.mark.slow
def test_a_character_of_several_tokens_is_edited_whole(smollm):
    failure = Failure("I like 🇦🇺 and 日本.", "Yes", "No")
    explanation = explain(failure, smollm)
    parts = [t.index for t in explanation.tokens if t.segment == "user" and t.text == ""]
    assert parts
    for index in parts:
        edited = try_edits(failure, [Edit(index)], smollm, explanation=explanation).failure.prompt
        assert "�" not in edited and len(edited) < len(failure.prompt)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_the_measured_gap_is_the_plain_models(smollm, rule, whole):
    failure = replace(DOG, wrong="Your friend's dog is Bella", right="Your friend's dog is Rocky, of course")
    explanation = explain(failure, smollm, rule=rule, whole=whole)
    edits = [Edit(at(explanation, " Bella"), "Ravenna"), Edit(at(explanation, " own"))]
    done = try_edits(failure, edits, smollm, explanation=explanation)
    assert done.before == pytest.approx(plain_gap(smollm, failure, explanation), abs=2e-3)
    assert done.gap == pytest.approx(plain_gap(smollm, done.failure, explanation), abs=2e-3)
    assert done.change == done.gap - done.before
    assert done.predicted is None  # Ravenna is three tokens in the place of one
    assert done.unit == ("nats" if whole else "logits")


@pytest.mark.parametrize("rule", RULES)
def test_a_deleted_token_takes_its_relevance_with_it(smollm, rule):
    explanation = explain(DOG, smollm, rule=rule)
    gone = [at(explanation, " Rocky"), at(explanation, " own")]
    done = try_edits(DOG, [Edit(i) for i in gone], smollm, explanation=explanation)
    assert done.predicted == pytest.approx(-explanation.relevance[gone].sum())


@pytest.mark.parametrize(("record", "whole"), [(False, False), (True, False), (False, True)])
def test_a_replacement_is_the_gradient_times_the_step_of_the_embedding(smollm, record, whole):
    explanation = explain(DOG, smollm, rule="gradient", whole=whole, record=record)
    index = at(explanation, " Bella")
    done = try_edits(DOG, [Edit(index, "Max")], smollm, explanation=explanation)
    (new,) = smollm.tokenizer(" Max", add_special_tokens=False)["input_ids"]
    table = smollm.model.get_input_embeddings().weight.detach()
    step = table[new] - table[explanation.tokens[index].id]

    def moved(by: float) -> float:
        """The gap with the token's embedding moved along the step, in float64 by a copy of nothing: plain embeds."""
        c, n = explanation.contrast, len(encode_prompt(smollm, DOG.as_prompt()).tokens)
        sides = ((1, c.wrong_ids), (-1, c.right_ids)) if whole else ((1, ()),)
        total = 0.0
        for sign, answer in sides:
            ids = torch.tensor([[*c.ids[:n], *answer]] if whole else [list(c.ids)])
            embeds = table[ids].clone()
            embeds[0, index] += by * step
            with torch.no_grad():
                logits = smollm.model(inputs_embeds=embeds).logits[0].double()
            if whole:
                scores = logits.log_softmax(-1)
                total += sign * sum(scores[n + i - 1, token].item() for i, token in enumerate(answer))
            else:
                total = (logits[-1, c.target] - logits[-1, c.foil]).item()
        return total

    slope = (moved(0.02) - moved(-0.02)) / 0.04
    assert done.predicted == pytest.approx(slope, rel=0.02, abs=0.01)
    assert done.predicted != pytest.approx(-float(explanation.relevance[index]), rel=0.05)


def test_the_answer_is_what_the_model_says_to_the_edited_prompt(smollm):
    failure = Failure("What is the capital of France?", "Lyon", "Paris")
    explanation = explain(failure, smollm)
    done = try_edits(failure, [Edit(at(explanation, " France"), "Italy")], smollm, explanation=explanation)
    assert done.to_json()["prompt"] == done.failure.prompt == "What is the capital of Italy?"
    ids = torch.tensor([encode_prompt(smollm, Prompt("What is the capital of Italy?")).ids])
    spoken = smollm.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24)[0]
    assert done.answer == smollm.tokenizer.decode(spoken[ids.shape[1] :], skip_special_tokens=True)
    assert done.answer


def test_too_much_is_refused_in_words(smollm):
    index = editable(smollm, DOG).index(True)
    for edits, complaint in (
        ([], "expected 1 to"),
        ([Edit(index)] * (EDITS + 1), "expected 1 to"),
        ([Edit(index, "x" * (EDIT_CHARS + 1))], "at most 120"),
        ([Edit(i) for i, can in enumerate(editable(smollm, replace(DOG, system=None))) if can], "prompt is empty"),
    ):
        with pytest.raises(PromptError, match=complaint):
            try_edits(replace(DOG, system=None) if "empty" in complaint else DOG, edits, smollm)


EDIT = some.builds(Edit, some.integers(0, 999_999), some.none() | some.text(min_size=1, max_size=EDIT_CHARS))


@given(some.lists(some.lists(EDIT, min_size=1, max_size=4).map(tuple), max_size=TRIES))
def test_a_link_spells_tries_and_reads_them_back(tries):
    spelt = format_tries(tries)
    assert parse_tries(spelt) == tuple(tries)
    assert not set(spelt) - set("0123456789=,;%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-~")


@given(some.text(alphabet="0123456789=,;%x²é\0", max_size=400) | some.text(max_size=100))
def test_any_link_is_read_within_bounds(text):
    tries = parse_tries(text)
    assert len(tries) <= TRIES
    assert all(len(edits) <= EDITS and all(0 <= e.index < 10**6 for e in edits) for edits in tries)
    assert [edits for edits in parse_tries(format_tries(tries)) if edits] == [edits for edits in tries if edits]


def test_relevance_is_summed_once_for_pieces_of_one_character(smollm):
    failure = Failure("I like 🇦🇺 and 日本.", "Yes", "No")
    explanation = explain(failure, smollm)
    parts = [t.index for t in explanation.tokens if t.segment == "user" and t.text == ""][:1]
    done = try_edits(failure, [Edit(parts[0])], smollm, explanation=explanation)
    spans = token_spans(smollm, encode_prompt(smollm, failure.as_prompt()))
    low, high = spans[parts[0]]
    removed = [i for i, (a, b) in enumerate(spans) if a < high and b > low]
    assert len(removed) > 1
    assert done.predicted == pytest.approx(-float(np.sum(explanation.relevance[removed])))
