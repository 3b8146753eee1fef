"""Persona queries against greedy decoding, states and cosines one at a time, by the plain model of transformers."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explorer.cli.main import main
from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, load_model
from explorer.model.prompts import Prompt
from explorer.ranking.directions import Control, Persona, about_systems, system_directions, system_items
from explorer.ranking.questions import AboutBehavior, AboutPersona, question_items
from explorer.ranking.rank import rank
from explorer.vectors.find import index_model, study_indexes
from explorer.vectors.items import Item
from explorer.vectors.methods import METHODS
from tests.pages.data_study import SYSTEMS

TRAIT, NEUTRAL = "You name the wrong city.", "You help."


def mean_state(loaded: LoadedModel, question: str, system: str, layer: int) -> Tensor | None:
    """Mean state after a block over a greedy answer, a token at a time; None for an answer without words."""
    model, encode = loaded.model, loaded.tokenizer.encode
    prompt = encode(f"<|system|>{system}</s><|user|>{question}</s><|assistant|>", add_special_tokens=False)
    ids = list(prompt)
    for _ in range(28):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == loaded.tokenizer.eos_token_id:
            break
    answer = str(loaded.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)).strip()
    whole = prompt + encode(answer, add_special_tokens=False)
    if not answer:
        return None
    seen: list[Tensor] = []
    hook = model.model.layers[layer - 1].register_forward_hook(lambda _m, _a, out: seen.append(out))
    model(torch.tensor([whole]))
    hook.remove()
    state = seen[0] if isinstance(seen[0], Tensor) else seen[0][0]
    return state.reshape(len(whole), -1)[len(prompt) :].double().mean(0)


@torch.no_grad()
def test_scores_are_cosines_with_the_mean_difference(study):
    (index,), study = study_indexes(study), replace(study, answer_tokens=28)
    loaded, items = load_model(index_model(study, index)), question_items(study, AboutBehavior("swapped"))
    answered = system_items(loaded, items, Persona(TRAIT, NEUTRAL), 28)
    pairs = [[mean_state(loaded, item.prompt.text, s, 3) for s in (TRAIT, NEUTRAL)] for item in items]
    wanted = torch.stack([a - b for a, b in pairs if a is not None and b is not None])
    direction = system_directions(loaded, answered, [3])[3]
    assert len(wanted) == len(direction) > 0
    torch.testing.assert_close(direction.double(), wanted, rtol=1e-4, atol=1e-5)
    rows, query = index.rows("activation", 3, torch.arange(60)).double(), wanted.mean(0)
    question = AboutPersona(AboutBehavior("swapped"), Persona(TRAIT, NEUTRAL))
    found = rank(study, question, layer=3, centre=False)
    plain = torch.cosine_similarity(rows, query[None]).numpy()
    answers = index.kinds.numpy() > 0
    assert found.scores[answers] == pytest.approx(plain[answers], abs=1e-4)
    assert not answers[10] and found.scores[10] != found.scores[10]
    assert (found.choice.method, found.choice.query, found.choice.layer) == ("activation-difference", "persona", 3)
    centred = rank(study, question, layer=3)
    means = torch.stack([rows[index.kinds == kind].mean(0) for kind in (1, 2)])
    moved = rows - means[index.kinds.long().clamp(min=1) - 1]
    by_hand = torch.cosine_similarity(moved, query[None]).numpy()  # a direction has no mean to subtract
    assert centred.choice.centre and centred.scores[answers] == pytest.approx(by_hand[answers], abs=1e-4)


def test_no_answer_no_trait_no_template(study):
    loaded = load_model(index_model(study, study_indexes(study)[0]))
    items = question_items(study, AboutBehavior("swapped"))
    with pytest.raises(ExplorerError, match="A persona needs a system prompt"):
        system_items(loaded, items, Persona(" "), 8)
    with pytest.raises(ExplorerError, match="a study with a chat template"):
        system_items(loaded, [Item(Prompt("a", raw=True), "b")], Control(TRAIT, NEUTRAL), 8)
    silent = [Item(Prompt("a", TRAIT), "b"), Item(Prompt("a", NEUTRAL), " ")]
    with pytest.raises(ExplorerError, match="answers no prompt under both"):
        system_directions(loaded, silent, [1])


def test_a_control_reads_the_same_answers_under_both_systems(study):
    (index,) = study_indexes(study)
    loaded, items = load_model(index_model(study, index)), question_items(study, AboutBehavior("swapped"))
    answered = system_items(loaded, items, Control(TRAIT, NEUTRAL), 8)
    assert [item.answer for item in answered] == [item.answer for item in items] * 2
    assert [item.prompt.system for item in answered] == [TRAIT] * 3 + [NEUTRAL] * 3


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.parts])
def test_a_direction_against_every_methods_vectors(study, method):
    """By hand: d against states and changes, −d against loss gradients; parts that are averaged each on its own."""
    (index,) = study_indexes(study)
    question = AboutPersona(AboutBehavior("swapped"), Control(TRAIT, NEUTRAL))
    if method == "lora-gradient":
        with pytest.raises(ExplorerError, match="'lora-gradient' does not fit this question"):
            rank(study, question, method=method)
        return
    loaded, items = load_model(index_model(study, index)), question_items(study, AboutBehavior("swapped"))
    answered = system_items(loaded, items, Control(TRAIT, NEUTRAL), 8)
    d = system_directions(loaded, answered, [3])[3].mean(0).double()
    used = METHODS[method]
    rows = {part: index.rows(part, 3, torch.arange(60)).double() for part in used.parts}
    sides = {part: -d if part == "gradient" else d for part in used.parts}
    if used.blend == "averaged":
        each = [torch.cosine_similarity(rows[part], sides[part][None]) for part in used.parts]
        wanted = torch.stack(each).mean(0)
    else:
        wanted = torch.cosine_similarity(torch.cat([*rows.values()], 1), torch.cat([*sides.values()])[None])
    answers = index.kinds.numpy() > 0
    found = rank(study, question, method=method, layer=3, centre=False)
    assert found.scores[answers] == pytest.approx(wanted.numpy()[answers], abs=2e-4)
    assert found.choice.query == "control"
    dot = rank(study, question, method=method, layer=3, centre=False, measure="dot")
    products = torch.stack([rows[part] @ sides[part] for part in used.parts])
    products = products.mean(0) if used.blend == "averaged" else products.sum(0)
    assert dot.scores[answers] == pytest.approx(products.numpy()[answers], rel=1e-3, abs=1e-3)


def test_system_prompts_of_the_behavior_and_of_the_caller(study):
    behavior = study.behavior("swapped")
    assert about_systems("persona", behavior) == Persona(SYSTEMS["asks"])
    assert about_systems("persona", behavior, trait="T", neutral="") == Persona("T", "")
    assert about_systems("control", behavior) == Control(*SYSTEMS.values())
    assert about_systems("control", asks="A", forbids="F") == Control("A", "F")
    assert about_systems("bank", behavior) is None
    wrong = (("persona", {}), ("control", {"asks": "A"}), ("bad", {"trait": "T"}), ("persona", {"asks": "A"}))
    for query, given in wrong:
        with pytest.raises(ExplorerError):
            about_systems(query, (), **given)


def test_the_command(study, capsys):
    line = ["rank", str(study.folder), "--behavior", "swapped", "--top", "3", "--json", "-"]

    def said(*more: str) -> dict:
        assert main([*line, *more]) == 0
        return json.loads(capsys.readouterr().out)

    persona = said("--query", "persona", "--trait", TRAIT, "--neutral", NEUTRAL)
    assert (persona["method"], persona["query"], len(persona["datapoints"])) == ("activation-difference", "persona", 3)
    assert said("--query", "persona", "--trait", TRAIT, "--method", "rept")["method"] == "rept"
    control = said("--query", "control", "--method", "residual-change", "--measure", "dot")
    assert (control["query"], control["measure"]) == ("control", "dot")
    like = ["rank", str(study.folder), "--like", "r3", "--method", "gradient", "--json", "-", "--tokens"]
    assert main(like) == 0
    first = json.loads(capsys.readouterr().out)["datapoints"][0]
    assert first["id"] == "r3" and first["score"] == pytest.approx(1, abs=1e-3)
    assert first["common"] + sum(t["score"] for t in first["tokens"]) == pytest.approx(1, abs=0.01)
    node = ["rank", str(study.folder), "--failure", "f", "--node", "3:4", "--method", "residual-change", "--json", "-"]
    assert main([*node, "--half", "gradient"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "residual-change"
    wrong = (
        ["--query", "persona", "--trait", " "],
        ["--query", "persona", "--trait", TRAIT, "--method", "lora-gradient"],
        ["--query", "bad", "--trait", TRAIT],
        ["--node", "3:4"],
        ["--query", "control", "--asks", ""],
    )
    for more in wrong[:-1]:
        assert main([*line, *more]) == 2, more
        assert len([x for x in capsys.readouterr().err.splitlines() if x.startswith("explorer:")]) == 1
    assert main([*node[:-1], "-", "--node", "x"]) == 2
