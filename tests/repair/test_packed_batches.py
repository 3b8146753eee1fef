"""Packing prompts and answers into one sequence is exact, and so is padding; rows are read as vectors read them."""

from itertools import product

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from explorer.errors import ExplorerError
from explorer.limits import TRAINING_TOKENS
from explorer.model.load import LoadedModel, ModelSpec
from explorer.repair.packed_batches import answer_logps, pack, summed, tokenise
from explorer.repair.padded_batches import pad
from explorer.vectors.items import encode_items, row_items
from tests.model.families import tiny_model
from tests.vectors.tiny import TEMPLATE, tiny_loaded

EXAMPLES = [
    {"prompt_ids": [1, 2, 3, 7, 8], "answers": [[9, 10], [11, 12, 13]]},
    {"prompt_ids": [1, 2, 3, 9], "answers": [[14], [15, 16]]},
    {"prompt_ids": [1, 2, 3, 9, 20, 21], "answers": [[5, 5, 5], [6]]},
]


def alone(model, ids: list[int]) -> torch.Tensor:
    """Log-probabilities of every next token of one sequence, shape (T, vocabulary)."""
    return model(torch.tensor([ids])).logits[0].float().log_softmax(-1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "lay"),
    [*product(["llama", "gpt2", "gpt_neox"], [pack, pad]), ("mamba", pad), ("qwen3_next", pad), ("gpt_oss", pad)],
)
def test_no_log_probability_changes(family, lay):
    model = tiny_model(family)
    batch = lay(EXAMPLES)
    packed = summed(answer_logps(model, batch), batch["owner"])
    expected = []
    for example in EXAMPLES:
        for answer in example["answers"]:
            logps = alone(model, [*example["prompt_ids"], *answer])
            first = len(example["prompt_ids"]) - 1
            expected.append(sum(logps[first + i, token] for i, token in enumerate(answer)))
    assert torch.allclose(packed, torch.stack(expected), atol=1e-5)
    plain = sum(len(e["prompt_ids"]) + len(a) for e in EXAMPLES for a in e["answers"])
    assert (batch["input_ids"].numel() < plain) is (lay is pack)


@torch.no_grad()
@pytest.mark.parametrize("lay", [pack, pad])
def test_earlier_answers_of_a_chat_carry_a_loss_wherever_they_stand(lay):
    """Inside what all prompts share, on the border, and in a prompt's own part."""
    model = tiny_model("llama")
    earlier = [[1, 2], [3], [2, 3, 5]]  # the first three tokens are shared
    rows = [e | {"answers": e["answers"][:1], "earlier": some} for e, some in zip(EXAMPLES, earlier, strict=True)]
    batch = lay(rows)
    packed = summed(answer_logps(model, batch), batch["owner"])
    for row, some, value in zip(rows, earlier, packed, strict=True):
        ids = [*row["prompt_ids"], *row["answers"][0]]
        logps = alone(model, ids)
        places = [*some, *range(len(row["prompt_ids"]), len(ids))]
        assert value == pytest.approx(sum(float(logps[i - 1, ids[i]]) for i in places), abs=1e-5)


def test_a_single_example_packs():
    batch = pack([{"prompt_ids": [4, 5], "answers": [[6]]}])
    assert batch["input_ids"].tolist() == [[4, 5]] and batch["predict"].tolist() == [1]


ROWS = [
    {"id": "a", "prompt": "Is a whale a fish?", "response": "No", "system": "Be brief.", "chosen": None},
    {"id": "b", "prompt": "two plus two is", "response": "four", "system": None, "edit": "drop"},
]


def test_a_row_is_what_its_template_says():
    """Written by hand: the system prompt, the markers of the template, and the token that ends an answer."""
    loaded = tiny_loaded()
    encode = lambda text: loaded.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    one, other = tokenise(loaded, ROWS, ("response",))
    assert one["prompt_ids"] == encode("<|system|>Be brief.</s><|user|>Is a whale a fish?</s><|assistant|>")
    assert one["answers"] == [[*encode("No"), loaded.tokenizer.eos_token_id]] and one["kept"]
    assert other["prompt_ids"] == encode("<|user|>two plus two is</s><|assistant|>") and not other["kept"]
    assert tokenise(loaded, ROWS, ("response",), end_of_turn=False)[0]["answers"] == [encode("No")]
    pair = {"id": "c", "prompt": "a", "chosen": "b", "rejected": "c d", "response": "of another stage"}
    assert [a[:-1] for a in tokenise(loaded, [pair], ("chosen", "rejected"))[0]["answers"]] == [
        encode("b"), encode("c d")
    ]  # fmt: skip


def test_plain_text_needs_no_template():
    loaded = tiny_loaded()
    bare = PreTrainedTokenizerFast(tokenizer_object=loaded.tokenizer.backend_tokenizer, eos_token="</s>")
    assert not bare.chat_template
    loaded = LoadedModel(ModelSpec("tiny"), loaded.model, bare)
    rows = tokenise(loaded, ROWS, ("response",), raw=True)
    assert bare.decode([*rows[1]["prompt_ids"], *rows[1]["answers"][0]]) == "<s>two plus two is four</s>"
    with pytest.raises(ExplorerError, match="no chat template"):
        tokenise(loaded, ROWS, ("response",))
    bare.eos_token = None
    endless = tokenise(loaded, ROWS, ("response",), raw=True)
    assert endless == tokenise(loaded, ROWS, ("response",), raw=True, end_of_turn=False)


@pytest.mark.parametrize("raw", [False, True])
def test_training_and_vectors_read_the_same_tokens(raw):
    loaded = tiny_loaded()
    assert loaded.tokenizer.chat_template == TEMPLATE
    long = [*ROWS, {"id": "l", "prompt": "is it", "response": "seven " * TRAINING_TOKENS}]
    talk = '[["user", "two plus two"], ["assistant", "is four"]]'
    long.insert(0, {"id": "t", "prompt": "and three", "history": talk, "response": "is five"})
    read = tokenise(loaded, long, ("response",), raw=raw)
    for row, (exchange,) in zip(read, encode_items(loaded, row_items(long, raw)), strict=True):
        assert (*row["prompt_ids"], *row["answers"][0]) == exchange.ids
        losses = [*row["earlier"], *range(len(row["prompt_ids"]), len(exchange.ids))]
        assert losses == [place for start, end in exchange.spans for place in range(start, end)]
    assert read[0]["earlier"] and not read[1]["earlier"]
    assert read[-1]["answers"][0][-1] != loaded.tokenizer.eos_token_id  # it was cut, so it does not end
