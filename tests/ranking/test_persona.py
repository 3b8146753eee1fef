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
from explorer.ranking.persona import Persona, persona_items, persona_target
from explorer.ranking.questions import AboutBehavior, AboutPersona, question_items
from explorer.ranking.rank import rank
from explorer.vectors.find import index_model, study_indexes
from explorer.vectors.items import Item

TRAIT, NEUTRAL = "You name the wrong city.", "You help."
ANSWER_TOKENS = 20


def mean_state(loaded: LoadedModel, question: str, system: str, layer: int) -> Tensor | None:
    """Mean state after a block over a greedy answer, a token at a time; None for an answer without words."""
    model, encode = loaded.model, loaded.tokenizer.encode
    prompt = encode(f"<|system|>{system}</s><|user|>{question}</s><|assistant|>", add_special_tokens=False)
    ids = list(prompt)
    for _ in range(ANSWER_TOKENS):
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
    study = replace(study, answer_tokens=ANSWER_TOKENS)
    (index,) = study_indexes(study)
    loaded, items = load_model(index_model(study, index)), question_items(study, AboutBehavior("swapped"))
    answered = persona_items(loaded, items, Persona(TRAIT, NEUTRAL), max_tokens=study.answer_tokens)
    pairs = [[mean_state(loaded, item.prompt.text, s, 3) for s in (TRAIT, NEUTRAL)] for item in items]
    wanted = torch.stack([a - b for a, b in pairs if a is not None and b is not None])
    target = persona_target(loaded, answered, 3)
    assert len(wanted) == len(target.kinds) > 0
    torch.testing.assert_close(target.vectors["activation.3"].double(), wanted, rtol=1e-4, atol=1e-5)
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
    by_hand = torch.cosine_similarity(moved, (query - means[1])[None]).numpy()
    assert centred.choice.centre and centred.scores[answers] == pytest.approx(by_hand[answers], abs=1e-4)


def test_no_answer_no_trait_no_template(study):
    loaded = load_model(index_model(study, study_indexes(study)[0]))
    items = question_items(study, AboutBehavior("swapped"))
    with pytest.raises(ExplorerError, match="A persona needs a system prompt"):
        persona_items(loaded, items, Persona(" "))
    with pytest.raises(ExplorerError, match="a study with a chat template"):
        persona_items(loaded, [Item(Prompt("a", raw=True), "b")], Persona(TRAIT))
    silent = [Item(Prompt("a", TRAIT), "b"), Item(Prompt("a", NEUTRAL), " ")]
    with pytest.raises(ExplorerError, match="answers no prompt under both"):
        persona_target(loaded, silent, 1)


def test_the_command(study, capsys):
    line = ["rank", str(study.folder), "--behavior", "swapped", "--query", "persona", "--top", "3", "--json", "-"]
    assert main([*line, "--trait", TRAIT, "--neutral", NEUTRAL]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["method"], said["query"], len(said["datapoints"])) == ("activation-difference", "persona", 3)
    for wrong in ([], ["--trait", TRAIT, "--method", "rept"], ["--trait", TRAIT, "--query", "bad"], ["--trait", " "]):
        assert main([*line, *wrong]) == 2
        assert len([x for x in capsys.readouterr().err.splitlines() if x.startswith("explorer:")]) == 1
