"""Rules on operations: each against the rule's formula, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.errors import UncoveredModel
from explorer.model.lrp import lrp_view
from explorer.model.op_rules import Rules
from tests.model.families import tiny_model

RULES = ("attnlrp", "cplrp")


@dataclass
class State:
    """What Rules knows of a view."""

    rule: str
    constants: list[Tensor] | None = None


def gradients(rule: str, function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor | None]:
    """∂ Σ function / ∂ inputs under a rule; the value must be the function's own."""
    leaves = [x.double().requires_grad_() for x in inputs]
    entering = [1.0 * x for x in leaves]  # as in a model, where nothing that is looked at is a leaf
    with Rules(State(rule)):
        y = function(*entering)
    torch.testing.assert_close(y, function(*[x.detach().clone() for x in leaves]))
    return list(torch.autograd.grad(y.sum(), leaves, allow_unused=True))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(0.79788456 * (x + 0.044715 * torch.pow(x, 3.0))))


CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "relu in place": lambda x: (x * 1.0).relu_(),
    "squared relu": lambda x: F.relu(x).square(),
    "soft cap": lambda x: 3.0 * torch.tanh(x / 3.0),
    "bounds": lambda x: x.clamp(min=-0.5, max=0.7),
    "swish, written out": lambda x: x * torch.sigmoid(1.702 * x),
    "swish, the other way": lambda x: torch.sigmoid(1.702 * x) * x,
    "gelu, written out": written_gelu,
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", CURVES)
def test_an_activation_has_the_gradient_act_x_over_x(name: str, rule: str) -> None:
    x = drawn(40)
    (found,) = gradients(rule, CURVES[name], x)
    torch.testing.assert_close(found, CURVES[name](x.clone()) / x)


NORMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "layer norm without weight": (
        lambda x: F.layer_norm(x, (8,)),
        lambda g: g - g.mean(-1, keepdim=True),
    ),
    "rms norm": (lambda x: F.rms_norm(x, (8,), None, 1e-5), lambda g: g),
    "rms norm, written out": (lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5), lambda g: g),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NORMS)
def test_what_a_norm_divides_by_is_a_constant(name: str, rule: str) -> None:
    norm, backward = NORMS[name]
    x, weights = drawn(3, 8), drawn(3, 8, seed=1)
    centred = x - x.mean(-1, keepdim=True) if "layer" in name else x
    inverse = 1 / torch.sqrt((centred * centred).mean(-1, keepdim=True) + 1e-5)
    (found,) = gradients(rule, lambda x: norm(x) * weights, x)
    torch.testing.assert_close(found, backward(weights * inverse))


def test_unit_length() -> None:
    x = drawn(3, 8)
    (found,) = gradients("cplrp", lambda x: F.normalize(x, dim=-1), x)
    torch.testing.assert_close(found, (1 / x.norm(dim=-1, keepdim=True)).expand_as(x))


@pytest.mark.parametrize("function", (torch.mul, torch.matmul, lambda a, b: torch.einsum("ij,jk->ik", a, b)))
def test_a_product_halves_both_gradients_under_attnlrp(function: Callable[..., Tensor]) -> None:
    a, b = drawn(4, 4), drawn(4, 4, seed=1)
    found = gradients("attnlrp", function, a, b)
    leaves = [a.clone().requires_grad_(), b.clone().requires_grad_()]
    plain = torch.autograd.grad(function(*leaves).sum(), leaves)
    for half, whole in zip(found, plain, strict=True):
        torch.testing.assert_close(half, whole / 2)


GATED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "silu": (lambda g, u: F.silu(g) * u, F.silu),
    "the other way": (lambda g, u: u * F.silu(g), F.silu),
    "softmax, the largest two": (
        lambda g, u: u[..., :2] * g.softmax(-1).topk(2).values,
        lambda g: g.softmax(-1).topk(2).values,
    ),
    "glu": (lambda g, u: F.glu(torch.cat([u, g], -1)), torch.sigmoid),
    "in place": (lambda g, u: (1.0 * u).mul_(torch.sigmoid(g)), torch.sigmoid),
}


@pytest.mark.parametrize("name", GATED)
def test_a_gate_is_a_constant_under_cplrp(name: str) -> None:
    function, gate = GATED[name]
    g, u = drawn(4, 6), drawn(4, 6, seed=1)
    to_gate, to_value = gradients("cplrp", function, g, u)
    wanted = torch.zeros_like(u)
    wanted[..., : gate(g).shape[-1]] = gate(g)
    torch.testing.assert_close(to_value, wanted)
    if name == "glu":  # one tensor holds both: its gate's half has no gradient
        assert to_gate is not None and not to_gate.any()
    else:
        assert to_gate is None


@pytest.mark.parametrize("rule", RULES)
def test_an_expert_that_a_short_text_does_not_reach_has_its_rules(rule: str) -> None:
    """Rules are put on classes of modules, not on those alone that ran when the view was made."""
    view = lrp_view(tiny_model("qwen3_moe", num_hidden_layers=3), rule)
    experts = [module for module in view.modules() if type(module).__name__ == "Qwen3MoeExperts"]
    assert len(experts) == 3 and all("forward" in vars(module) for module in experts)


def test_operations_that_only_a_long_text_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = nn.Linear.forward

    def late(self: nn.Linear, x: Tensor) -> Tensor:
        y = own(self, x)
        gate = torch.sigmoid(y)
        return y * (gate / gate) if self.out_features == 48 and x.shape[1] > 30 else y  # the same states

    monkeypatch.setattr(nn.Linear, "forward", late)
    with pytest.raises(UncoveredModel, match="its LlamaMLP runs other operations on a long text"):
        lrp_view(tiny_model("llama", dtype=torch.float32), "cplrp")
