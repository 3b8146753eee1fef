"""Models with parts that the rules do not cover are refused in words, whatever their weights and precision."""

import pytest
import torch
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel
from explorer.model.lrp import lrp_view
from tests.model.families import OTHERS, VOCABULARY, tiny_model

LRP = ("attnlrp", "cplrp")


def check_refusal(model: PreTrainedModel, rule: str) -> None:
    with pytest.raises(UncoveredModel) as caught:
        lrp_view(model, rule)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert 20 < len(message) < 400 and "\n" not in message and ". " not in message, message


@pytest.mark.parametrize("rule", LRP)
@pytest.mark.parametrize("family", OTHERS)
def test_other_families_are_refused_in_one_sentence(family: str, rule: str) -> None:
    check_refusal(tiny_model(family, dtype=torch.float32), rule)


@pytest.mark.parametrize("family", OTHERS)
def test_refusal_does_not_depend_on_precision(family: str) -> None:
    """Most models are loaded in bfloat16: its rounding must not hide a missing rule, whatever the weights."""
    for seed in range(6):
        check_refusal(tiny_model(family, dtype=torch.bfloat16, seed=seed), "cplrp")


@pytest.mark.parametrize("family", OTHERS)
def test_refusal_does_not_depend_on_the_weights(family: str) -> None:
    """With weights this small a model is almost linear, and hardly any relevance is lost."""
    model = tiny_model(family, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(1.0 if "norm" in name else 0.02)
    check_refusal(model, "cplrp")


@pytest.mark.parametrize("rule", LRP)
def test_a_head_that_bends_its_logits_is_refused(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("gemma3")
    own = torch.nn.Linear.forward
    bent = lambda self, x: torch.sin(own(self, x)) if self.out_features == VOCABULARY else own(self, x)  # noqa: E731
    monkeypatch.setattr(torch.nn.Linear, "forward", bent)
    check_refusal(model, rule)


@pytest.mark.parametrize("rule", LRP)
def test_a_block_that_only_its_later_kin_covers_is_refused(rule: str) -> None:
    """Blocks of one class are of several kinds here: each counts, not the last one alone."""
    types = ["linear_attention", "linear_attention", "full_attention"]
    model = tiny_model("qwen3_next", dtype=torch.float32, layer_types=types)
    check_refusal(model, rule)


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(ValueError, match="epsilon"):
        lrp_view(tiny_model("llama"), "epsilon")
