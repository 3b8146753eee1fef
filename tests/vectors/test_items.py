"""Items are what rows say, and their vectors those of one answer, or the difference of a pair's."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from explorer.errors import PromptError
from explorer.model.prompts import Prompt
from explorer.vectors.items import Item, item_vectors, row_items
from explorer.vectors.one_pass import PARTS
from tests.vectors.reference import reference_parts
from tests.vectors.tiny import TEMPLATE, row, tiny_loaded, tiny_tokenizer


def chat_ids(prompt: str, system: str | None, answer: str) -> tuple[list[int], int]:
    """Token ids of a chat exchange and where its answer begins, written out."""
    assert "<|assistant|>" in TEMPLATE
    text = (f"<|system|>{system}</s>" if system else "") + f"<|user|>{prompt}</s><|assistant|>"
    before = tiny_tokenizer().encode(text, add_special_tokens=False)
    return before + tiny_tokenizer().encode(f"{answer}</s>", add_special_tokens=False), len(before)


ITEMS = (
    Item(Prompt("two plus two?"), "four"),
    Item(Prompt("the capital of Canada?", system="Be brief."), "Ottawa, a city", "Seoul"),
    Item(Prompt("a whale is?"), " ", None),
    Item(Prompt("a shark is?"), "a fish", ""),
    Item(Prompt("a penguin is?"), "a", "a bird, never a mammal, and not a fish on the river 🐧"),
    Item(Prompt("a shark"), "", "x"),
)


def test_items_are_answers_and_differences_of_pairs() -> None:
    loaded = tiny_loaded("qwen3")
    found, kinds = item_vectors(loaded, ITEMS, (1, 3))
    assert kinds.tolist() == [1, 2, 0, 0, 2, 0]
    assert found.keys() == {f"{part}.{layer}" for part in PARTS for layer in (1, 3)}
    for layer in (1, 3):
        for i, item in enumerate(ITEMS):
            if kinds[i] == 0:
                assert all(not found[f"{part}.{layer}"][i].any() for part in PARTS)
                continue
            asked = item.prompt.text, item.prompt.system
            own = reference_parts(loaded.model, *chat_ids(*asked, item.answer), layer)
            other = reference_parts(loaded.model, *chat_ids(*asked, item.other), layer) if item.other else {}
            for part in PARTS:
                vector = found[f"{part}.{layer}"][i]
                minus = other[part] if other and part != "state" else torch.zeros_like(own[part])
                scale = own[part].norm() + minus.norm()
                assert (vector - (own[part] - minus)).norm() < 1e-6 * scale, (part, layer, i)


def test_an_answer_that_training_pushed_away_from_is_minus_its_own_vector() -> None:
    loaded = tiny_loaded("qwen3")
    rows = [{"prompt": "two plus two?", "chosen": "", "rejected": "five"}, {"prompt": "a shark?", "response": "a fish"}]
    items = row_items(rows, raw=False)
    found, kinds = item_vectors(loaded, items, (1,))
    assert kinds.tolist() == [2, 1] and items[0].rejected_alone and not items[1].rejected_alone
    own = reference_parts(loaded.model, *chat_ids("two plus two?", None, "five"), 1)
    for part in PARTS:
        wanted = own[part] if part == "state" else -own[part]
        assert (found[f"{part}.1"][0] - wanted).norm() < 1e-6 * wanted.norm(), part
    (chosen_alone,) = row_items([{"prompt": "a shark?", "chosen": "a fish", "rejected": ""}], raw=False)
    assert item_vectors(loaded, [chosen_alone], (1,))[1].tolist() == [0]


def test_the_order_and_company_of_items_does_not_matter() -> None:
    loaded = tiny_loaded("llama", torch.float32)
    found, kinds = item_vectors(loaded, ITEMS, (2,))
    backwards, kinds_backwards = item_vectors(loaded, ITEMS[::-1] * 12, (2,))
    assert kinds_backwards.tolist() == kinds.flip(0).tolist() * 12
    for key, vectors in found.items():
        many = backwards[key].view(12, len(ITEMS), -1).flip(1)
        assert (many - vectors).norm(dim=-1).max() < 1e-5 * vectors.norm(dim=-1).max(), key


def test_nothing_but_unanswered_items() -> None:
    found, kinds = item_vectors(tiny_loaded(), [ITEMS[2], ITEMS[3]], (1,))
    assert (found, kinds.tolist()) == ({}, [0, 0])


def test_a_prompt_without_tokens_is_refused_in_words() -> None:
    """There is no p₀."""
    loaded = tiny_loaded()
    backend = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
    backend.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    loaded.tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    with pytest.raises(PromptError):
        item_vectors(loaded, [Item(Prompt("", raw=True), "four")], (1,))


def test_items_of_rows() -> None:
    single, pair = row_items([row(0, "a", system="S"), row(1, None, pair=("b", "c"))], raw=True)
    assert (single.answer, single.other, single.prompt.system, single.prompt.raw) == ("a", None, "S", True)
    assert (pair.answer, pair.other, pair.prompt.system) == ("b", "c", None)
    assert row_items([{"id": "x", "prompt": "p", "response": "r"}], raw=False) == [
        Item(single.prompt.__class__("p"), "r", turns="all")
    ]
