"""Activation patching: what the logit gap loses when one node's state comes from a run of a neutralised prompt.

The reference run reads the same prompt with its culprit tokens replaced: those whose replacement alone, measured one at
a time, moves the gap most. They are chosen by the model and not by the map or graph under test, so that a wrong one
can't choose what it is judged by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.faithfulness.operators import MaskedPrompt
from explorer.graph.prune import Node
from explorer.graph.replay import passes_of
from explorer.limits import SHORT_TOKENS
from explorer.model import hooks
from explorer.model.passes import model_pass
from explorer.model.residual import decoder_blocks, recorded_residual, wide
from explorer.progress import Progress, silent
from explorer.trace.trace import Trace

CULPRITS = 5
"""Tokens that are replaced at most."""
LEAST_CULPRIT = 0.5
"""Of the largest change that one replaced token makes: what a culprit's must reach."""
CANDIDATES = 96
"""Tokens that are tried as culprits at most; of a longer prompt those with the largest |relevance|."""


@dataclass(frozen=True)
class Reference:
    """A run of the prompt with its culprit tokens replaced.

    Attributes:
        operator: by what: a key of ``OPERATORS`` that keeps the prompt's length.
        culprits: positions of the replaced tokens, strongest first.
        gap: its logit gap.
        states: L+1 tensors (T, width), its residual stream.
    """

    operator: str
    culprits: tuple[int, ...]
    gap: float
    states: tuple[Tensor, ...]


def reference_run(
    view: PreTrainedModel, trace: Trace, contrast: tuple[int, int], prompt: MaskedPrompt, operator: str
) -> Reference:
    """Find the culprit tokens and run the prompt without them.

    Args:
        view: a view of the prompt's model; only its forward pass is used.
        trace: of the prompt as it is.
        contrast: (target, foil) token ids.

    Raises:
        ExplorerError: where nothing may be replaced, or replacing changes nothing.
    """
    size = np.abs(trace.relevance[0, prompt.players])
    tried = np.argsort(-size, kind="stable")[:CANDIDATES]
    if not len(tried):
        raise ExplorerError("The prompt has no token of its own that could be replaced.")
    alone = np.eye(len(size), dtype=bool)[tried]
    changes = np.abs(trace.gap - prompt.gaps(alone, operator))
    if not changes.max() > 0:
        raise ExplorerError("Replacing tokens of the prompt does not change the gap.")
    order = np.argsort(-changes, kind="stable")[:CULPRITS]
    chosen = order[changes[order] >= LEAST_CULPRIT * changes.max()]
    inputs = prompt.inputs(np.logical_or.reduce(alone[chosen]), operator)
    with model_pass(view, len(trace.ids), "Running the reference"), torch.no_grad():
        with recorded_residual(view) as recording:
            logits = view(inputs_embeds=inputs, use_cache=False, logits_to_keep=1).logits
        states = tuple(state[0].detach() for state in recording.states)
    culprits = tuple(int(token) for token in prompt.players[tried[chosen]])
    return Reference(operator, culprits, float(_gap_of(logits, contrast)[0]), states)


def patch_effects(
    view: PreTrainedModel,
    trace: Trace,
    contrast: tuple[int, int],
    nodes: Sequence[Node],
    states: Sequence[Tensor],
    progress: Progress = silent,
) -> np.ndarray:
    """Measure (len(nodes),) the gap before less the gap after each node alone has its state from another run.

    Args:
        trace: a recorded trace, whose prompt is run.
        contrast: (target, foil) token ids.
        nodes: (layer, token); layer L is the last block's output.
        states: L+1 tensors (T, width), the other run's residual stream.

    Returns:
        Logits; + where the gap falls. Blocks below a node are not run again.
    """
    effects, length = np.zeros(len(nodes)), len(trace.ids)
    order = sorted(range(len(nodes)), key=lambda n: nodes[n])
    step, done = max(1, SHORT_TOKENS // length), 0
    for layer in sorted({layer for layer, _ in nodes}):
        rows = [n for n in order if nodes[n][0] == layer]
        for start in range(0, len(rows), step):
            progress("Patching the nodes", done, len(nodes))
            batch = rows[start : start + step]
            after = _patched(view, trace, contrast, layer, [nodes[n][1] for n in batch], states[layer])
            effects[batch] = trace.gap - after
            done += len(batch)
    return effects


def estimated_effects(trace: Trace, nodes: Sequence[Node], states: Sequence[Tensor]) -> np.ndarray:
    """Return (len(nodes),) RelP's estimate of ``patch_effects``: (x − x_reference) · ∂gap/∂x, the rule's gradient.

    Rezaei Jafari et al., *RelP*, arXiv 2508.21258.
    """
    passes = passes_of(trace)
    return np.array(
        [
            ((wide(passes.states[layer][t]) - wide(states[layer][t])) * wide(passes.gradients[layer][t])).sum().item()
            for layer, t in nodes
        ]
    )


def _patched(
    view: PreTrainedModel, trace: Trace, contrast: tuple[int, int], layer: int, tokens: list[int], state: Tensor
) -> np.ndarray:
    """Return (len(tokens),) gaps; row n has ``state`` at ``tokens[n]`` of ``layer`` and its own states elsewhere."""
    passes, rows = passes_of(trace), torch.arange(len(tokens), device=view.device)
    with model_pass(view, len(tokens) * len(trace.ids), "Patching"), torch.no_grad():
        x = passes.states[layer].repeat(len(tokens), 1, 1)
        x[rows, tokens] = state[tokens]
        for block, call in zip(list(decoder_blocks(view))[layer:], passes.calls[layer:], strict=True):
            x = call.run(block, x)
        return _gap_of(_head(view, x[:, -1:]), contrast)


def _head(view: PreTrainedModel, states: Tensor) -> Tensor:
    """Return the logits (rows, 1, vocabulary) of states (rows, 1, width) that leave the last block."""
    last = decoder_blocks(view)[-1]

    def leave(_block: nn.Module, _args: hooks.Args, output: object) -> object:
        return hooks.with_output_states(output, states)

    with hooks.hooked() as handles:
        handles.append(last.register_forward_hook(leave))
        return view(input_ids=torch.zeros(len(states), 1, dtype=torch.long, device=view.device), use_cache=False).logits


def _gap_of(logits: Tensor, contrast: tuple[int, int]) -> np.ndarray:
    """Return (rows,) the gap at the last position of logits (rows, positions, vocabulary)."""
    pair = wide(logits[:, -1, list(contrast)])
    return (pair[:, 0] - pair[:, 1]).double().cpu().numpy()
