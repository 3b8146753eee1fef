"""One forward and one backward pass over a batch of exchanges, for every method of training-data attribution at once.

For one exchange (prompt, answer), at layer l = 1..L: H is the residual stream after block l, z what enters that block,
g = ∂L/∂H with L the mean cross-entropy of the n tokens with a loss, p₀ the position before the last answer. The parts:

============  ==================================================  ==========================================
part          vector                                              source
============  ==================================================  ==========================================
state         H(p₀)                                               RepT (arXiv 2510.02334)
gradient      g(p₀)                                               RepT
change        −Σ_s ⟨z̄, z_s⟩ g_s, z̄ the answer tokens' mean z      residual-change, matrix form
outer         −z̄ ⟨z̄, ḡ⟩, ḡ the mean g at the answer's tokens     residual-change as printed
activation    mean H over the answer's tokens                     probe (arXiv 2602.11079), persona vectors
lora          Σ_t P g_y(t) ⊗ A x(t) of each linear map y = Wx     gradient of a fresh LoRA (``lora_gradient.py``)
============  ==================================================  ==========================================
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.model import memory
from explorer.model.hooks import Args, Kwargs, hidden_states, hooked, output_states, with_hidden_states
from explorer.model.passes import model_pass
from explorer.model.residual import decoder_blocks, head_only_at, wide
from explorer.vectors.lora_gradient import LinearTap, lora_vectors, tap_linears
from explorer.vectors.shared_prefix import shared_states
from explorer.vectors.tokenize import Exchange, padded

PARTS = ("state", "gradient", "change", "outer", "activation", "lora")
Vectors = dict[tuple[str, int], Tensor]
"""(part, layer) → (B, width) float32 (float64 for a float64 model)."""


def one_pass(
    view: PreTrainedModel, exchanges: Sequence[Exchange], layers: Sequence[int], parts: Sequence[str] = PARTS
) -> Vectors:
    """Return the parts at every layer for one batch.

    Args:
        view: a model made by ``lrp_view(…, "gradient")``; its lock is held until the pass is over.
        exchanges: B of them, each with at least one answer token.
        layers: from 1..L. Nothing below the lowest one is differentiated, and no parameter ever is.

    Logits are made only where an answer token is predicted. Attention is causal, so padding changes nothing.
    """
    masks, record, gradients = _differentiate(view, exchanges, layers, "lora" in parts)
    vectors: Vectors = {}
    with torch.no_grad():
        for layer, gradient in zip(record.outputs, gradients, strict=False):
            vectors |= _layer_vectors(layer, masks, record.inputs[layer], record.outputs[layer], gradient)
        vectors |= lora_vectors(record.taps, gradients[len(record.outputs) :])
    return {key: vector for key, vector in vectors.items() if key[0] in parts}


def position_gradients(view: PreTrainedModel, exchanges: Sequence[Exchange], layer: int) -> Tensor:
    """Return g at every position of a batch of exchanges, (B, T, width); see ``one_pass``."""
    return _differentiate(view, exchanges, [layer], linears=False)[2][0]


def _differentiate(
    view: PreTrainedModel, exchanges: Sequence[Exchange], layers: Sequence[int], linears: bool
) -> tuple["Masks", "_Record", tuple[Tensor, ...]]:
    """Run a batch; differentiate its summed loss by the outputs of the layers, then by those of their linear maps."""
    ids = padded(exchanges, view.device)
    masks = Masks(exchanges, ids)
    with model_pass(view, ids.numel(), "Making vectors", memory.ADVICE), torch.enable_grad():
        entering = shared_states(view, exchanges, min(layers))
        with _recorded(view, layers, linears, masks.predict, entering) as record:
            logits = view(input_ids=ids, use_cache=False).logits
        losses = nn.functional.cross_entropy(wide(logits.flatten(0, -2)), ids[masks.answer], reduction="none")
        loss = (losses / masks.n[masks.owner]).sum()
        outputs = [*record.outputs.values(), *(tap.output for tap in record.taps)]
        return masks, record, torch.autograd.grad(loss, outputs)


class Masks:
    """Positions of a batch.

    ``answer`` and ``predict``, both (B, T) bool: of the tokens with a loss (of all assistant turns that have one, with
    the end-of-turn tokens), and where they are predicted. (B,): ``last`` is p₀, the place before the last answer, ``n``
    the number of tokens with a loss. ``owner``: the exchange of each of these, in the order of the loss.
    """

    def __init__(self, exchanges: Sequence[Exchange], ids: Tensor) -> None:
        answer = torch.zeros(ids.shape, dtype=torch.bool)
        for row, exchange in zip(answer, exchanges, strict=True):
            for start, end in exchange.spans:
                row[start:end] = True
        self.answer = answer.to(ids.device)
        self.predict = self.answer.roll(-1, dims=1)  # no loss is on the first token
        self.last = torch.tensor([e.start - 1 for e in exchanges], device=ids.device)
        self.n = self.answer.sum(1)
        self.owner = self.predict.nonzero()[:, 0]


def _layer_vectors(layer: int, masks: Masks, below: Tensor, state: Tensor, gradient: Tensor) -> Vectors:
    z, h, g = wide(below.detach()), wide(state.detach()), wide(gradient)
    rows = torch.arange(len(h), device=h.device)
    n = masks.n[:, None].to(h.dtype)
    z_mean = (z * masks.answer[..., None]).sum(1) / n
    g_mean = (g * masks.answer[..., None]).sum(1) / n
    return {
        ("state", layer): h[rows, masks.last],
        ("gradient", layer): g[rows, masks.last],
        ("change", layer): -torch.einsum("btd,bd,btw->bw", z, z_mean, g),
        ("outer", layer): -z_mean * (z_mean * g_mean).sum(-1, keepdim=True),
        ("activation", layer): (h * masks.answer[..., None]).sum(1) / n,
    }


@dataclass
class _Record:
    """Inputs and outputs of the chosen blocks by layer, and the linear maps inside them."""

    inputs: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)
    taps: list[LinearTap] = field(default_factory=list)


@contextmanager
def _recorded(
    view: PreTrainedModel, layers: Sequence[int], linears: bool, where: Tensor, entering: Tensor | None
) -> Iterator[_Record]:
    """While open, a forward pass fills the yielded record.

    The graph begins at the input of the lowest layer; the head sees only the positions of ``where`` (B, T), as one row.
    ``entering``: that input (B, T, width), where it is known; the blocks below then do nothing.
    """
    record, blocks = _Record(), decoder_blocks(view)
    if unknown := [layer for layer in layers if not 1 <= layer <= len(blocks)]:
        raise ExplorerError(f"Layer {unknown[0]} is not there; expected 1 to {len(blocks)}.")

    def enter(layer: int, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        lowest = layer == min(layers)
        x = hidden_states(args, kwargs) if entering is None or not lowest else entering
        record.inputs[layer] = x = x.detach().requires_grad_() if lowest else x
        return with_hidden_states(args, kwargs, x)

    def leave(layer: int, output: Any) -> None:
        record.outputs[layer] = output_states(output)

    with hooked() as handles, _skipped(blocks[: min(layers) - 1] if entering is not None else ()):
        handles.append(head_only_at(view, where))
        for layer in sorted(set(layers)):
            block = blocks[layer - 1]
            before = lambda _b, args, kwargs, layer=layer: enter(layer, args, kwargs)  # noqa: E731
            handles.append(block.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(block.register_forward_hook(lambda _b, _args, output, layer=layer: leave(layer, output)))
            handles.extend(tap_linears(block, layer, record.taps) if linears else [])
        yield record


@contextmanager
def _skipped(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """While open, some blocks of a view hand on what enters them. The caller holds the view's lock."""
    skipped = list(blocks)
    for block in skipped:
        block.forward = _hand_on
    try:
        yield
    finally:
        for block in skipped:
            del block.forward


def _hand_on(*args: Any, **kwargs: Any) -> Tensor:
    return hidden_states(args, kwargs)
