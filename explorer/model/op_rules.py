"""The rules of ``lrp.py`` on operations of torch, so that they follow what a model computes, whoever wrote it.

A view's forward pass runs inside ``Rules``, which sees every operation on tensors that gradients flow through:

- a **product** of two such tensors (gate × up, routing weight × expert, q·k, probabilities × v) halves the gradients of
  both under AttnLRP; under CP-LRP the factor that is a *gate* is a constant;
- an **activation** that is 0 at 0 has the gradient act(x)/x; soft-capping, cap · tanh(x / cap), is one;
- **norms**: what divides by a root of squares is a constant;
- **softmax and sigmoid** keep their gradient, as in attention; under CP-LRP the product that follows cuts it off.

A gate is what comes from an activation, a softmax or a sigmoid and was not mixed by a linear map since. A product of
two functions of one tensor, x · sigmoid(αx), is an activation that is written out: the gate in it is a constant.
``coverage.py`` measures whether all this leaves a model without a part that has no rule.
"""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from explorer.model.gradients import Curve, activated, at_zero, scale_gradient
from explorer.model.hooks import hooked
from explorer.model.residual import recorded_residual, wide


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BOUNDS = _names("clamp clip clamp_max clamp_min hardtanh")
_ACTIVATIONS = _BOUNDS | _names(
    "silu gelu relu relu_ relu6 leaky_relu elu celu selu mish tanh tanh_ hardswish softsign square pow"
)
_ROOTS = _names("rsqrt sqrt norm linalg_vector_norm linalg_norm")
_BY_ENTRY = _names("mul multiply mul_")
_PRODUCTS = _BY_ENTRY | _names("matmul bmm mm")
_SUMS = _names("add sub __rsub__ rsub")
_OTHERS = _names("einsum baddbmm scaled_dot_product_attention glu layer_norm rms_norm normalize")
_CHECKED = _SUMS | _names("softmax sigmoid div div_")
_RULED = _ACTIVATIONS | _ROOTS | _PRODUCTS | _CHECKED | _OTHERS

_GATE_NODES = ("Proportional", "Curve", "Softmax", "Sigmoid", "Hardsigmoid")
_END_NODES = ("Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "Convolution", "Embedding", "Grouped", "ScaledDot")
_ELEMENTWISE_NODES = (
    *(
        "Proportional",
        "Bounded",
        "Curve",
        "ScaleGradient",
        "Sigmoid",
        "Tanh",
        "Exp",
        "Mul",
        "Div",
        "Add",
        "Sub",
        "Rsub",
    ),
    *("Pow", "Neg", "Abs", "ToCopy", "Clone"),
)
"""How the names of autograd's nodes begin: gates; linear maps, behind which no gate is sought; curves."""
_STEPS = 24
"""How many operations back a gate is sought."""


def _is_gate(x: Tensor) -> bool:
    """Whether a tensor comes from activations, softmaxes or sigmoids, and constants, with no linear map since."""
    return _sources(x.grad_fn, _STEPS) in ({"gate"}, {"gate", "constant"})


def _sources(node: Any, steps: int) -> set[str]:
    """What an operation's value comes from: "gate", "constant", "other"."""
    if node is None or not steps or node.name().startswith(_END_NODES):
        return {"other"}
    if node.name().startswith(_GATE_NODES):
        return {"gate"}
    if isinstance(getattr(node, "variable", None), nn.Parameter):
        return {"constant"}
    below = [inner for inner, _ in node.next_functions if inner is not None]
    return set().union(*(_sources(inner, steps - 1) for inner in below)) if below else {"other"}


def _root(x: Tensor) -> tuple[Any, int]:
    """The node of the graph, and its output, that a tensor is a function of, entry by entry."""
    return (id(x), 0) if x.grad_fn is None else _root_node(x.grad_fn, x.output_nr, _STEPS)


def _root_node(node: Any, output: int, steps: int) -> tuple[Any, int]:
    below = [edge for edge in node.next_functions if edge[0] is not None]
    if not steps or not below or not node.name().startswith(_ELEMENTWISE_NODES):
        return node, output
    roots = {_root_node(node, output, steps - 1) for node, output in below}
    return roots.pop() if len(roots) == 1 else (node, output)


def attention_factors(rule: str, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What enters an attention that is one operation: both products have the rule's gradients."""
    if rule == "cplrp":
        return query.detach(), key.detach(), value
    return scale_gradient(query, 1 / 4), scale_gradient(key, 1 / 4), scale_gradient(value, 1 / 2)


class _Depth(threading.local):
    value = 0


_depth = _Depth()


def under_rules(state: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    """A module's forward with the rules of a view's state; nested calls share one mode."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if _depth.value:
            return forward(*args, **kwargs)
        _depth.value += 1
        try:
            with Rules(state):
                return forward(*args, **kwargs)
        finally:
            _depth.value -= 1

    return run


def ruled_classes(view: PreTrainedModel, ids: Tensor) -> set[type]:
    """Classes of the modules whose own code, without that of their children, runs an operation that has a rule.

    Watched in one pass over ids (1, T). Rules are put on these modules alone, as seeing every operation takes time.
    """
    inside: list[type] = []
    with hooked() as handles, _Watch(view.lrp, inside) as watch:
        for module in view.modules():
            handles.append(module.register_forward_pre_hook(lambda module, _args: inside.append(type(module))))
            handles.append(module.register_forward_hook(lambda *_: inside.pop() and None))
        with recorded_residual(view), torch.enable_grad():
            view(input_ids=ids, use_cache=False)
    return watch.found


class Rules(TorchFunctionMode):
    """While open, operations of this thread have the gradients of a rule, ``attnlrp`` or ``cplrp``."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        rule = self._rule(name, func, args, kwargs) if name in _RULED and torch.is_grad_enabled() else None
        return (rule or func)(*args, **kwargs)

    def _rule(self, name: str, func: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
        """What to run instead of an operation, with the gradients of its rule; None where it has none."""
        flows = sum(x.requires_grad for x in _tensors(args, kwargs))
        if not flows:
            return None
        if name in _CHECKED:
            return self._checked(name, func, args, flows) if self.state.constants is not None else None
        if name in _PRODUCTS:
            return partial(self._product, name, func) if flows == 2 else None
        if name in _ACTIVATIONS:
            return partial(self._activation, name, func)
        if name in _ROOTS:
            return lambda *args, **kwargs: func(*args, **kwargs).detach()
        own: dict[str, Callable[..., Any]] = {
            "einsum": self._einsum,
            "baddbmm": self._baddbmm,
            "scaled_dot_product_attention": self._attention,
            "glu": self._glu,
        }
        return partial(own[name], func) if name in own else _NORMS[name]

    def _product(self, name: str, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
        if name == "mul_":
            return a.copy_(self._product("mul", torch.mul, a.clone(), b))
        if name in _BY_ENTRY and _root(a) == _root(b):  # an activation that is written out
            kept, gate = (b, a) if _is_gate(a) and not _is_gate(b) else (a, b)
            return cast(Tensor, Curve.apply(kept * gate.detach()))
        return func(*self._factors(a, b), **kwargs)

    def _einsum(self, func: Any, equation: str, *parts: Any) -> Tensor:
        factors = parts[0] if isinstance(parts[0], list | tuple) else parts
        two = len(factors) == 2 and all(x.requires_grad for x in factors)
        return func(equation, *(self._factors(*factors) if two else factors))

    def _baddbmm(self, func: Any, added: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> Tensor:
        both = batch1.requires_grad and batch2.requires_grad
        if self.state.constants is not None and not added.requires_grad:
            product = torch.bmm(*(self._factors(batch1, batch2) if both else (batch1, batch2)))
            return self._sum("add", kwargs.get("alpha", 1) * product, kwargs.get("beta", 1) * added)
        return func(added, *(self._factors(batch1, batch2) if both else (batch1, batch2)), **kwargs)

    def _glu(self, _func: Any, x: Tensor, dim: int = -1) -> Tensor:
        value, gate = x.chunk(2, dim)
        return torch.mul(*self._factors(value, gate.sigmoid()))

    def _factors(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of a product, with the gradients that the rule gives them."""
        if self.state.rule == "attnlrp":
            return scale_gradient(a, 1 / 2), scale_gradient(b, 1 / 2)
        gates = _is_gate(a), _is_gate(b)
        if gates[0] == gates[1]:
            return a, b
        return (a.detach(), b) if gates[0] else (a, b.detach())

    def _attention(self, func: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.state.constants is not None:
            return self._attention_in_steps(query, key, value, *args, **kwargs)
        return func(*attention_factors(self.state.rule, query, key, value), *args, **kwargs)

    def _attention_in_steps(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Torch's attention as it computes it, for ``coverage``, with all rules on its parts."""
        groups = query.shape[1] // key.shape[1] if enable_gqa else 1
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        mask = attn_mask
        if is_causal:
            mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()
        with Rules(self.state):
            scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
            if mask is not None:
                scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
            return scores.softmax(-1) @ value

    def _activation(self, name: str, func: Any, x: Any, *rest: Any, **kwargs: Any) -> Tensor:
        power = (*rest, *kwargs.values())[0] if name == "pow" else 1
        if not isinstance(x, Tensor) or any(isinstance(value, Tensor) for value in (*rest, *kwargs.values())):
            return func(x, *rest, **kwargs)
        if power < 1:
            return func(x, *rest, **kwargs).detach()
        kwargs.pop("inplace", None)

        def plain(x: Tensor) -> Tensor:
            return func(x.clone() if name.endswith("_") else x, *rest, **kwargs)

        value, slope = at_zero(plain)
        entering = x.clone() if name.endswith("_") else x
        y = plain(x) if value else activated(plain, slope, entering, gate=name not in _BOUNDS)
        return x.copy_(y) if name.endswith("_") else y

    def _checked(self, name: str, func: Any, args: Any, flows: int) -> Callable[..., Any] | None:
        """What stands for an operation while ``coverage`` looks, so that relevance adds up but for what has no rule.

        Constants that are added count as biases do. Under AttnLRP softmax, sigmoid and division, which keep their
        gradient, would lose some of it: here they are proportional to what enters.
        """
        if name in _SUMS:
            constant = len(args) == 2 and flows == 1 and isinstance(args[0], Tensor) and args[0].requires_grad
            return partial(self._sum, name) if constant else None
        if self.state.rule != "attnlrp":
            return None
        if name in ("div", "div_"):
            return (lambda a, b, **more: func(a, b.detach(), **more)) if flows == 2 else None
        return lambda x, *rest, **more: activated(lambda x: func(x, *rest, **more).to(x.dtype), 0.0, x)

    def _sum(self, name: str, x: Tensor, constant: Tensor | float) -> Tensor:
        leaf = nn.Parameter(torch.as_tensor(constant, dtype=x.dtype, device=x.device).expand_as(x + constant).clone())
        assert self.state.constants is not None
        self.state.constants.append(leaf)
        return {"add": torch.add, "sub": torch.sub}.get(name, torch.rsub)(x, leaf)


class _Watch(Rules):
    """Rules that note in ``found`` what an operation with a rule ran in: the last class of ``inside``."""

    def __init__(self, state: Any, inside: list[type]) -> None:
        super().__init__(state)
        self.inside, self.found = inside, set[type]()

    def _rule(self, name: str, func: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
        rule = super()._rule(name, func, args, kwargs)
        checked = name in _CHECKED - _SUMS and any(x.requires_grad for x in _tensors(args, kwargs))
        if rule is not None or checked:
            self.found.add(self.inside[-1])
        return rule


def _tensors(args: Any, kwargs: Any) -> Iterator[Tensor]:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (inner for inner in value if isinstance(inner, Tensor))


def _layer_norm(
    x: Tensor, shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    h, over = wide(x), tuple(range(-len(shape), 0))
    centred = h - h.mean(over, keepdim=True)
    inverse = centred.detach().square().mean(over, keepdim=True).add(eps).rsqrt()
    y = centred * inverse
    if weight is not None:
        y = y * weight.to(y.dtype)
    if bias is not None:
        y = y + bias.to(y.dtype)
    return y.to(x.dtype)


def _rms_norm(x: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    h, over = wide(x), tuple(range(-len(shape), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    y = h * h.detach().square().mean(over, keepdim=True).add(eps).rsqrt()
    return (y if weight is None else y * weight.to(y.dtype)).to(x.dtype)


def _normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
    return x / x.detach().norm(p, dim, keepdim=True).clamp_min(eps)


_NORMS: dict[str, Callable[..., Tensor]] = {
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "normalize": _normalize,
}
