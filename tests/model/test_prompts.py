from dataclasses import replace

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from explorer.errors import PromptError
from explorer.model.generate import greedy_answer
from explorer.model.prompts import Prompt, encode_prompt, token_texts
from explorer.progress import Stopped
from explorer.trace.contrast import contrast_ids, make_contrast


def encode(loaded, text="What is the capital of Australia?", **more):
    return encode_prompt(loaded, Prompt(text, **more))


def test_segments_cover_the_prompt(smollm):
    encoded = encode(smollm, "Be brief. What is 2+2?", system="You are terse.", evidence="Be brief.")
    by = {name: "".join(t.text for t in encoded.tokens if t.segment == name) for name in ("system", "user", "evidence")}
    assert by == {"system": "You are terse.", "evidence": "Be brief.", "user": " What is 2+2?"}
    assert "".join(t.text for t in encoded.tokens) == encoded.text
    assert encoded.tokens[0].segment == "template"
    assert [t.index for t in encoded.tokens] == list(range(len(encoded.tokens)))


def test_system_prompt_that_repeats_the_user_text_is_told_apart(smollm):
    encoded = encode(smollm, "Hello there", system="Hello there", evidence="Hello")
    segments = [t.segment for t in encoded.tokens if t.segment != "template"]
    assert segments == ["system", "system", "evidence", "user"]


def test_raw_prompt_has_no_template(smollm):
    encoded = encode(smollm, "The capital of France is", raw=True)
    assert encoded.text == "The capital of France is"
    assert {t.segment for t in encoded.tokens} == {"user"}
    contrast = make_contrast(smollm, encoded, "Lyon", "Paris")
    assert (contrast.target_text[0], contrast.foil_text) == (" ", " Paris")


@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧 ok 🇦🇺", "مرحبا بالعالم", "שלום", "日本語のテキスト", "a\u0000b", "<|im_end|>"]
)
def test_any_text_survives_the_round_trip(smollm, text):
    encoded = encode(smollm, text)
    assert "".join(t.text for t in encoded.tokens) == encoded.text
    assert text in encoded.text
    assert make_contrast(smollm, encoded, "Yes", "No").ids == encoded.ids


def test_bytes_that_make_no_character_stay_one_token_each(smollm):
    half = smollm.tokenizer.encode("🇦", add_special_tokens=False)[:1]
    assert token_texts(smollm, half * 3) == ["�"] * 3


def test_tokens_of_a_decoder_that_drops_the_first_space_keep_theirs(smollm):
    """Llama's: a space is written ▁, and one is dropped from the beginning of whatever is decoded."""
    made = Tokenizer(models.WordLevel({"<unk>": 0, "▁the": 1, "▁capital": 2, "s": 3, "▁▁": 4}, "<unk>"))
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    loaded = replace(smollm, tokenizer=PreTrainedTokenizerFast(tokenizer_object=made))
    assert loaded.tokenizer.decode([2]) == "capital"
    assert token_texts(loaded, [1, 2, 3, 4, 2]) == [" the", " capital", "s", "  ", " capital"]


def test_contrast_walks_the_common_beginning(smollm):
    encoded = encode(smollm)
    contrast = make_contrast(smollm, encoded, "The capital is Sydney.", "The capital is Canberra.")
    assert contrast.position == len(encoded.ids) + 3
    assert [t.segment for t in contrast.tokens[-3:]] == ["generated"] * 3
    assert (contrast.target_text, contrast.foil_text) == (" Sydney", " Canberra")
    assert (contrast.wrong_word, contrast.right_word) == ("Sydney", "Canberra")


def test_an_answer_that_is_the_beginning_of_the_other_ends_the_turn(smollm):
    contrast = make_contrast(smollm, encode(smollm), "Sydney it is", "Sydney")
    assert contrast.foil == smollm.tokenizer.eos_token_id
    assert contrast.target_text == " it"


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [("", "a", "wrong answer is empty"), ("a", "", "right answer is empty"), ("a", "a", "are the same")],
)
def test_answers_that_can_not_be_contrasted(smollm, wrong, right, complaint):
    with pytest.raises(PromptError, match=complaint):
        make_contrast(smollm, encode(smollm), wrong, right)


def test_prompts_that_can_not_be_read(smollm):
    for text in ("", "   ", "\n"):
        with pytest.raises(PromptError, match="prompt is empty"):
            encode(smollm, text)
    with pytest.raises(PromptError, match="does not stand in the prompt"):
        encode(smollm, "abc", evidence="xyz")
    with pytest.raises(PromptError, match=r"20,0\d\d tokens, but .* reads at most 8,192; shorten it"):
        encode(smollm, "word " * 20_000)


def test_one_token_prompt(smollm):
    encoded = encode(smollm, "a", raw=True)
    assert len(encoded.ids) == 1
    assert greedy_answer(smollm, encoded, max_tokens=2).ids


def test_greedy_answer_reports_candidates_and_can_be_stopped(smollm):
    encoded = encode(smollm, "What is the capital of France?")
    seen = []
    answer = greedy_answer(smollm, encoded, 12, top=5, progress=lambda _, done=0, total=0: seen.append((done, total)))
    assert "Paris" in answer.text
    assert answer.ended
    assert seen[0] == (1, 12)
    assert len(answer.candidates) == len(answer.ids) == len(answer.texts)
    for picked, candidates in zip(answer.ids, answer.candidates, strict=True):
        assert candidates[0].id == picked
        assert len(candidates) == 5
        assert sum(c.probability for c in candidates) <= 1 + 1e-5

    def stop(_what: str, done: float = 0, _total: float = 0) -> None:
        if done == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        greedy_answer(smollm, encoded, 12, progress=stop)
    foil = answer.candidates[1][1]
    picked = contrast_ids(smollm, encoded, answer.ids[:2], (answer.ids[0], foil.id), "w", "r")
    assert (picked.target, picked.foil) == (answer.ids[1], foil.id)


def test_a_raw_prompt_begins_with_its_system_prompt(smollm):
    encoded = encode_prompt(smollm, Prompt("The capital of France is", "Be brief.", raw=True))
    assert encoded.text == "Be brief.\n\nThe capital of France is"
    assert "".join(t.text for t in encoded.tokens if t.segment == "system").strip() == "Be brief."
