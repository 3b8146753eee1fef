"""Ablation: what the logit gap becomes when some states of the residual stream are taken away."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.graph.replay import passes_of
from explorer.model.hooks import output_states
from explorer.model.lrp import view_state
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import Trace, logit_gap


@dataclass(frozen=True)
class Ablation:
    """``before`` and ``after``: the measured gap in logits; ``predicted``: before + Σ ∂gap/∂x · (replacement − x).

    The prediction is the graph's (for zeros it is before − Σ relevance of the nodes); it counts twice where one ablated
    node feeds another.
    """

    before: float
    after: float
    predicted: float


def ablate(
    view: PreTrainedModel,
    trace: Trace,
    contrast: tuple[int, int],
    nodes: list[tuple[int, int]],
    how: Literal["mean", "zero"] = "mean",
) -> Ablation:
    """Replace the states of ``nodes`` (layer, token) by zero or by the mean state of their layer, and run the model on.

    Args:
        view: any view of the model; only its forward pass is used.
        trace: a recorded trace, whose prompt is run and whose gradients predict.
        contrast: (target, foil) token ids.

    Raises ExplorerError for no nodes, or nodes that do not exist.
    """
    if not nodes:
        raise ExplorerError("Nothing to ablate: select at least one node.")
    depth, length = trace.relevance.shape
    for layer, token in nodes:
        if not (0 <= layer < depth and 0 <= token < length):
            raise ExplorerError(f"There is no node (layer {layer}, token {token}); layers end at {depth - 1}.")

    def masked(x: Tensor, layer: int) -> Tensor:
        rows = [token for at, token in nodes if at == layer]
        x = x.clone()
        x[:, rows] = 0.0 if how == "zero" else x.mean(1, keepdim=True)
        return x

    def enter(_block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict]:
        if args:
            return (masked(args[0], 0), *args[1:]), named
        return args, {**named, "hidden_states": masked(named["hidden_states"], 0)}

    def leave(layer: int, output: Any) -> Any:
        x = masked(output_states(output), layer)
        return x if isinstance(output, Tensor) else (x, *output[1:])

    blocks = decoder_blocks(view)
    touched = {layer for layer, _ in nodes}
    with view_state(view).lock, torch.no_grad():
        hooks = [blocks[0].register_forward_pre_hook(enter, with_kwargs=True)] if 0 in touched else []
        hooks += [
            blocks[layer - 1].register_forward_hook(lambda _b, _a, out, layer=layer: leave(layer, out))
            for layer in touched - {0}
        ]
        try:
            ids = torch.tensor([trace.ids], device=view.device)
            logits = view(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0].float()
        finally:
            for hook in hooks:
                hook.remove()
    passes, change = passes_of(trace), 0.0
    for layer, token in set(nodes):
        x = passes.states[layer].double()
        new = x.mean(0) if how == "mean" else torch.zeros_like(x[token])
        change += (passes.gradients[layer][token].double() * (new - x[token])).sum().item()
    return Ablation(trace.gap, logit_gap(*contrast)(logits).item(), trace.gap + change)
