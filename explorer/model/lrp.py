"""Layer-wise relevance propagation as a second module tree over the same parameters.

``lrp_view`` copies the modules of a model but none of its tensors, and puts the rules of AttnLRP or CP-LRP on the
copies, so plain gradients and LRP run side by side. Each rule replaces a local gradient; relevance is then
gradient × input (Achtibat et al., *AttnLRP*, ICML 2024; Ali et al., *XAI for Transformers*, ICML 2022 for CP-LRP).

============  =============================================  ======================
part          AttnLRP                                        CP-LRP
============  =============================================  ======================
norm          1/std is a constant                            the same
activation    gradient is act(x)/x                           the same
gate × up     gradient of the product halved                 the gate is a constant
attention     gradients of q, k, v divided by 4, 4, 2        q and k are constants
============  =============================================  ======================
"""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.activations import ACT2CLS
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.pytorch_utils import Conv1D

from explorer.errors import UncoveredModel, first_line
from explorer.model.coverage import check_coverage
from explorer.model.hooks import hooked
from explorer.model.residual import wide

RULES = ("attnlrp", "cplrp", "gradient")
"""Rules of a view; ``gradient`` is a view without rules, so that the plain model is never hooked."""

ATTENTION = "explorer_lrp"
_POSITIONAL = {"position_ids", "cache_position"}
_CLASSES = {entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values()}
_ACTIVATIONS = tuple(kind for kind in _CLASSES if isinstance(kind, type) and issubclass(kind, nn.Module))


@dataclass
class Attention:
    """What one attention layer saw in one forward pass.

    ``query`` (1, heads, T, d), ``key`` and ``value`` (1, key-value heads, T, d) after rotary and norms, as they were
    before any rule; ``output`` (1, T, heads, d) before the output projection, still in the graph; ``mask`` as given
    by transformers (None: causal; boolean, True: may attend); ``scale`` multiplies q·k.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    mask: Tensor | None
    scale: float


class AttentionReached(Exception):
    """Raised to end a run at the attention function, where only its arguments are wanted."""

    def __init__(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value


@dataclass
class ViewState:
    """Rule, lock and current recording of a view, shared by all its modules.

    ``shares_prefixes``: whether states may be computed by ``vectors/shared_prefix.py``; None until it was tried.
    """

    rule: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    recording: list[Attention] | None = None
    stop_at_attention: bool = False
    shares_prefixes: bool | None = None


def view_state(view: nn.Module) -> ViewState:
    """The state of a view made by ``lrp_view``."""
    return cast(ViewState, view.lrp)


class _ScaleGradient(torch.autograd.Function):
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
    return cast(Tensor, _ScaleGradient.apply(x, factor))


class _Proportional(torch.autograd.Function):
    """y = ratio · x with the ratio held constant, where y was computed elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, ratio: Tensor) -> Tensor:
        ctx.save_for_backward(ratio)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (ratio,) = ctx.saved_tensors
        return grads[0] * ratio, None, None


def lrp_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of a view: the ordinary product, with the rule's gradients, recorded when a trace asks for it.

    Raises UncoveredModel for attention that is more than softmax(q·k·scale + mask)·v.
    """
    state = view_state(module)
    for name, extra in kwargs.items():
        if isinstance(extra, Tensor | float) and name not in _POSITIONAL:
            raise UncoveredModel(f"its attention uses '{name}', which has no rule.")
    if state.stop_at_attention:
        raise AttentionReached(query, key, value)
    q, k, v = query, key, value
    if state.rule == "attnlrp":
        q, k, v = scale_gradient(q, 1 / 4), scale_gradient(k, 1 / 4), scale_gradient(v, 1 / 2)
    elif state.rule == "cplrp":
        q, k = q.detach(), k.detach()
    output, _ = sdpa_attention_forward(module, q, k, v, attention_mask, scaling=scaling)
    if state.recording is not None:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        state.recording.append(Attention(query, key, value, output, attention_mask, scale))
    return output, None


AttentionInterface.register(ATTENTION, lrp_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _rms_norm(module: nn.Module, offset: float, eps: float, x: Tensor) -> Tensor:
    h = wide(x)
    inverse = h.detach().square().mean(-1, keepdim=True).add(eps).rsqrt()
    weight = cast(Tensor, module.weight).to(h.dtype)
    return (h * inverse * (weight + offset if offset else weight)).to(x.dtype)


def _layer_norm(module: nn.LayerNorm, x: Tensor) -> Tensor:
    h = wide(x)
    centred = h - h.mean(-1, keepdim=True)
    inverse = centred.detach().square().mean(-1, keepdim=True).add(module.eps).rsqrt()
    y = centred * inverse
    if module.weight is not None:
        y = y * module.weight.to(y.dtype)
    if module.bias is not None:
        y = y + module.bias.to(y.dtype)
    return y.to(x.dtype)


def _norm_rule(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The forward of a norm with 1/std held constant, checked against the module's own forward."""
    if isinstance(module, nn.LayerNorm):
        return lambda x: _layer_norm(module, x)
    weight = getattr(module, "weight", None)
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    if isinstance(weight, Tensor) and isinstance(eps, float):
        sample = torch.randn(4, weight.shape[0], generator=torch.Generator().manual_seed(0))
        sample = sample.to(weight.device, weight.dtype)
        with torch.no_grad():
            expected = module(sample)
            for offset in (0.0, 1.0):
                actual = _rms_norm(module, offset, eps, sample)
                if torch.allclose(actual, expected, rtol=2e-2 if weight.dtype.itemsize < 4 else 1e-4, atol=1e-4):
                    return lambda x: _rms_norm(module, offset, eps, x)
    raise UncoveredModel(f"{type(module).__name__} is neither an RMS norm nor a LayerNorm.")


def _activation_rule(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The forward of an activation whose gradient is act(x)/x, with the limit act'(0) near 0."""
    activation = module.forward
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    at_zero = activation(zero)
    if at_zero.item() != 0:
        raise UncoveredModel(f"{type(module).__name__} is not 0 at 0, so act(x)/x has a pole.")
    slope = torch.autograd.grad(at_zero, zero)[0].item()

    def forward(x: Tensor) -> Tensor:
        with torch.no_grad():
            y = activation(x)
            near = x.abs() < 1e-12
            ratio = (y / x.masked_fill(near, 1.0)).masked_fill_(near, slope)
        return cast(Tensor, _Proportional.apply(x, y, ratio))

    return forward


def _gates(view: PreTrainedModel) -> dict[nn.Module, nn.Module | None]:
    """For each activation, the projection whose input is activation × something else, or None where it is ungated.

    Found by watching one short forward pass, so that no family needs a special case: the projection is the last
    linear layer that runs after the activation in the same parent.
    """
    projections: dict[nn.Module, nn.Module | None] = {}
    latest: dict[nn.Module, tuple[nn.Module, Tensor]] = {}

    def after_activation(parent: nn.Module, module: nn.Module, _args: Any, output: Tensor) -> None:
        latest[parent] = (module, output)

    def before_projection(parent: nn.Module, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if parent in latest:
            activation, output = latest[parent]
            same = output.shape == args[0].shape and torch.equal(output, args[0])
            projections[activation] = None if same else module

    with hooked() as handles:
        for parent in view.modules():
            activations = [child for child in parent.children() if isinstance(child, _ACTIVATIONS)]
            linears = [child for child in parent.children() if isinstance(child, nn.Linear | Conv1D)]
            for activation in activations:
                handles.append(activation.register_forward_hook(partial(after_activation, parent)))
            for linear in linears if activations else ():
                handles.append(linear.register_forward_pre_hook(partial(before_projection, parent)))
        try:
            _short_logits(view)
        except UncoveredModel:
            raise
        except Exception as error:  # an exotic family can fail in any way
            raise UncoveredModel(f"running it failed ({error!r}).") from error
    return projections


def _short_logits(model: PreTrainedModel) -> Tensor:
    """Logits of a prompt of six tokens, in float32."""
    ids = torch.arange(1, 7, device=model.device).unsqueeze(0) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits.float()


def _put_rules(view: PreTrainedModel, rule: str) -> None:
    gates = _gates(view)
    for module in view.modules():
        if isinstance(module, _ACTIVATIONS):
            if module not in gates:
                raise UncoveredModel(f"{type(module).__name__} is used outside a plain or gated MLP.")
            projection = gates[module]
            if projection is not None and rule == "cplrp":
                activation = module.forward
                module.forward = lambda x, activation=activation: activation(x).detach()
            else:
                module.forward = _activation_rule(module)
            if projection is not None and rule == "attnlrp":
                project = projection.forward
                projection.forward = lambda x, project=project: project(scale_gradient(x, 1 / 2))
        elif type(module).__name__.endswith("Norm"):
            module.forward = _norm_rule(module)


def _build(model: PreTrainedModel, rule: str) -> PreTrainedModel:
    shared: dict[int, Any] = {id(t): t for t in (*model.parameters(), *model.buffers())}
    view = copy.deepcopy(model, shared).eval()
    view.config._attn_implementation = ATTENTION
    state = ViewState(rule)
    for module in view.modules():
        module.lrp = state  # pyright: ignore[reportArgumentType]
    if rule != "gradient":
        _put_rules(view, rule)
    return view


def _check_same(model: PreTrainedModel, view: PreTrainedModel) -> None:
    """Raise UncoveredModel where a view does not compute what its model does (e.g. attention with another mask)."""
    try:
        expected, actual = _short_logits(model), _short_logits(view)
    except RuntimeError as error:
        raise UncoveredModel(f"it does not run here ({first_line(error)}).") from error
    if not (actual - expected).norm() <= 0.05 * expected.norm():
        raise UncoveredModel("its attention does not compute the same in a view.")


def lrp_view(model: PreTrainedModel, rule: str = "attnlrp", check: bool = True) -> PreTrainedModel:
    """A second module tree over the same parameters, whose backward pass follows an LRP rule.

    Args:
        model: a causal language model of transformers, in eval mode.
        rule: ``attnlrp``, ``cplrp``, or ``gradient`` (no rules; plain gradients through a separate tree).
        check: False where another view of the model and rule was checked.

    Returns:
        A model that computes what ``model`` does and shares every parameter and buffer with it. Its ``lrp``
        attribute is the ViewState.

    Raises:
        UncoveredModel: the model has parts outside the rules, measured by ``coverage.check_coverage``.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; expected one of {', '.join(RULES)}.")
    try:
        view = _build(model, rule)
        if not check:
            return view
        if rule == "gradient":
            _check_same(model, view)
        else:
            check_coverage(view if rule == "cplrp" else _build(model, "cplrp"))
    except UncoveredModel as error:
        name = type(model).__name__
        raise UncoveredModel(f"{name} is not covered by the LRP rules, only gradient maps work: {error}") from error
    return view
