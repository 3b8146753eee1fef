"""The Trace: one forward and one backward pass through a view, relevance at every (layer, token)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import PromptError
from explorer.model import memory
from explorer.model.first_state import mean_first_states
from explorer.model.lrp import Attention, view_state
from explorer.model.passes import model_pass
from explorer.model.residual import BlockCall, Recording, decoder_blocks, recorded_residual, wide

Objective = Callable[[Tensor], Tensor]
"""Maps logits (K, vocabulary) in float32, at the last K positions, to the scalar that is explained."""


@dataclass(frozen=True)
class Layer:
    """What the edges into one layer need: the attention of the block, detached, and ``upstream`` = ∂gap/∂output.

    Shapes and meaning as in ``lrp.Attention`` without the batch; ``upstream`` (heads, T, d) is the gradient before the
    output projection. ``key`` and ``value`` include what biases add (``graph.replay.linear_parts`` takes it away).
    """

    query: Tensor
    key: Tensor
    value: Tensor
    upstream: Tensor
    mask: Tensor | None
    scale: float
    softcap: float | None
    sinks: Tensor | None


@dataclass(frozen=True)
class Passes:
    """What a recorded trace keeps for the graph, in the model's dtype and on its device.

    ``states`` and ``gradients``: L+1 tensors (T, width), the residual stream and ∂gap/∂state; ``calls``: how each
    block was called; ``layers``: one entry a block, or None where the prompt was too long to keep them, or where
    not every block has one attention that can be read.
    """

    states: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    calls: tuple[BlockCall, ...]
    layers: tuple[Layer, ...] | None


@dataclass(frozen=True)
class Trace:
    """Relevance of every node for one scalar (the logit gap of a contrast, unless stated otherwise).

    Attributes:
        rule: ``attnlrp``, ``cplrp`` or ``gradient``.
        ids: the T tokens that were read; the explained logits are those after the last one.
        relevance: (L+1, T) float32 (float64 for a float64 model), Σ_d x·∂gap/∂x in logits; row 0 is the input of the
            first block, row l the residual stream after block l. + supports the wrong token, − the right one.
        gap: the explained scalar, in logits: ℓ[target] − ℓ[foil].
        loss_gradient: (L+1, T) float32, ‖∂L/∂H‖ with L = −log p(target), in nats per unit of the state.
        sink: (L+1,) the part of the first token's relevance that it has whatever token stands there: Σ_d r·∂gap/∂x with
            r from ``mean_first_states``. None but under ``attnlrp``.
        passes: what the graph needs; None unless recorded.
    """

    rule: str
    ids: tuple[int, ...]
    relevance: np.ndarray
    gap: float
    loss_gradient: np.ndarray | None = None
    sink: np.ndarray | None = None
    passes: Passes | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        layers, tokens = self.relevance.shape
        return f"Trace({self.rule}, {layers - 1} layers, {tokens} tokens, gap {self.gap:+.2f})"

    @property
    def explained_share(self) -> np.ndarray:
        """(L+1,) Σ_t relevance / gap at every layer; nan where the gap is 0."""
        return self.relevance.sum(1) / self.gap if self.gap else np.full(len(self.relevance), np.nan)


def logit_gap(target: int, foil: int) -> Objective:
    """ℓ[target] − ℓ[foil] at the last position."""
    return lambda logits: logits[-1, target] - logits[-1, foil]


def token_loss(target: int) -> Objective:
    """−log p(target) at the last position, in nats."""
    return lambda logits: -torch.log_softmax(logits[-1], -1)[target]


def answer_log_probability(answer: tuple[int, ...]) -> Objective:
    """log p(answer | what came before) in nats, from logits at the last len(answer) positions.

    The sequence ends one token before the answer does: its last token is predicted, not read.
    """

    def objective(logits: Tensor) -> Tensor:
        picked = torch.tensor(answer, device=logits.device).unsqueeze(1)
        return torch.log_softmax(logits, -1).gather(1, picked).sum()

    return objective


LONG, LONG_HEATMAP = 1536, 3072
"""From this many tokens on, a trace (recorded, plain) goes block by block: one more forward pass, far less memory."""


def trace_ids(
    view: PreTrainedModel, ids: list[int] | tuple[int, ...], target: int, foil: int, record: bool = False
) -> Trace:
    """Trace the logit gap ℓ[target] − ℓ[foil] after ``ids`` through a view made by ``lrp_view``.

    Costs one forward and one backward pass to activations. Under the rule ``gradient`` a second backward pass gives
    ``loss_gradient``. ``record``: see ``trace_objective``.
    """
    loss = token_loss(target) if view_state(view).rule == "gradient" else None
    return trace_objective(view, ids, logit_gap(target, foil), loss=loss, record=record)


def trace_objective(
    view: PreTrainedModel,
    ids: list[int] | tuple[int, ...],
    objective: Objective,
    positions: int = 1,
    loss: Objective | None = None,
    record: bool = False,
) -> Trace:
    """Trace any scalar of the logits at the last ``positions`` positions.

    Args:
        view: a model made by ``lrp_view``; its lock is held until the pass is over.
        ids: T ≥ 1 token ids.
        objective: see ``Objective``.
        positions: how many of the last positions get logits.
        loss: a further scalar whose gradient norms are wanted (``loss_gradient``).
        record: keep what the graph needs (about 320 KB a token on the embedded model, 140 KB from ``LONG`` tokens on).
    """
    blockwise = loss is None and len(ids) >= (LONG if record else LONG_HEATMAP)
    norms, upstream = None, ()
    with model_pass(view, len(ids), "Tracing"), torch.set_grad_enabled(not blockwise):
        check_memory(view, len(ids), record, blockwise)
        logits, recording, attention = _forward(view, ids, positions, blockwise, keep_attention=record)
        states = recording.states
        value = objective(logits)
        if blockwise:
            gradients = _backward_by_blocks(view, recording, value)
        else:
            if loss:
                slopes = torch.autograd.grad(loss(logits), states, retain_graph=True)
                norms = torch.stack([wide(slope[0]).norm(dim=-1) for slope in slopes]).cpu().numpy()
            slopes = torch.autograd.grad(value, [*states, *(a.output for a in attention)])
            gradients, upstream = slopes[: len(states)], slopes[len(states) :]
        sink = _sink_relevance(view, gradients)
    shares = [(wide(x[0].detach()) * wide(g[0])).sum(-1) for x, g in zip(states, gradients, strict=True)]
    relevance, passes = torch.stack(shares).cpu().numpy(), None
    if record:
        layers = tuple(as_layer(a, u) for a, u in zip(attention, upstream, strict=True))
        layers = layers if len(layers) == len(states) - 1 else None
        kept = tuple(x[0].detach() for x in states), tuple(g[0] for g in gradients)
        passes = Passes(*kept, calls=tuple(recording.calls), layers=layers)
    return Trace(view_state(view).rule, tuple(ids), relevance, value.item(), norms, sink, passes)


def _sink_relevance(view: PreTrainedModel, gradients: Sequence[Tensor]) -> np.ndarray | None:
    """``Trace.sink`` from the gradients (1, T, width) at every state."""
    if view_state(view).rule != "attnlrp":
        return None
    first = torch.stack([wide(gradient[0, 0]) for gradient in gradients])
    return (mean_first_states(view) * first).sum(-1).cpu().numpy()


def _forward(
    view: PreTrainedModel, ids: list[int] | tuple[int, ...], positions: int, blockwise: bool, keep_attention: bool
) -> tuple[Tensor, Recording, list[Attention]]:
    """Run the view; returns the last logits in float32, the residual stream, and the attention where it is kept."""
    state = view_state(view)
    state.recording = [] if keep_attention and not blockwise else None
    try:
        with recorded_residual(view, "last" if blockwise else "first") as recording:
            tokens = torch.tensor([list(ids)], device=view.device)
            output = view(input_ids=tokens, use_cache=False, logits_to_keep=positions)
        return wide(output.logits[0, -positions:]), recording, state.recording or []
    finally:
        state.recording = None


def bytes_per_token(view: PreTrainedModel, record: bool) -> int:
    """Estimate, from above, the bytes that tracing one more token takes: what the backward pass has to keep.

    Every projection keeps its input and its output; a recorded trace also keeps states and attention.
    """
    blocks = decoder_blocks(view)
    outputs = sum(p.shape[0] + p.shape[-1] for p in blocks[0].parameters() if p.dim() == 2)
    width = view.config.get_text_config().hidden_size
    return len(blocks) * (outputs + (8 if record else 4) * width) * view.dtype.itemsize


def most_tokens(view: PreTrainedModel) -> int:
    """Estimate the tokens of the longest prompt whose heatmap fits into the memory that is free now."""
    free = 0.9 * memory.free_bytes(view.device)
    at_once, by_blocks = (int(free / each(view, record=False)) for each in (bytes_per_token, _bytes_blockwise))
    return by_blocks if by_blocks >= LONG_HEATMAP else min(at_once, LONG_HEATMAP - 1)


def _bytes_blockwise(view: PreTrainedModel, record: bool) -> int:
    """``bytes_per_token`` of a trace that holds one block's graph at a time, beside states and gradients."""
    depth, width = len(decoder_blocks(view)), view.config.get_text_config().hidden_size
    return bytes_per_token(view, record) // depth + 2 * depth * width * view.dtype.itemsize


def check_memory(
    view: PreTrainedModel, length: int, record: bool, blockwise: bool = False, free: int | None = None
) -> None:
    """Raise PromptError where a trace of ``length`` tokens would not fit in ``free`` bytes (default: what is free)."""
    if free is None:
        free = memory.free_bytes(view.device)
    each = _bytes_blockwise(view, record) if blockwise else bytes_per_token(view, record)
    needed = length * each
    if needed > 0.9 * free:
        raise PromptError(
            f"Tracing {length:,} tokens takes about {needed / 2**30:.1f} GB of memory, and {free / 2**30:.1f} GB are "
            f"free; shorten the prompt to about {int(0.9 * free / each):,} tokens, or use a smaller model."
        )


def _backward_by_blocks(view: PreTrainedModel, recording: Recording, value: Tensor) -> list[Tensor]:
    """The gradient of ``value`` at every state, holding the graph of one block at a time."""
    gradients = [*torch.autograd.grad(value, recording.states[-1])]
    blocks = list(decoder_blocks(view))
    for block, call, x in reversed(list(zip(blocks, recording.calls, recording.states, strict=False))):
        leaf = x.detach().requires_grad_()
        gradients += torch.autograd.grad(call.run(block, leaf), leaf, gradients[-1])
    return gradients[::-1]


def as_layer(a: Attention, upstream: Tensor) -> Layer:
    """A recorded attention and the gradient (1, T, heads, d) at its output, without the batch."""
    query, key, value = (x[0].detach() for x in (a.query, a.key, a.value))
    return Layer(query, key, value, upstream[0].transpose(0, 1), a.mask, a.scale, a.softcap, a.sinks)
