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

from explorer.errors import UncoveredModel, first_line
from explorer.model.coverage import check_coverage
from explorer.model.coverage_memory import once_per_architecture
from explorer.model.gradients import activated, at_zero, valued
from explorer.model.op_rules import attention_factors, ruled_classes, under_rules
from explorer.model.residual import wide
from explorer.model.same_states import check_same, check_same_operations

RULES = ("attnlrp", "cplrp", "gradient")
"""Rules of a view; ``gradient`` is a view without rules, so that the plain model is never hooked."""

ATTENTION = "explorer_lrp"
_KNOWN = {"position_ids", "cache_position", "softcap", "s_aux"}
"""Arguments of attention that need no rule, or have one."""
_CLASSES = {entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values()}
_ACTIVATIONS = tuple(kind for kind in _CLASSES if isinstance(kind, type) and issubclass(kind, nn.Module))


@dataclass
class Attention:
    """What one attention layer saw in one forward pass.

    ``query`` (1, heads, T, d), ``key`` and ``value`` (1, key-value heads, T, d) after rotary and norms, as they were
    before any rule; ``output`` (1, T, heads, d) before the output projection, still in the graph; ``mask`` as given
    by transformers (None: causal; boolean, True: may attend); ``scale`` multiplies q·k; ``softcap`` bounds the scores,
    by softcap · tanh(score / softcap); ``sinks`` (heads,) are scores of one more key each, without a value.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    mask: Tensor | None
    scale: float
    softcap: float | None = None
    sinks: Tensor | None = None


class AttentionReached(Exception):
    """Raised to end a run at the attention function, where only its arguments are wanted."""

    def __init__(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value


@dataclass
class ViewState:
    """Rule, lock and current recording of a view, shared by all its modules.
    ``shares_prefixes``: whether states may be computed by ``vectors/shared_prefix.py``; None until it was tried.
    ``first_states``: see ``first_state.mean_first_states``; None until it was wanted.
    ``has_edges``: whether ``graph.check`` has found that the edges can be computed.
    ``constants``: where numbers that are added are collected, while ``coverage`` looks; else None.
    """

    rule: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    recording: list[Attention] | None = None
    stop_at_attention: bool = False
    shares_prefixes: bool | None = None
    first_states: Tensor | None = None
    constants: list[Tensor] | None = None
    has_edges: bool = False


def view_state(view: nn.Module) -> ViewState:
    """The state of a view made by ``lrp_view``."""
    return cast(ViewState, view.lrp)


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

    Raises UncoveredModel for attention that is more than softmax(cap(q·k·scale) + mask)·v with sinks.
    """
    state = view_state(module)
    softcap, sinks = kwargs.get("softcap"), kwargs.get("s_aux")
    for name, extra in kwargs.items():
        if isinstance(extra, Tensor | float) and name not in _KNOWN:
            raise UncoveredModel(f"its attention uses '{name}', which has no rule.")
    if state.stop_at_attention:
        raise AttentionReached(query, key, value)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if softcap is None and sinks is None and state.constants is None:
        with torch._C.DisableTorchFunction():  # its rule is on its arguments
            q, k, v = attention_factors(state.rule, query, key, value)
            output, _ = sdpa_attention_forward(module, q, k, v, attention_mask, scaling=scaling)
    else:
        attend = under_rules(state, _written_out)
        output = attend(query, key, value, attention_mask, scale, softcap, sinks)
    if state.recording is not None:
        state.recording.append(Attention(query, key, value, output, attention_mask, scale, softcap, sinks))
    return output, None


def masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores (…, T, T) with what a mask of transformers hides at −∞; None is the causal mask."""
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    mask = mask[..., : scores.shape[-1]]
    return scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask


def _written_out(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """Attention (1, T, heads, d) step by step, with a cap on the scores or sinks: keys of each head without a value."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    scores = masked(scores, mask)
    if sinks is not None:
        scores = torch.cat([scores, sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)], -1)
    return (scores.softmax(-1)[..., : key.shape[2]] @ value).transpose(1, 2).contiguous()


AttentionInterface.register(ATTENTION, lrp_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _rms_norm(module: nn.Module, offset: float, eps: float, x: Tensor) -> Tensor:
    """The norm with 1/std held constant, in float32 or wider."""
    h = wide(x)
    inverse = h.detach().square().mean(-1, keepdim=True).add(eps).rsqrt()
    weight = cast(Tensor, module.weight).to(h.dtype)
    return h * inverse * (weight + offset if offset else weight)


def _norm_rule(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The forward of an RMS norm with 1/std held constant; None for what does not compute that (see ``op_rules``)."""
    weight = None if isinstance(module, nn.LayerNorm) else getattr(module, "weight", None)
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    if not isinstance(weight, Tensor) or not isinstance(eps, float):
        return None
    sample = torch.randn(4, weight.shape[0], generator=torch.Generator().manual_seed(0))
    sample, own = sample.to(weight.device, weight.dtype), module.forward
    with torch.no_grad():
        tolerance = 2e-2 if weight.dtype.itemsize < 4 else 1e-4
        fits = [
            torch.allclose(_rms_norm(module, offset, eps, sample).to(weight.dtype), own(sample), tolerance, 1e-4)
            for offset in (0.0, 1.0)
        ]
    if not any(fits):
        return None
    offset = float(fits.index(True))

    def forward(x: Tensor) -> Tensor:
        y = _rms_norm(module, offset, eps, x)
        # 16-bit states as the model rounds them: rounded otherwise, a token may go to other experts
        return y.to(x.dtype) if x.dtype.itemsize >= 4 else valued(y, own(x))

    return forward


def _is_activation(module: nn.Module) -> bool:
    """Whether a module is a known activation, or one by what it computes: a curve, entry by entry, without weights."""
    if isinstance(module, _ACTIVATIONS):
        return True
    if any(True for _ in module.children()) or module.state_dict() or any(True for _ in module.buffers()):
        return False
    x = torch.linspace(-2, 2, 12)
    try:
        with torch.no_grad():
            y, turned, doubled = module(x), module(x.flip(0)), module(2 * x)
    except Exception:  # not a function of one tensor
        return False
    same = isinstance(y, Tensor) and y.shape == x.shape and torch.equal(turned.flip(0), y)
    return same and not torch.allclose(doubled, 2 * y)


def _activation_rule(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The forward of an activation whose gradient is act(x)/x; None for one that is not 0 at 0."""
    activation = module.forward
    value, slope = at_zero(activation)
    return None if value else lambda x: activated(activation, slope, x)


def _put_rules(view: PreTrainedModel) -> None:
    """Put rules on RMS norms and activations that are modules; ``_watch_operations`` sees to all others."""
    for module in view.modules():
        rule = None
        if type(module).__name__.endswith("Norm"):
            rule = _norm_rule(module)
        elif _is_activation(module):
            rule = _activation_rule(module)
        if rule is not None:
            module.forward = rule


def _watch_operations(view: PreTrainedModel) -> None:
    """Put rules on the operations of all other modules that run one which has a rule."""
    classes = _ruled(view, torch.arange(1, 7, device=view.device).unsqueeze(0))
    for module in view.modules():
        if type(module) in classes:  # not those alone that ran: a short text does not reach every expert
            module.forward = under_rules(view_state(view), module.forward)


def _ruled(view: PreTrainedModel, ids: Tensor) -> set[type]:
    try:
        return ruled_classes(view, ids % view.config.get_text_config().vocab_size)
    except UncoveredModel:
        raise
    except Exception as error:  # an exotic family can fail in any way
        raise UncoveredModel(f"running it failed ({first_line(error, 120)}).") from error


def _takes_attention(view: PreTrainedModel) -> bool:
    """Whether any attention of a view goes through transformers' interface, seen in a short pass."""
    state, ids = view_state(view), torch.arange(1, 5, device=view.device).unsqueeze(0)
    state.stop_at_attention = True
    try:
        with torch.no_grad():
            view(input_ids=ids % view.config.get_text_config().vocab_size, use_cache=False)
    except AttentionReached:
        return True
    except UncoveredModel:
        raise
    except Exception:  # as the interface's mask is none for its code
        return False
    finally:
        state.stop_at_attention = False
    return False


def _build(model: PreTrainedModel, rule: str) -> PreTrainedModel:
    """Copy the modules and put the rules on. Without rules the attention is the model's own code, whatever that is."""
    shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    shared |= {id(buffer): buffer for buffer in model.buffers()}
    view, state = copy.deepcopy(model, shared).eval(), ViewState(rule)
    for module in view.modules():
        module.lrp = state  # pyright: ignore[reportArgumentType]
    view.config._experts_implementation = "eager"  # the grouped product has neither float64 nor forward mode
    if rule != "gradient":
        _put_rules(view)
        view.config._attn_implementation = ATTENTION
        if not _takes_attention(view):  # its own code reads masks in its own way
            view.config._attn_implementation = model.config._attn_implementation
        _watch_operations(view)
    return view


def _check(model: PreTrainedModel, rule: str) -> None:
    """Raise UncoveredModel where a model has parts outside the rules, or its view computes something else."""
    if rule == "gradient":  # the same code: it is only seen whether that runs
        check_same(model, partial(_build, rule=rule), tokens=8)
        return

    def check() -> None:
        for each in ("cplrp", "attnlrp"):
            check_coverage(_build(model, each))
        check_same(model, partial(_build, rule="cplrp"))
        check_same_operations(model, partial(_build, rule="cplrp"), _ruled)

    once_per_architecture(model, check)


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
        UncoveredModel: the model has parts outside the rules, measured by ``coverage.check_coverage`` where
            it has not passed before (see ``coverage_memory``), or its view computes something else.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; expected one of {', '.join(RULES)}.")
    name = type(model).__name__
    try:
        view = _build(model, rule)
        if check:
            _check(model, rule)
        return view
    except UncoveredModel as error:
        if rule == "gradient":
            raise UncoveredModel(f"{name} can't be explained here: {error}") from error
        raise UncoveredModel(f"{name} is not covered by the LRP rules, {_what_works(model)}: {error}") from error


def _what_works(model: PreTrainedModel) -> str:
    try:
        _check(model, "gradient")
    except UncoveredModel:
        return "nor do gradient maps work"
    return "only gradient maps work"
