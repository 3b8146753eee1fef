"""The loss of a conversation is the one that training had: that of TRL's own mask on the joint text of the chat."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import Tensor

from explorer.model.load import LoadedModel
from explorer.model.lrp import lrp_view
from explorer.model.prompts import Prompt
from explorer.vectors.items import Item, item_vectors, row_items
from explorer.vectors.one_pass import position_gradients
from explorer.vectors.tokenize import encode_exchanges
from tests.vectors.reference import blocks
from tests.vectors.tiny import tiny_loaded

MASKED = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] }}</s>{% endgeneration %}{% else %}{{ m['content'] }}</s>{% endif %}{% endfor %}"
)
"""The tiny model's template with what TRL's ``assistant_only_loss`` reads: the assistant's turns, end of turn too."""
HISTORY = (("user", "two plus two?"), ("assistant", "four, never eight"), ("user", "and"))
SINGLE = Prompt("the capital of Canada?", "Be brief.")
TALK = Prompt("a whale is?", "Be brief.", history=HISTORY)


def joint(loaded: LoadedModel, prompt: Prompt, answer: str, last: bool = False, ended: bool = True) -> tuple[Any, Any]:
    """Ids and labels (-100: no loss) of the whole chat, as transformers and TRL make them; last: of one turn alone."""
    tokenizer = copy.deepcopy(loaded.tokenizer)
    tokenizer.chat_template = MASKED
    chat = [("system", prompt.system), *prompt.history, ("user", prompt.text), ("assistant", answer)]
    messages = [{"role": role, "content": content} for role, content in chat]
    found: Any = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = torch.tensor(found["input_ids"]), torch.tensor(found["assistant_masks"]).bool()
    if last:
        mask[: int((~mask).nonzero()[-1])] = False
    if not ended:
        ids, mask = ids[:-1], mask[:-1]
    return ids[None], torch.where(mask, ids, -100)[None]


def gradient(loaded: LoadedModel, ids: Tensor, labels: Tensor, layer: int) -> Tensor:
    """∂(transformers' own loss)/∂H after a block, (T, D)."""
    states: list[Tensor] = []
    hook = blocks(loaded.model)[layer - 1].register_forward_hook(
        lambda _b, _args, output: states.append(output if isinstance(output, Tensor) else output[0])
    )
    loaded.model.requires_grad_(True)
    try:
        return torch.autograd.grad(loaded.model(input_ids=ids, labels=labels).loss, states[0])[0][0]
    finally:
        hook.remove()
        loaded.model.requires_grad_(False)


@pytest.mark.parametrize("ended", (True, False))
@pytest.mark.parametrize(("prompt", "turns"), ((SINGLE, "all"), (TALK, "last"), (TALK, "all")))
def test_the_gradient_is_that_of_the_loss_on_the_joint_chat(prompt: Prompt, turns: str, ended: bool) -> None:
    loaded = tiny_loaded("qwen3")
    if not ended and turns == "all" and prompt.history:
        pytest.skip("TRL's mask has the end of the first answer")
    item = Item(prompt, "a mammal", ended=ended, turns=turns)
    ids, labels = joint(loaded, prompt, "a mammal", turns == "last", ended)
    (exchange,) = encode_exchanges(loaded, item.replies)
    assert list(exchange.ids) == ids[0].tolist()
    wanted = gradient(loaded, ids, labels, 2)
    found = position_gradients(lrp_view(loaded.model, "gradient"), [exchange], 2)[0]
    assert wanted.norm() > 0 and (found - wanted).norm() < 1e-6 * wanted.norm()  # its loss is in float32
    vectors, _ = item_vectors(loaded, [item], (2,), ("gradient",))
    assert (vectors["gradient.2"][0] - wanted[exchange.start - 1]).norm() < 1e-6 * wanted.norm()


def test_every_turn_and_every_end_of_turn_counts() -> None:
    """The four losses differ: no two of the settings are the same by accident."""
    loaded = tiny_loaded("qwen3")
    items = [Item(TALK, "a mammal", None, ended, turns) for ended in (True, False) for turns in ("all", "last")]
    vectors = item_vectors(loaded, items, (2,), ("gradient",))[0]["gradient.2"]
    distances = torch.cdist(vectors, vectors) / vectors.norm(dim=1)
    assert distances[~torch.eye(4, dtype=torch.bool)].min() > 0.01


def test_the_loss_of_a_pair_is_on_its_two_last_answers_alone() -> None:
    row = {"id": "a", "prompt": TALK.text, "system": TALK.system, "history": json.dumps(HISTORY)}
    (pair,) = row_items([row | {"chosen": "a mammal", "rejected": "a fish"}], raw=False, turns="all")
    single, other = (Item(TALK, text, turns="last") for text in ("a mammal", "a fish"))
    assert row_items([row | {"response": "a fish"}], raw=False, turns="last") == [other]
    loaded = tiny_loaded("llama")
    vectors, _ = item_vectors(loaded, [pair, single, other], (1, 3), ("gradient", "change"))
    for found in vectors.values():
        torch.testing.assert_close(found[0], found[1] - found[2], rtol=1e-5, atol=1e-9)
