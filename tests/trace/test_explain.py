from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer import Failure, explain
from explorer.errors import PromptError
from explorer.model.prompts import encode_prompt
from explorer.trace.explain import RULES

FAILURE = Failure("What is the capital of Australia?", wrong="Sydney", right="Canberra")


@pytest.mark.parametrize("rule", RULES)
def test_json_of_every_rule(smollm, rule):
    explanation = explain(FAILURE, smollm, rule=rule)
    out = explanation.to_json()
    assert set(out) >= {"model", "rule", "contrast", "tokens", "total_relevance", "seconds"}
    assert out["contrast"]["logit_gap"] == pytest.approx(explanation.trace.gap)
    assert out["contrast"]["position"] == len(out["tokens"])
    assert sum(t["relevance"] for t in out["tokens"]) == pytest.approx(out["total_relevance"], abs=1e-4)
    assert explanation.trace.relevance.shape == (31, len(out["tokens"]))
    assert sorted(explanation.ranks) == list(range(1, len(out["tokens"]) + 1))


def test_gap_is_the_models_own(smollm):
    """Against the plain model's logits, asked directly."""
    explanation = explain(FAILURE, smollm)
    with torch.no_grad():
        logits = smollm.model(input_ids=torch.tensor([explanation.contrast.ids])).logits[0, -1]
    assert explanation.trace.gap == pytest.approx(
        (logits[explanation.contrast.target] - logits[explanation.contrast.foil]).item(), 1e-4
    )


def test_cplrp_adds_up_at_every_layer_of_the_embedded_model(smollm):
    explanation = explain(FAILURE, smollm, rule="cplrp")
    assert np.abs(explanation.trace.explained_share - 1).max() < 1e-3


def test_the_top_layer_holds_the_gap_at_the_last_token(smollm):
    for rule in ("attnlrp", "cplrp"):
        top = explain(FAILURE, smollm, rule=rule).trace.relevance[-1]
        assert np.count_nonzero(top[:-1]) == 0
        assert top[-1] == pytest.approx(explain(FAILURE, smollm).trace.gap, rel=1e-3)


def test_gradients_against_finite_differences(smollm):
    """Scaling one token's embedding by 1 ± ε moves the gap by ± ε · its gradient × input."""
    explanation = explain(FAILURE, smollm, rule="gradient")
    model, c = smollm.model, explanation.contrast
    embeddings = model.get_input_embeddings()(torch.tensor([c.ids]))
    for i in explanation.ranks.argsort()[:3]:
        gaps = []
        for step in (1.01, 0.99):
            moved = embeddings.clone()
            moved[0, i] *= step
            with torch.no_grad():
                logits = model(inputs_embeds=moved).logits[0, -1].double()
            gaps.append((logits[c.target] - logits[c.foil]).item())
        assert (gaps[0] - gaps[1]) / 0.02 == pytest.approx(float(explanation.relevance[i]), rel=0.05)


def test_loss_gradient_norms_against_autograd(smollm):
    """‖∂L/∂H‖ with L = −log p(target), by plain autograd through the model's own hidden states."""
    explanation = explain(FAILURE, smollm, rule="representation-gradient", layer=12)
    ids = torch.tensor([explanation.contrast.ids])
    embeddings = smollm.model.get_input_embeddings()(ids).detach().requires_grad_()
    out = smollm.model(inputs_embeds=embeddings, output_hidden_states=True)
    loss = torch.nn.functional.cross_entropy(out.logits[0, -1:], torch.tensor([explanation.contrast.target]))
    gradient = torch.autograd.grad(loss, out.hidden_states[12])[0][0]
    assert explanation.trace.loss_gradient is not None
    assert np.allclose(explanation.trace.loss_gradient[12], gradient.norm(dim=-1).numpy(), rtol=1e-3, atol=1e-7)


def test_whole_answer_gap_is_a_difference_of_log_probabilities(smollm):
    explanation = explain(FAILURE, smollm, whole=True)
    prompt = encode_prompt(smollm, FAILURE.as_prompt()).ids
    sums = []
    for answer in (explanation.contrast.wrong_ids, explanation.contrast.right_ids):
        with torch.no_grad():
            log_p = smollm.model(input_ids=torch.tensor([(*prompt, *answer)])).logits[0].log_softmax(-1)
        sums.append(sum(log_p[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)))
    assert explanation.trace.gap == pytest.approx(sums[0] - sums[1], abs=1e-3)
    assert explanation.unit == "nats"
    assert len(explanation.tokens) == len(prompt)


def test_views_of_the_relevance_agree(smollm):
    explanation = explain(replace(FAILURE, evidence="Australia"), smollm)
    totals = explanation.segment_totals()
    assert set(totals) == {"user", "evidence", "template"}
    assert sum(high + low for high, low, _ in totals.values()) == pytest.approx(
        float(explanation.relevance.sum()), abs=1e-5
    )
    assert sum(n for *_, n in totals.values()) == len(explanation.tokens)
    assert [v for _, v in explanation.strongest(+1)] == sorted((v for _, v in explanation.strongest(+1)), reverse=True)
    assert all(v < 0 for _, v in explanation.strongest(-1))
    assert "towards the wrong answer" in explanation.table()


def test_what_can_not_be_explained(smollm):
    with pytest.raises(PromptError, match="expected one of attnlrp"):
        explain(FAILURE, smollm, rule="magic")
    for layer in (-1, 31):
        with pytest.raises(PromptError, match=r"expected 0 \(embeddings\) to 30 \(last block\)"):
            explain(FAILURE, smollm, layer=layer)


def test_in_context_the_first_token_keeps_only_what_is_its_own(smollm):
    """The article that a raw prompt begins with is an attention sink: at the embeddings it is the reddest token."""
    failure = Failure("The cat", wrong="is", right="are", raw=True)
    explanation = explain(failure, smollm, rule="attnlrp-context")
    embeddings = explanation.at("attnlrp", 0).relevance
    assert explanation.layer == 2 and explanation.trace.rule == "attnlrp"
    assert embeddings.argmax() == 0 and explanation.relevance.argmax() == 1
    same_layer = explanation.at("attnlrp", 2).relevance
    assert explanation.relevance[1:] == pytest.approx(same_layer[1:])
    assert abs(explanation.relevance[0]) < 0.1 * abs(same_layer[0])
    total = explanation.relevance.sum() / explanation.trace.gap
    assert explanation.explained_share == pytest.approx(total)
    whole = explain(replace(failure, wrong="is big", right="are big"), smollm, rule="attnlrp-context", whole=True)
    assert abs(whole.relevance[0]) < abs(whole.at("attnlrp", 2).relevance[0])


def test_answers_that_differ_in_a_space_have_two_names(smollm):
    explanation = explain(Failure("What is the capital of Turkey?", "Ankara", " Ankara"), smollm)
    assert explanation.sides == ("Ankara", "␣Ankara")
    assert "'Ankara' over '␣Ankara'" in explanation.table()
    assert explain(Failure("What is it?", "\nYes", "Yes"), smollm).sides == ("⏎Yes", "Yes")
