"""Exact shares of an exchange's tokens in a weighted sum of its vectors, by one forward-mode pass.

Every part that is made of the loss is linear in it, and so in the losses L_u of the answer's tokens, whose mean over
the n answer tokens the loss is. For weights w, ⟨w, part⟩ is the derivative of the loss along a tangent δ that is added
to the residual stream after block l (symbols as in ``one_pass.py``):

============  ================================================
part          tangent
============  ================================================
gradient      δ(p₀) = w
change        δ(s) = −⟨z̄, z(s)⟩ w
outer         δ(s) = −⟨w, z̄⟩ z̄ / n at the answer's tokens
lora          δ_y(t) = Pᵀ w A x(t) at each linear map y = Wx
============  ================================================

The share of token u is 1/n dL_u/dε, for all u and all parts at once. Blocks below l carry no tangents. The parts
``activation`` and ``state`` are no losses: the first is a mean over the answer's tokens and splits as it stands, the
second belongs to the prompt as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel
from explorer.model import memory
from explorer.model.hooks import Args, Kwargs, hidden_states, hooked, output_states, with_output_states
from explorer.model.passes import forward_mode, model_pass
from explorer.model.residual import decoder_blocks, head_only_at, linear_maps, wide
from explorer.vectors.lora_gradient import lora_tangent
from explorer.vectors.one_pass import Masks
from explorer.vectors.tokenize import Exchange, padded

Weights = Mapping[str, Tensor]
"""Part → weights w (width,) of its vector."""


@dataclass(frozen=True)
class Slopes:
    """``tokens`` (n,): the share of each token that carries loss, in order; ``state``: ⟨w, H(p₀)⟩, 0 without one.

    Together they are Σ ⟨w, part⟩ over all parts.
    """

    tokens: Tensor
    state: float


def token_slopes(
    view: PreTrainedModel, exchanges: Sequence[Exchange], layer: int, weights: Sequence[Weights]
) -> list[Slopes]:
    """Return the shares of each exchange's tokens, given its weights.

    Args:
        view: a model made by ``lrp_view(…, "gradient")``; its lock is held until the pass is over.
        exchanges: B of them, each with at least one answer token.
        layer: l in 1..L.
        weights: B of them, for the same parts.
    """
    ids = padded(exchanges, view.device)
    masks = Masks(exchanges, ids)
    stacked = {part: torch.stack([w[part] for w in weights]).to(view.device, view.dtype) for part in weights[0]}
    pushed = _Pushed(masks, stacked)
    passing = model_pass(view, ids.numel(), "Scoring tokens", memory.ADVICE)
    with passing, torch.no_grad(), forward_mode(), sdpa_kernel(SDPBackend.MATH):
        with _pushing(view, layer, pushed), _forward_derivatives(view):
            logits = view(input_ids=ids, use_cache=False).logits.flatten(0, -2)
        chosen = wide(logits).log_softmax(-1).gather(1, ids[masks.answer][:, None])[:, 0]
        tangent = forward_ad.unpack_dual(-chosen).tangent
    shares = torch.zeros_like(chosen) if tangent is None else tangent
    per_token = (shares / masks.n[masks.owner] + pushed.activation[masks.answer]).double().cpu()
    sizes = masks.n.tolist()
    return [Slopes(tokens, state) for tokens, state in zip(per_token.split(sizes), pushed.state.tolist(), strict=True)]


@contextmanager
def _forward_derivatives(view: PreTrainedModel) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:  # an operation of its own code, which has a backward pass alone
        raise UncoveredModel(
            f"{type(view).__name__} has no token evidence: its code runs an operation without forward-mode derivatives."
        ) from error


class _Pushed:
    """The tangents of a batch. After a pass, ``activation`` (B, T) and ``state`` (B,) hold what needs no derivative."""

    def __init__(self, masks: Masks, weights: dict[str, Tensor]) -> None:
        self.masks, self.weights = masks, weights
        self.activation = self.state = torch.zeros(())
        self.maps = 0

    def at_output(self, z: Tensor, h: Tensor) -> Tensor:
        """Return δ (B, T, width) for the block with the input z and the output h."""
        masks, n, delta = self.masks, self.masks.n[:, None].to(z.dtype), torch.zeros_like(h)
        z_mean = (z * masks.answer[..., None]).sum(1) / n
        rows = torch.arange(len(h), device=h.device)
        if (w := self.weights.get("gradient")) is not None:
            delta[rows, masks.last] += w
        if (w := self.weights.get("change")) is not None:
            delta -= torch.einsum("btd,bd->bt", z, z_mean)[..., None] * w[:, None]
        if (w := self.weights.get("outer")) is not None:
            step = -(w * z_mean).sum(-1, keepdim=True) * z_mean / n
            delta += masks.answer[..., None] * step[:, None]
        none = torch.zeros(h.shape[:2], dtype=h.dtype, device=h.device)
        w = self.weights.get("activation")
        self.activation = none if w is None else torch.einsum("btd,bd->bt", h, w) / n
        w = self.weights.get("state")
        self.state = none[:, 0] if w is None else (h[rows, masks.last] * w).sum(-1)
        return delta

    def at_linear(self, name: str, layer: int, x: Tensor, y: Tensor) -> Tensor | None:
        """Return δ_y of the next linear map of the block, in the order in which they run."""
        if (w := self.weights.get("lora")) is None or y.dim() != 3:
            return None
        delta, size = lora_tangent(name, layer, x, y, w[:, self.maps :])
        self.maps += size
        return delta


@contextmanager
def _pushing(view: PreTrainedModel, layer: int, pushed: _Pushed) -> Iterator[None]:
    """While open, a forward pass adds the tangents; the head sees only the positions where answers are predicted."""
    block, entered = decoder_blocks(view)[layer - 1], list[Tensor]()

    def enter(_block: nn.Module, args: Args, kwargs: Kwargs) -> None:
        entered.append(hidden_states(args, kwargs))

    def leave(_block: nn.Module, _args: Args, output: Any) -> Any:
        h = output_states(output)
        return with_output_states(output, _pushed_by(h, pushed.at_output(entered[0], forward_ad.unpack_dual(h).primal)))

    def leave_linear(name: str, x: Tensor, y: Tensor) -> Tensor | None:
        delta = pushed.at_linear(name, layer, forward_ad.unpack_dual(x).primal, y)
        return None if delta is None else _pushed_by(y, delta)

    with hooked() as handles:
        handles.append(head_only_at(view, pushed.masks.predict))
        handles.append(block.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(block.register_forward_hook(leave))
        for name, module in linear_maps(block).items() if "lora" in pushed.weights else ():
            after = lambda _m, args, y, name=name: leave_linear(name, args[0], y)  # noqa: E731
            handles.append(module.register_forward_hook(after))
        yield


def _pushed_by(x: Tensor, delta: Tensor) -> Tensor:
    """x with δ added to its tangent."""
    primal, tangent = forward_ad.unpack_dual(x)
    return forward_ad.make_dual(primal, delta.to(primal.dtype) if tangent is None else tangent + delta)
