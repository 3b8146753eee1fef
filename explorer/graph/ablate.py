"""Ablation: what the logit gap becomes when some states of the residual stream are taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import local
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.graph.prune import Node
from explorer.graph.replay import passes_of
from explorer.model import hooks
from explorer.model.by_rows import PASS_TOKENS, by_rows, even
from explorer.model.passes import model_pass
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import Trace, logit_gap

How = Literal["mean", "zero"]
"""What a state is replaced by: the mean state of its layer, or zeros."""


@dataclass(frozen=True)
class Ablation:
    """What replacing states does to the gap, in logits.

    The prediction is the graph's: Σ ∂gap/∂x · (replacement − x) = ``replacement`` − ``relevance``. It counts twice
    where one ablated node feeds another.

    Attributes:
        nodes: how many states were replaced.
        how: by what.
        before, after: the gap as it was measured.
        relevance: Σ relevance of the nodes, what taking them away is predicted to take from the gap.
        replacement: Σ ∂gap/∂x · replacement, what the states put in their place are predicted to bring; 0 for zeros.
    """

    nodes: int
    how: How
    before: float
    after: float
    relevance: float
    replacement: float

    @property
    def predicted(self) -> float:
        """The gap that the graph predicts."""
        return self.before + self.replacement - self.relevance

    @property
    def predicted_change(self) -> float:
        """The change of the gap that the graph predicts."""
        return self.replacement - self.relevance

    @property
    def measured_change(self) -> float:
        """The change of the gap that was measured."""
        return self.after - self.before

    @property
    def difference(self) -> float:
        """Measured less predicted change."""
        return self.measured_change - self.predicted_change

    def __str__(self) -> str:
        """One sentence that leads from the relevance over the prediction to the measurement."""
        one = self.nodes == 1
        whose = "The node's relevance" if one else f"The {self.nodes} nodes' relevances, together"
        instead = "zeros in its place bring nothing" if one else "zeros in their place bring nothing"
        if self.how == "mean":
            where = "its place brings" if one else "their place brings"
            instead = f"the layer's mean state in {where} {self.replacement:+.2f}"
        twice = "" if one else ", and nodes that feed each other, counted in both"
        return (
            f"{whose} {self.relevance:+.2f} would be taken from the gap, and {instead}: predicted change "
            f"{self.predicted_change:+.2f}; measured, with the model run on, {self.measured_change:+.2f} "
            f"(Δℓ {self.before:+.2f} → {self.after:+.2f}); the difference of {self.difference:+.2f} logits is what a "
            f"first-order figure leaves out: how attention, norms and activations above answer to the change{twice}."
        )


def ablate(
    view: PreTrainedModel, trace: Trace, contrast: tuple[int, int], nodes: list[Node], how: How = "mean"
) -> Ablation:
    """Replace the states of ``nodes`` and run the model on. Raises ExplorerError for no nodes, or unknown ones.

    Args:
        view: any view of the model; only its forward pass is used.
        trace: a recorded trace, whose prompt is run and whose gradients predict.
        contrast: (target, foil) token ids.
    """
    nodes = list(dict.fromkeys(nodes))
    if how not in get_args(How):
        raise ExplorerError(f"A state can't be replaced by '{how}'; expected mean or zero.")
    if not nodes:
        raise ExplorerError("Nothing to ablate: select at least one node.")
    depth, length = trace.relevance.shape
    for layer, token in nodes:
        if not (0 <= layer < depth and 0 <= token < length):
            raise ExplorerError(f"There is no node (layer {layer}, token {token}); layers end at {depth - 1}.")

    (after,) = gaps_without(view, trace, contrast, [nodes], how)
    return Ablation(len(nodes), how, trace.gap, after, *_predicted(trace, nodes, how))


def gaps_without(
    view: PreTrainedModel,
    trace: Trace,
    contrast: tuple[int, int],
    sets: Sequence[Sequence[Node]],
    how: How = "mean",
) -> list[float]:
    """Return the gap without the nodes of each set, in logits; sets share passes of about ``PASS_TOKENS`` tokens."""
    rows = even(PASS_TOKENS // len(trace.ids))
    gaps = (_gaps(view, trace, contrast, sets[at : at + rows], how) for at in range(0, len(sets), rows))
    return [gap for some in gaps for gap in some]


def _gaps(
    view: PreTrainedModel, trace: Trace, contrast: tuple[int, int], sets: Sequence[Sequence[Node]], how: How
) -> list[float]:
    running = local()  # a thread has some of the rows

    def ablated(x: Tensor, layer: int) -> Tensor:
        whole, x = x, x.clone()
        for row, nodes in enumerate(running.sets):
            tokens = [token for at, token in nodes if at == layer]
            x[row, tokens] = 0.0 if how == "zero" else whole[row].mean(0)
        return x

    def enter(_block: nn.Module, args: hooks.Args, kwargs: hooks.Kwargs) -> tuple[hooks.Args, hooks.Kwargs]:
        return hooks.with_hidden_states(args, kwargs, ablated(hooks.hidden_states(args, kwargs), 0))

    def leave(_block: nn.Module, _args: hooks.Args, output: Any, layer: int) -> Any:
        return hooks.with_output_states(output, ablated(hooks.output_states(output), layer))

    blocks, ids = decoder_blocks(view), torch.tensor([trace.ids] * len(sets), device=view.device)

    def run(rows: slice) -> Tensor:
        running.sets = sets[rows]
        return view(input_ids=ids[rows], use_cache=False, logits_to_keep=1).logits.float()

    with model_pass(view, ids.numel(), "Ablating"), hooks.hooked() as handles:
        for layer in {layer for nodes in sets for layer, _ in nodes}:
            if layer == 0:
                handles.append(blocks[0].register_forward_pre_hook(enter, with_kwargs=True))
            else:
                handles.append(blocks[layer - 1].register_forward_hook(partial(leave, layer=layer)))
        logits = by_rows(view, len(sets), run)
    return [logit_gap(*contrast)(each).item() for each in logits]


def _predicted(trace: Trace, nodes: list[Node], how: How) -> tuple[float, float]:
    """Return (Σ gradient · state, Σ gradient · replacement) over the nodes."""
    passes, taken, brought = passes_of(trace), 0.0, 0.0
    for layer, token in nodes:
        x, gradient = passes.states[layer].double(), passes.gradients[layer][token].double()
        taken += (gradient * x[token]).sum().item()
        brought += (gradient * x.mean(0)).sum().item() if how == "mean" else 0.0
    return taken, brought
