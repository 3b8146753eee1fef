"""One forward and one backward pass over a batch of exchanges: what every method of training-data attribution needs.

For one exchange (prompt, answer), at layer l = 1..L: H is the residual stream after block l, z what enters that block,
g = ∂L/∂H with L the mean cross-entropy of the n answer tokens in nats, p₀ the last prompt position. The parts:

============  ==================================================  ==========================================
part          vector                                              source
============  ==================================================  ==========================================
state         H(p₀)                                               RepT (arXiv 2510.02334)
gradient      g(p₀)                                               RepT
change        −Σ_s ⟨z̄, z_s⟩ g_s, z̄ the answer tokens' mean z      residual-change, matrix form
outer         −z̄ ⟨z̄, ḡ⟩, ḡ the mean g where answers are predicted  residual-change as printed
activation    mean H over the answer's tokens                     probe (arXiv 2602.11079), persona vectors
lora          Σ_t P g_y(t) ⊗ A x(t) of each linear map y = Wx     LESS / TracIn on a fresh LoRA (see ``lora.py``)
============  ==================================================  ==========================================
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.model.hooks import output_states
from explorer.model.lrp import view_state
from explorer.model.residual import decoder_blocks
from explorer.vectors.lora_gradient import LinearTap, lora_vectors, tap_linears
from explorer.vectors.tokenize import Exchange, padded

PARTS = ("state", "gradient", "change", "outer", "activation", "lora")
Vectors = dict[tuple[str, int], Tensor]
"""(part, layer) → (B, width) float32 (float64 for a float64 model)."""


def one_pass(
    view: PreTrainedModel, exchanges: Sequence[Exchange], layers: Sequence[int], parts: Sequence[str] = PARTS
) -> Vectors:
    """Every part at every layer for one batch.

    Args:
        view: a model made by ``lrp_view(…, "gradient")``; its lock is held until the pass is over.
        exchanges: B of them, each with at least one answer token.
        layers: from 1..L. Nothing below the lowest one is differentiated, and no parameter ever is.

    Logits are made only where an answer token is predicted. Attention is causal, so padding changes nothing.
    """
    masks, seen, gradients = _differentiate(view, exchanges, layers, "lora" in parts)
    found: Vectors = {}
    with torch.no_grad():
        slopes = dict(zip(seen.outputs, gradients, strict=False))
        for layer in layers:
            found |= _of_layer(layer, masks, seen.inputs[layer], seen.outputs[layer], slopes[layer])
        found |= lora_vectors(seen.taps, gradients[len(slopes) :])
    return {key: vector for key, vector in found.items() if key[0] in parts}


def position_gradients(view: PreTrainedModel, exchanges: Sequence[Exchange], layer: int) -> Tensor:
    """g at every position of a batch of exchanges, (B, T, width); see ``one_pass``."""
    return _differentiate(view, exchanges, [layer], linears=False)[2][0]


def _differentiate(
    view: PreTrainedModel, exchanges: Sequence[Exchange], layers: Sequence[int], linears: bool
) -> tuple["_Masks", "_Seen", tuple[Tensor, ...]]:
    """Run a batch; differentiate its summed loss by the outputs of the layers, then by those of their linear maps."""
    ids = padded(exchanges, view.device)
    masks = _Masks(exchanges, ids)
    with view_state(view).lock, torch.enable_grad(), _captured(view, layers, linears) as seen:
        with _logits_at(view, masks.predict):
            logits = view(input_ids=ids, use_cache=False).logits
        losses = nn.functional.cross_entropy(_wide(logits.flatten(0, -2)), ids[masks.answer], reduction="none")
        loss = (losses / masks.n[masks.owner]).sum()
        wanted = [*seen.outputs.values(), *(tap.output for tap in seen.taps)]
        return masks, seen, torch.autograd.grad(loss, wanted)


class _Masks:
    """Where the answers stand (``answer``) and where they are predicted (``predict``), both (B, T) bool."""

    def __init__(self, exchanges: Sequence[Exchange], ids: Tensor) -> None:
        at = torch.arange(ids.shape[1], device=ids.device)[None]
        start = torch.tensor([[e.start] for e in exchanges], device=ids.device)
        end = torch.tensor([[len(e.ids)] for e in exchanges], device=ids.device)
        self.answer = (at >= start) & (at < end)
        self.predict = (at >= start - 1) & (at < end - 1)
        self.last = start[:, 0] - 1
        self.n = (end - start)[:, 0]
        self.owner = self.predict.nonzero()[:, 0]


def _of_layer(layer: int, masks: _Masks, below: Tensor, state: Tensor, slope: Tensor) -> Vectors:
    z, h, g = _wide(below.detach()), _wide(state.detach()), _wide(slope)
    rows = torch.arange(len(h), device=h.device)
    n = masks.n[:, None].to(h.dtype)
    z_mean = (z * masks.answer[..., None]).sum(1) / n
    g_mean = (g * masks.predict[..., None]).sum(1) / n
    return {
        ("state", layer): h[rows, masks.last],
        ("gradient", layer): g[rows, masks.last],
        ("change", layer): -torch.einsum("btd,bd,btw->bw", z, z_mean, g),
        ("outer", layer): -z_mean * (z_mean * g_mean).sum(-1, keepdim=True),
        ("activation", layer): (h * masks.answer[..., None]).sum(1) / n,
    }


class _Seen:
    """Inputs and outputs of the chosen blocks by layer, and the linear maps inside them."""

    def __init__(self) -> None:
        self.inputs: dict[int, Tensor] = {}
        self.outputs: dict[int, Tensor] = {}
        self.taps: list[LinearTap] = []


@contextmanager
def _captured(view: PreTrainedModel, layers: Sequence[int], linears: bool) -> Iterator[_Seen]:
    """While open, a forward pass fills the yielded record; the graph begins at the input of the lowest layer."""
    seen, blocks, hooks = _Seen(), decoder_blocks(view), []
    if bad := [layer for layer in layers if not 1 <= layer <= len(blocks)]:
        raise ExplorerError(f"Layer {bad[0]} is not there; expected 1 to {len(blocks)}.")

    def enter(layer: int, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        inside = bool(args)
        x = args[0] if inside else named["hidden_states"]
        if layer == min(layers):
            x = x.detach().requires_grad_()
        seen.inputs[layer] = x
        return ((x, *args[1:]), named) if inside else (args, {**named, "hidden_states": x})

    def leave(layer: int, output: Any) -> None:
        seen.outputs[layer] = output_states(output)

    try:
        for layer in sorted(set(layers)):
            block = blocks[layer - 1]
            hooks.append(
                block.register_forward_pre_hook(lambda _b, a, k, layer=layer: enter(layer, a, k), with_kwargs=True)
            )
            hooks.append(block.register_forward_hook(lambda _b, _a, out, layer=layer: leave(layer, out)))
            hooks += tap_linears(block, layer, seen.taps) if linears else []
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _logits_at(view: PreTrainedModel, where: Tensor) -> Iterator[None]:
    """While open, the head sees only the positions of ``where`` (B, T), as one row (1, M, width)."""
    head = cast(nn.Module, view.get_output_embeddings())
    hook = head.register_forward_pre_hook(lambda _head, args: (args[0][where][None], *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _wide(x: Tensor) -> Tensor:
    """At least float32, so that sums over 16-bit values do not round."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
