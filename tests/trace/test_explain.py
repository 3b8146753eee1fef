from typing import Any

import numpy as np
import pytest
import torch

from explorer import explain
from explorer.errors import PromptError
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.explain import RULES

QUESTION: dict[str, Any] = {"prompt": "What is the capital of Australia?", "wrong": "Sydney", "right": "Canberra"}


@pytest.mark.parametrize("rule", RULES)
def test_json_of_every_rule(smollm, rule):
    shown = explain(**QUESTION, model=smollm, rule=rule)
    out = shown.to_json()
    assert set(out) >= {"model", "rule", "contrast", "tokens", "total_relevance", "seconds"}
    assert out["contrast"]["logit_gap"] == pytest.approx(shown.trace.gap)
    assert out["contrast"]["position"] == len(out["tokens"])
    assert sum(t["relevance"] for t in out["tokens"]) == pytest.approx(out["total_relevance"], abs=1e-4)
    assert shown.trace.relevance.shape == (31, len(out["tokens"]))
    assert sorted(shown.ranks) == list(range(1, len(out["tokens"]) + 1))


def test_gap_is_the_models_own(smollm):
    """Against the plain model's logits, asked directly."""
    shown = explain(**QUESTION, model=smollm)
    with torch.no_grad():
        logits = smollm.model(input_ids=torch.tensor([shown.contrast.ids])).logits[0, -1]
    assert shown.trace.gap == pytest.approx((logits[shown.contrast.target] - logits[shown.contrast.foil]).item(), 1e-4)


def test_cplrp_adds_up_at_every_layer_of_the_embedded_model(smollm):
    shown = explain(**QUESTION, model=smollm, rule="cplrp")
    assert np.abs(shown.trace.explained_share - 1).max() < 1e-3


def test_the_top_layer_holds_the_gap_at_the_last_token(smollm):
    for rule in ("attnlrp", "cplrp"):
        top = explain(**QUESTION, model=smollm, rule=rule).trace.relevance[-1]
        assert np.count_nonzero(top[:-1]) == 0
        assert top[-1] == pytest.approx(explain(**QUESTION, model=smollm).trace.gap, rel=1e-3)


def test_gradients_against_finite_differences(smollm):
    """Scaling one token's embedding by 1 ± ε moves the gap by ± ε · its gradient × input."""
    shown = explain(**QUESTION, model=smollm, rule="gradient")
    model, c = smollm.model, shown.contrast
    embeddings = model.get_input_embeddings()(torch.tensor([c.ids]))
    for i in shown.ranks.argsort()[:3]:
        gaps = []
        for step in (1.01, 0.99):
            moved = embeddings.clone()
            moved[0, i] *= step
            with torch.no_grad():
                logits = model(inputs_embeds=moved).logits[0, -1].double()
            gaps.append((logits[c.target] - logits[c.foil]).item())
        assert (gaps[0] - gaps[1]) / 0.02 == pytest.approx(float(shown.relevance[i]), rel=0.05)


def test_loss_gradient_norms_against_autograd(smollm):
    """‖∂L/∂H‖ with L = −log p(target), by plain autograd through the model's own hidden states."""
    shown = explain(**QUESTION, model=smollm, rule="representation-gradient", layer=12)
    ids = torch.tensor([shown.contrast.ids])
    embeddings = smollm.model.get_input_embeddings()(ids).detach().requires_grad_()
    out = smollm.model(inputs_embeds=embeddings, output_hidden_states=True)
    loss = torch.nn.functional.cross_entropy(out.logits[0, -1:], torch.tensor([shown.contrast.target]))
    gradient = torch.autograd.grad(loss, out.hidden_states[12])[0][0]
    assert shown.trace.loss_gradient is not None
    assert np.allclose(shown.trace.loss_gradient[12], gradient.norm(dim=-1).numpy(), rtol=1e-3, atol=1e-7)


def test_whole_answer_gap_is_a_difference_of_log_probabilities(smollm):
    shown = explain(**QUESTION, model=smollm, whole=True)
    prompt = encode_prompt(smollm, Prompt(QUESTION["prompt"])).ids
    sums = []
    for answer in (shown.contrast.wrong_ids, shown.contrast.right_ids):
        with torch.no_grad():
            log_p = smollm.model(input_ids=torch.tensor([(*prompt, *answer)])).logits[0].log_softmax(-1)
        sums.append(sum(log_p[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)))
    assert shown.trace.gap == pytest.approx(sums[0] - sums[1], abs=1e-3)
    assert shown.unit == "nats"
    assert len(shown.tokens) == len(prompt)


def test_views_of_the_relevance_agree(smollm):
    shown = explain(**QUESTION, model=smollm, evidence="Australia")
    totals = shown.segment_totals()
    assert set(totals) == {"user", "evidence", "template"}
    assert sum(high + low for high, low, _ in totals.values()) == pytest.approx(float(shown.relevance.sum()), abs=1e-5)
    assert sum(n for *_, n in totals.values()) == len(shown.tokens)
    assert [v for _, v in shown.strongest(+1)] == sorted((v for _, v in shown.strongest(+1)), reverse=True)
    assert all(v < 0 for _, v in shown.strongest(-1))
    assert "towards the wrong answer" in shown.table()


def test_what_can_not_be_explained(smollm):
    with pytest.raises(PromptError, match="expected one of attnlrp"):
        explain(**QUESTION, model=smollm, rule="magic")
    for layer in (-1, 31):
        with pytest.raises(PromptError, match=r"expected 0 \(embeddings\) to 30 \(last block\)"):
            explain(**QUESTION, model=smollm, layer=layer)
