"""Ablation: what the logit gap becomes when some states of the residual stream are taken away."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.graph.prune import Node
from explorer.graph.replay import passes_of
from explorer.model import hooks
from explorer.model.passes import model_pass
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import Trace, logit_gap

How = Literal["mean", "zero"]
"""What a state is replaced by: the mean state of its layer, or zeros."""


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
    view: PreTrainedModel, trace: Trace, contrast: tuple[int, int], nodes: list[Node], how: How = "mean"
) -> Ablation:
    """Replace the states of ``nodes`` and run the model on. Raises ExplorerError for no nodes, or unknown ones.

    Args:
        view: any view of the model; only its forward pass is used.
        trace: a recorded trace, whose prompt is run and whose gradients predict.
        contrast: (target, foil) token ids.
    """
    if not nodes:
        raise ExplorerError("Nothing to ablate: select at least one node.")
    depth, length = trace.relevance.shape
    for layer, token in nodes:
        if not (0 <= layer < depth and 0 <= token < length):
            raise ExplorerError(f"There is no node (layer {layer}, token {token}); layers end at {depth - 1}.")

    def ablated(x: Tensor, layer: int) -> Tensor:
        tokens = [token for at, token in nodes if at == layer]
        x = x.clone()
        x[:, tokens] = 0.0 if how == "zero" else x.mean(1, keepdim=True)
        return x

    def enter(_block: nn.Module, args: hooks.Args, kwargs: hooks.Kwargs) -> tuple[hooks.Args, hooks.Kwargs]:
        return hooks.with_hidden_states(args, kwargs, ablated(hooks.hidden_states(args, kwargs), 0))

    def leave(_block: nn.Module, _args: hooks.Args, output: Any, layer: int) -> Any:
        return hooks.with_output_states(output, ablated(hooks.output_states(output), layer))

    blocks = decoder_blocks(view)
    with model_pass(view, len(trace.ids), "Ablating"), torch.no_grad(), hooks.hooked() as handles:
        for layer in {layer for layer, _ in nodes}:
            if layer == 0:
                handles.append(blocks[0].register_forward_pre_hook(enter, with_kwargs=True))
            else:
                handles.append(blocks[layer - 1].register_forward_hook(partial(leave, layer=layer)))
        ids = torch.tensor([trace.ids], device=view.device)
        logits = view(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0].float()
    return Ablation(trace.gap, logit_gap(*contrast)(logits).item(), trace.gap + _predicted_change(trace, nodes, how))


def _predicted_change(trace: Trace, nodes: list[Node], how: How) -> float:
    passes, change = passes_of(trace), 0.0
    for layer, token in set(nodes):
        x = passes.states[layer].double()
        replacement = x.mean(0) if how == "mean" else 0.0
        change += (passes.gradients[layer][token].double() * (replacement - x[token])).sum().item()
    return change
