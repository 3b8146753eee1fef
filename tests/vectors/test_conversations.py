"""The loss of a conversation is the one that training had: that of TRL's own mask on the joint text of the chat."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from explorer.cli.main import main
from explorer.data.study import open_study
from explorer.errors import PromptError
from explorer.model.load import LoadedModel
from explorer.model.lrp import lrp_view
from explorer.model.prompts import Prompt, encode_prompt
from explorer.vectors.build import cut_sentence
from explorer.vectors.find import outdated_indexes, study_indexes
from explorer.vectors.items import Item, item_vectors, row_items, study_items
from explorer.vectors.one_pass import position_gradients
from explorer.vectors.tokenize import encode_exchanges
from tests.vectors.reference import blocks
from tests.vectors.tiny import build, row, tiny_loaded, tiny_study

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


@pytest.mark.parametrize(
    ("prompt", "turns", "ended"),  # TRL's mask always has the end of earlier answers
    ((SINGLE, "all", True), (SINGLE, "all", False), (TALK, "last", True), (TALK, "last", False), (TALK, "all", True)),
)
def test_the_gradient_is_that_of_the_loss_on_the_joint_chat(prompt: Prompt, turns: str, ended: bool) -> None:
    loaded = tiny_loaded("qwen3")
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


def test_a_build_counts_the_rows_that_it_cut(tmp_path: Path, model: Path) -> None:
    """The tiny model reads 128 tokens; counted over all shards, and the same after a shard was made again."""
    words, history = "a whale is a mammal " * 40, json.dumps([["user", "two"], ["assistant", "four " * 200]])
    rows = [row(0, "four"), row(1, words), row(2, pair=("a", words)), row(3, "a"), row(4, " "), row(5, "a fish")]
    study = tiny_study(tmp_path, model, [*rows, row(6, "a fish", history=history), row(7, "four")])
    index = build(study, layers=(1,), parts=("state",))
    assert index.manifest.notes["cut"] == 3
    assert cut_sentence(index.manifest).startswith("3 rows of 8 cut, as longer than 128 tokens: the middle of")
    assert "--max-tokens" not in cut_sentence(index.manifest)  # the model reads no more
    (index.folder / index.manifest.shards[0][0]).write_bytes(b"")
    assert build(study, layers=(1,), parts=("state",)).manifest.notes["cut"] == 3
    short = tiny_study(tmp_path / "short", model, rows[:1])
    assert cut_sentence(build(short, layers=(1,), parts=("state",)).manifest) == ""


def test_a_template_that_refuses_an_order_of_turns_says_which(smollm: LoadedModel) -> None:
    tokenizer = copy.deepcopy(smollm.tokenizer)
    tokenizer.chat_template = "{{ raise_exception('Roles must alternate.') }}"
    loaded = LoadedModel(smollm.spec, smollm.model, tokenizer)
    said = r"refuses the turns user, assistant, user, user that end in 'a whale is\?': Roles must alternate\."
    with pytest.raises(PromptError, match=said):
        encode_prompt(loaded, Prompt("a whale is?", history=HISTORY))


def test_segments_of_a_conversation(smollm: LoadedModel) -> None:
    steps = (("assistant", "look(whale)"), ("tool", "mammal"))
    encoded = encode_prompt(smollm, Prompt("a whale is?", "Be brief.", history=HISTORY, steps=steps))
    found = {
        name: "".join(t.text for t in encoded.tokens if t.segment == name) for name in ("user", "assistant", "system")
    }
    assert found["system"] == "Be brief." and found["user"] == "two plus two?anda whale is?"
    assert found["assistant"] == "four, never eightlook(whale)"
    assert "mammal" in "".join(t.text for t in encoded.tokens if t.segment == "template")


def test_searches_read_all_turns() -> None:
    (item,) = row_items([{"id": "a", "prompt": "p", "response": "r", "history": json.dumps(HISTORY)}], raw=False)
    assert item.text == "p r two plus two? four, never eight and"


def test_a_raw_study_leaves_out_the_end_of_an_answer_unless_it_says_otherwise(tmp_path: Path, model: Path) -> None:
    for name, lines, ends in (("raw", "", False), ("told", "end_of_turn = true\n", True)):
        study = tiny_study(tmp_path / name, model, [row(0, "four")], template="raw")
        settings = (study.folder / "study.toml").read_text().splitlines()
        kept = [line for line in settings if not line.startswith("end_of_turn")]
        (study.folder / "study.toml").write_text("\n".join(kept) + "\n" + lines)
        study = open_study(study.folder)
        (item,) = study_items(study, study.datapoints())
        assert study.end_of_turn == item.ended == ends
        assert encode_exchanges(tiny_loaded(), item.replies)[0].ended == ends


def test_a_study_says_how_long_its_rows_are_read(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture) -> None:
    words = "a whale is a mammal " * 8
    study = tiny_study(tmp_path / "study", model, [row(0, "four"), row(1, words)], max_tokens=40)
    short = build(study, layers=(1,), parts=("state", "gradient"))
    told = "1 row of 2 cut, as longer than 40 tokens"
    assert cut_sentence(short.manifest).startswith(told) and "the model reads 128" in cut_sentence(short.manifest)
    assert study_indexes(study)[0].folder == short.folder
    assert main(["build", str(study.folder), "--layers", "1", "--max-tokens", "100"]) == 0
    assert "cut, as" not in capsys.readouterr().err
    again = open_study(study.folder)
    assert again.max_tokens == 100 and replace(again, max_tokens=40) == study
    (index,) = study_indexes(again)
    assert index.folder != short.folder and "'max_tokens' has changed" in outdated_indexes(again)
    for wrong in ("3", "999999999"):
        assert main(["build", str(study.folder), "--max-tokens", wrong]) == 2
        assert "'max_tokens'" in capsys.readouterr().err and open_study(study.folder) == again


def test_vectors_of_rows_that_were_cut_in_another_way_are_old(tmp_path: Path, model: Path) -> None:
    long = tiny_study(tmp_path / "long", model, [row(0, "four"), row(1, "four", prompt="a whale " * 200)])
    short = tiny_study(tmp_path / "short", model, [row(0, "four")])
    for study, old in ((long, True), (short, False)):
        index = build(study, layers=(1,), parts=("state",))
        assert index.manifest.made_from.pop("cutting", None) == (2 if old else None)
        index.manifest.write(index.folder)  # as an older version wrote it
        assert bool(study_indexes(study)) != old
    assert "cut long rows" in outdated_indexes(long)
