"""The gap at every place, against a forward pass of its own for each."""

from dataclasses import replace

import pytest
import torch

from explorer import Failure, explain
from explorer.errors import PromptError
from explorer.model.prompts import encode_prompt, text_ids
from explorer.trace.alignment import exchanged_answer, places_of
from explorer.trace.contrast import contrast_ids, make_contrast
from explorer.trace.differences import differences

EARLY = Failure("Where in the world is Genoa?", "The country is Portugal.", "Genoa is in Italy.")
CODE = Failure("def plus(a, b):", "\n    x = a - b\n    return x", "\n    y = a + b\n    return y", raw=True)
CJK = Failure("佛罗伦萨在哪个国家？", "它在葡萄牙。", "佛罗伦萨在意大利。")
PREFIX = Failure("Is it?", "Yes, it is", "Yes")


@pytest.mark.parametrize("failure", [EARLY, CODE, CJK, PREFIX, replace(EARLY, raw=True)])
def test_gaps_of_all_places(smollm, failure):
    encoded = encode_prompt(smollm, failure.as_prompt())
    wrong = text_ids(smollm, encoded.text, failure.wrong, failure.raw)
    found = {each.number: each for each in differences(failure, smollm)}
    assert set(found) == set(range(len(places_of(failure.wrong, failure.right))))
    for number, each in found.items():
        other = text_ids(smollm, encoded.text, exchanged_answer(failure.wrong, failure.right, number), failure.raw)
        same = next(
            (i for i, (a, b) in enumerate(zip(wrong, other, strict=False)) if a != b), min(len(wrong), len(other))
        )
        target, foil = (ids[same] if same < len(ids) else smollm.tokenizer.eos_token_id for ids in (wrong, other))
        with torch.no_grad():
            logits = smollm.model(input_ids=torch.tensor([[*encoded.ids, *wrong[:same]]])).logits[0, -1]
        assert (each.position, each.target, each.foil) == (len(encoded.ids) + same, target, foil)
        assert each.gap == pytest.approx((logits[target] - logits[foil]).item(), abs=1e-3)


def test_the_first_place_is_the_first_differing_token_to_the_bit(smollm):
    encoded = encode_prompt(smollm, EARLY.as_prompt())
    ids = [text_ids(smollm, encoded.text, answer, False) for answer in (EARLY.wrong, EARLY.right)]
    assert make_contrast(smollm, encoded, EARLY.wrong, EARLY.right, 0) == contrast_ids(
        smollm, encoded, ids[0], ids[1], EARLY.wrong, EARLY.right
    )


def test_an_early_divergence_is_explained_at_the_word_that_is_wrong(smollm):
    explanation = explain(EARLY, smollm)
    c = explanation.contrast
    assert (c.wrong_word, c.right_word, c.target_text, c.foil_text) == ("Portugal", "Italy", " Portugal", " Italy")
    assert "".join(token.text for token in c.tokens if token.segment == "generated") == "The country is"
    assert (c.wrong, c.right) == (EARLY.wrong, EARLY.right)
    pair = explain(Failure(EARLY.prompt, EARLY.wrong, "The country is Italy."), smollm)
    assert (explanation.relevance == pair.relevance).all()
    first = explain(replace(EARLY, place=0), smollm)
    assert (first.contrast.place, first.contrast.wrong_word) == (0, "The")
    by_number = {place.number: place.gap for place in explanation.places}
    for each in (explanation, first):
        assert by_number[each.contrast.place] == pytest.approx(each.trace.gap, abs=1e-3)
    assert f"--place {c.place}: ' Portugal' / ' Italy'" in explanation.table()
    with pytest.raises(PromptError, match="The place is 9"):
        explain(replace(EARLY, place=9), smollm)


def test_json_lists_the_places(smollm):
    out = explain(EARLY, smollm).to_json()
    assert set(out["contrast"]) >= {"wrong", "right", "target", "foil", "position", "logit_gap", "place"}
    for place in out["places"]:
        assert EARLY.wrong[slice(*place["wrong_span"])] or EARLY.right[slice(*place["right_span"])]
    (chosen,) = [place for place in out["places"] if place["content"]]
    assert chosen["place"] == out["contrast"]["place"]
    assert (chosen["position"], chosen["target"]) == (out["contrast"]["position"], out["contrast"]["target"])
    single = explain(Failure("Which city?", "Sydney", "Canberra"), smollm)
    assert [place.gap for place in single.places] == [single.trace.gap]


def test_answers_of_unequal_length_say_so_and_give_the_gap_per_token(smollm):
    whole = explain(EARLY, smollm, whole=True)
    wrong, right = whole.lengths
    assert wrong != right
    prompt = encode_prompt(smollm, EARLY.as_prompt()).ids
    means = []
    for answer in (whole.contrast.wrong_ids, whole.contrast.right_ids):
        with torch.no_grad():
            log_p = smollm.model(input_ids=torch.tensor([(*prompt, *answer)])).logits[0].log_softmax(-1)
        means.append(sum(log_p[len(prompt) - 1 + i, t].item() for i, t in enumerate(answer)) / len(answer))
    assert whole.gap_per_token == pytest.approx(means[0] - means[1], abs=1e-3)
    assert whole.to_json()["contrast"]["gap_per_token"] == whole.gap_per_token
    assert f"{wrong} tokens, the right one {right} tokens" in whole.lengths_sentence
    assert whole.lengths_sentence in whole.table()
    equal = explain(Failure(EARLY.prompt, EARLY.wrong, "The country is Italy."), smollm, whole=True)
    assert equal.lengths_sentence == ""
    assert explain(EARLY, smollm).lengths_sentence == ""
