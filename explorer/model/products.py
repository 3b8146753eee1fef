"""Float32 products of linear maps by oneDNN, where it is faster than MKL and as exact, in passes without gradients.

So it is on AMD processors with AVX-512 (docs/bench.md). Speed and error are measured once a process, and where one of
them is not as wanted nothing changes. Which passes take part depends on their size alone, never on what else runs.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

_LEAST_GAIN, _MOST_ERROR = 1.1, 1e-5
_LEAST_ROWS = 2
"""Tokens, of all rows together, from which it pays; most for the last product of few rows, of one token each."""


def fast_products(model: PreTrainedModel) -> AbstractContextManager[Any]:
    """While open, this thread's linear maps of ``_LEAST_ROWS`` tokens or more are computed by the faster library.

    Values differ by rounding alone. Nothing changes where derivatives are recorded, back or forward, and for models
    that are not float32 on a processor.
    """
    fits = model.device.type == "cpu" and model.dtype == torch.float32 and _faster()
    return _Products() if fits else nullcontext()


class _Products(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is nn.functional.linear and not kwargs and not torch.is_grad_enabled():
            x, weight, *bias = args
            plain = x.dtype == weight.dtype == torch.float32 and not (_has_tangent(x) or _has_tangent(weight))
            if plain and x.numel() >= _LEAST_ROWS * x.shape[-1]:
                return _linear(x, weight, *bias)
        return func(*args, **(kwargs or {}))


def _has_tangent(x: Tensor) -> bool:
    """Whether a forward-mode derivative goes along with a tensor: oneDNN would drop it in silence."""
    return forward_ad.unpack_dual(x).tangent is not None


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = torch.ops.mkldnn._linear_pointwise(x.flatten(0, -2), weight, bias, "none", [], "")
    return product.view(*x.shape[:-1], len(weight))


@cache
def _faster() -> bool:
    """Whether oneDNN is faster and as exact on this machine, by a product of a small model's size."""
    if not torch.backends.mkldnn.is_available():
        return False
    draw = torch.Generator().manual_seed(0)
    x, weight = torch.randn(512, 576, generator=draw), torch.randn(1536, 576, generator=draw)
    try:
        (usual, _), (seconds, product) = _timed(nn.functional.linear, x, weight), _timed(_linear, x, weight)
    except RuntimeError:  # this build of torch lacks it
        return False
    exact = x.double() @ weight.double().T
    error = float((product - exact).abs().max() / exact.abs().max())
    return error <= _MOST_ERROR and usual >= _LEAST_GAIN * seconds


def _timed(multiply: Any, x: Tensor, weight: Tensor) -> tuple[float, Tensor]:
    """(seconds of the fastest of some products, the product)."""
    found = []
    for _ in range(8):
        began = perf_counter()
        product = multiply(x, weight)
        found.append((perf_counter() - began, product))
    return min(found, key=lambda one: one[0])
