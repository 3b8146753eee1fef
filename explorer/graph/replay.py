"""Blocks run again from stored states: attention of long prompts, linear parts of keys and values, skip edges."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from transformers import PreTrainedModel

from explorer.errors import ExplorerError, UncoveredModel
from explorer.model.lrp import Attention, AttentionReached, view_state
from explorer.model.passes import forward_mode, model_pass
from explorer.model.residual import BlockCall, decoder_blocks, wide
from explorer.progress import Progress, silent
from explorer.trace.trace import Layer, Passes, Trace, as_layer


def passes_of(trace: Trace) -> Passes:
    """Return what a recorded trace keeps. Raises ExplorerError for one that was not recorded."""
    if trace.passes is None:
        raise ExplorerError("This trace was not recorded, so it has no graph; trace again with record=True.")
    return trace.passes


def attention_of(view: PreTrainedModel, trace: Trace, layer: int) -> Layer:
    """Return the attention of block ``layer`` (from state ``layer`` to ``layer`` + 1): stored, or run again."""
    passes = passes_of(trace)
    if passes.layers is not None:
        return passes.layers[layer]
    block, state = decoder_blocks(view)[layer], view_state(view)
    with state.lock, torch.enable_grad():
        state.recording = []
        try:
            x = passes.states[layer].unsqueeze(0).detach().requires_grad_()
            output = passes.calls[layer].run(block, x)
            attention = one_attention(state.recording)
        finally:
            state.recording = None
        (upstream,) = torch.autograd.grad(output, attention.output, passes.gradients[layer + 1].unsqueeze(0))
    return as_layer(attention, upstream)


def one_attention(recorded: Sequence[Attention]) -> Attention:
    """Return the attention that a block ran. Raises UncoveredModel where it is not one that can be read."""
    if len(recorded) != 1:
        raise UncoveredModel(f"a block runs {len(recorded)} attention layers that can be read, expected 1")
    return recorded[0]


def linear_parts(view: PreTrainedModel, trace: Trace, layer: int, attention: Layer) -> tuple[Tensor, Tensor, Tensor]:
    """Return (query, key, value) of a block without what biases add: the derivative along the block's input itself.

    Where the block has no bias they are the tensors of ``attention`` itself.
    """
    block = decoder_blocks(view)[layer]
    if not any(name.endswith("bias") for name, _ in block.named_parameters()):
        return attention.query, attention.key, attention.value
    passes, state = passes_of(trace), view_state(view)
    x = passes.states[layer].unsqueeze(0).detach().requires_grad_()  # the rules are on what gradients flow through
    with state.lock, torch.enable_grad(), forward_mode():
        state.stop_at_attention = True
        try:
            passes.calls[layer].run(block, forward_ad.make_dual(x, x))
        except AttentionReached as reached:
            query, key, value = (_tangent(part) for part in (reached.query, reached.key, reached.value))
            return query, key, value
        finally:
            state.stop_at_attention = False
    raise UncoveredModel(f"Block {layer} has no attention that the edges cover.")


def _tangent(part: Tensor) -> Tensor:
    tangent = forward_ad.unpack_dual(part).tangent
    assert tangent is not None
    return tangent[0].detach().clone()


def skip_edges(
    view: PreTrainedModel,
    trace: Trace,
    low: int,
    high: int,
    targets: list[int],
    batch: int = 32,
    progress: Progress = silent,
) -> np.ndarray:
    """Compute exact edges over any distance: what of each target's relevance comes from every token on layer ``low``.

    Blocks low+1..high run again once from the stored state, cut to the tokens that the targets can see, and the
    gradient at each target alone is passed back, all in one batch (CAIW's packed multi-target back-propagation).

    Args:
        low, high: layers, 0 ≤ low < high ≤ L.
        targets: token positions at layer ``high``.
        batch: targets per pass.

    Returns:
        (len(targets), T) relevance in logits; row n adds up to the relevance of (high, targets[n]) under CP-LRP.
    """
    passes, blocks = passes_of(trace), list(decoder_blocks(view))[low:high]
    edges = np.zeros((len(targets), len(trace.ids)), dtype=trace.relevance.dtype)
    order = sorted(range(len(targets)), key=lambda n: targets[n])  # so that rows of one pass are cut alike
    what = f"Computing edges from layer {low} to {high}"
    for start in range(0, len(order), batch):
        progress(what, start, len(order))
        rows = order[start : start + batch]
        length = max(targets[n] for n in rows) + 1
        with model_pass(view, length * len(rows), what):
            edges[rows, :length] = _back(blocks, passes, low, high, [targets[n] for n in rows], length)
    progress(what, len(order), len(order))
    return edges


def _back(blocks: list[nn.Module], passes: Passes, low: int, high: int, targets: list[int], length: int) -> np.ndarray:
    """Return (len(targets), length) relevance that each target takes from the first ``length`` tokens."""
    calls = [_cut(call, length) for call in passes.calls[low:high]]
    cut = calls[0] is not passes.calls[low]
    state = passes.states[low][: length if cut else None]
    with torch.enable_grad():
        leaf = state.unsqueeze(0).detach().clone().requires_grad_()
        x = leaf
        for block, call in zip(blocks, calls, strict=True):
            x = call.run(block, x)
        seed = x.new_zeros(len(targets), *x.shape)
        for row, target in enumerate(targets):
            seed[row, 0, target] = passes.gradients[high][target]
        (gradient,) = torch.autograd.grad(x, leaf, seed, is_grads_batched=True)
    return (wide(state) * wide(gradient[:, 0])).sum(-1)[:, :length].cpu().numpy()


def _cut(call: BlockCall, length: int) -> BlockCall:
    try:
        return call.cut(length)
    except KeyError:  # an argument of unknown meaning: run on the whole prompt
        return call
