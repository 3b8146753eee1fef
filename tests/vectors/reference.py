"""Slow references for the vectors, from their formulas alone.

One exchange, one layer and one part at a time, with the plain model of transformers, own hooks and plain autograd; the
LoRA really is put into the model. T = tokens, D = width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from explorer.vectors.lora_gradient import OUT, RANK, _random


def blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder blocks, by the names that families give them."""
    for path in ("model.layers", "transformer.h", "gpt_neox.layers"):
        try:
            found = model.get_submodule(path)
        except AttributeError:
            continue
        assert isinstance(found, nn.ModuleList)
        return found
    raise AssertionError(type(model))


def answer_loss(model: PreTrainedModel, ids: Sequence[int], start: int, only: int | None = None) -> Tensor:
    """Mean over the answer's tokens of −log p(token | what is before it); ``only``: one token's share of that mean."""
    log_p = torch.log_softmax(model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0], -1)
    losses = [-log_p[t - 1, ids[t]] for t in range(start, len(ids))]
    return torch.stack(losses).mean() if only is None else losses[only - start] / len(losses)


@dataclass
class Stream:
    """Block input Z and output H, and G = ∂L/∂H, all (T, D)."""

    z: Tensor
    h: Tensor
    g: Tensor


def stream(model: PreTrainedModel, ids: Sequence[int], start: int, layer: int, only: int | None = None) -> Stream:
    """The residual stream around block ``layer`` (from 1) and the gradient of the loss (see ``answer_loss``)."""
    seen: dict[str, Tensor] = {}

    def keep(_block: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        seen["z"] = args[0] if args else named["hidden_states"]
        seen["h"] = output if isinstance(output, Tensor) else output[0]

    hook = blocks(model)[layer - 1].register_forward_hook(keep, with_kwargs=True)
    model.requires_grad_(True)
    try:
        (g,) = torch.autograd.grad(answer_loss(model, ids, start, only), seen["h"])
    finally:
        hook.remove()
        model.requires_grad_(False)
    return Stream(seen["z"].detach()[0], seen["h"].detach()[0], g[0])


def reference_parts(
    model: PreTrainedModel, ids: Sequence[int], start: int, layer: int, only: int | None = None
) -> dict[str, Tensor]:
    """Part → vector of one exchange at one layer; ``only``: made of one token's share of the loss."""
    s = stream(model, ids, start, layer, only)
    answer = slice(start, len(ids))
    change = -(s.z @ s.z.T @ s.g)  # what a step on the block's map does to its output, for every token
    z, g = s.z[answer].mean(0), s.g[answer].mean(0)  # both are means over the response's tokens
    return {
        "state": s.h[start - 1],
        "gradient": s.g[start - 1],
        "change": change[answer].mean(0),
        "outer": -z * torch.dot(z, g),
        "activation": s.h[answer].mean(0),
        "lora": lora_gradient(model, ids, start, layer, only),
    }


def lora_gradient(
    model: PreTrainedModel, ids: Sequence[int], start: int, layer: int, only: int | None = None
) -> Tensor:
    """Projected gradients of the B of fresh LoRAs y = Wx + B A x in a block, its maps in the order in which they run.

    Maps that see no (batch, T, d) (those of experts) carry no LoRA.
    """
    put: dict[str, Tensor] = {}
    changed: list[nn.Module] = []
    for name, module in blocks(model)[layer - 1].named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            changed.append(module)
            module.forward = _with_lora(module, name, layer, put)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        loss = answer_loss(model, ids, start, only)
        gradients = torch.autograd.grad(loss, list(put.values()))
    finally:
        for module in changed:
            del module.forward
    rows = []
    for name, g in zip(put, gradients, strict=True):  # g (out, rank)
        rows.append((_random(f"{name}/out", layer, g.T, OUT, 1 / OUT).T @ g).flatten())
    return torch.cat(rows)


def _with_lora(module: nn.Module, name: str, layer: int, put: dict[str, Tensor]) -> Any:
    own = module.forward

    def forward(x: Tensor) -> Tensor:
        y = own(x)
        if y.dim() != 3:
            return y
        put[name] = b = torch.zeros(y.shape[-1], RANK, dtype=y.dtype, requires_grad=True)
        a = _random(name, layer, x, RANK).T  # (rank, in)
        return y + x @ a.T @ b.T

    return forward


def reference_layer(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> int:
    """RepT's layer: the l of the pair (l−1, l), from (1, 2) to (L−2, L−1), with the smallest mean cosine between the
    states at the last prompt token; ``hidden_states`` of transformers begin with the embeddings, H⁰.
    """
    depth = len(blocks(model))
    total = dict.fromkeys(((layer - 1, layer) for layer in range(2, depth)), 0.0)
    for ids in prompts:
        with torch.no_grad():
            states = model(torch.tensor([list(ids)]), output_hidden_states=True).hidden_states
        for low, high in total:
            a, b = states[low][0, -1].double(), states[high][0, -1].double()
            total[low, high] += float(torch.dot(a, b) / (a.norm() * b.norm()))
    return min(total, key=lambda pair: total[pair])[1]
