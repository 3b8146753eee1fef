"""Functions with the gradient that a rule gives them, in place of their own."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor


class ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by a constant."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor | None:
        tangent = tangents[0]
        return None if tangent is None else tangent * ctx.factor


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x itself; in the backward pass its gradient is multiplied by ``factor``."""
    return cast(Tensor, ScaleGradient.apply(x, factor))


class Proportional(torch.autograd.Function):
    """y = ratio · x with the ratio held constant, ``slope`` where x is 0; y was computed elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        ctx.slope = slope
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, y = ctx.saved_tensors
        return grads[0] * _ratio(x, y, ctx.slope), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor | None:
        x, y = ctx.saved_tensors
        return None if tangents[0] is None else tangents[0] * _ratio(x, y, ctx.slope)


class Bounded(Proportional):
    """The same for what only bounds x: such a function makes no gate."""


def _ratio(x: Tensor, y: Tensor, slope: float) -> Tensor:
    near = x.abs() < 1e-12
    return (y / x.masked_fill(near, 1.0)).masked_fill(near, slope)


class Valued(torch.autograd.Function):
    """A tensor with the gradient of another one, of which it is a rounding."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, value: Tensor) -> Tensor:
        ctx.dtypes = exact.dtype, value.dtype
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0].to(ctx.dtypes[0]), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor | None:
        return None if tangents[0] is None else tangents[0].to(ctx.dtypes[1])


def valued(exact: Tensor, value: Tensor) -> Tensor:
    """``value``, with the gradient of ``exact``."""
    return cast(Tensor, Valued.apply(exact, value.detach()))


class Curve(torch.autograd.Function):
    """Identity that marks a function of one tensor, entry by entry, as a gate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return tangents[0].view_as(tangents[0])


def at_zero(function: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Value and slope of a function at 0."""
    with torch.enable_grad():
        zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        value = function(zero)
        return value.item(), torch.autograd.grad(value.sum(), zero)[0].item()


def activated(function: Callable[[Tensor], Tensor], slope: float, x: Tensor, gate: bool = True) -> Tensor:
    """function(x), with the gradient function(x)/x, and ``slope`` where x is 0."""
    with torch.no_grad():
        y = function(x)
    return cast(Tensor, (Proportional if gate else Bounded).apply(x, y, slope))
