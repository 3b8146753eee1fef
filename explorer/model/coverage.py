"""Does the LRP view cover every part of a model? Measured, not read off names, and whatever the weights are.

With norms, gates and attention patterns held constant (CP-LRP), every part of a covered model is linear in its input
and its biases together, so f = Σ x·∂f/∂x + Σ b·∂f/∂b holds exactly. A part without a rule breaks the equation. Under
AttnLRP it holds too once softmax and sigmoid are taken as proportional to what enters, which is done here alone. Each
kind of block is probed in float64 with random weights of its own shapes, so that neither small weights nor a coarse
number format can hide a missing rule; the head is probed with its logits scaled up, where a soft cap would bend them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map_only
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel, first_line
from explorer.model.hooks import hidden_states, hooked, output_states, with_hidden_states, with_output_states
from explorer.model.residual import decoder_blocks

BLOCK_TOLERANCE = 1e-5
"""Largest accepted share of a block's output that may go missing (float64; covered blocks stay below 1e-7)."""
HEAD_TOLERANCE = 0.05
_TOKENS = 8


def check_coverage(view: PreTrainedModel) -> None:
    """Raise UncoveredModel where a view by AttnLRP or CP-LRP misses a part."""
    try:
        missing = list(_missing_shares(view))  # blocks of one class may be of several kinds
    except UncoveredModel:
        raise
    except Exception as error:  # an exotic family can fail in any way when it is probed
        raise UncoveredModel(f"probing it failed ({first_line(error, 120)}).") from error
    for part, share in missing:
        if not share <= (HEAD_TOLERANCE if part == "head" else BLOCK_TOLERANCE):
            raise UncoveredModel(f"{share:.1%} of what its {part} puts out has no source.")


def _missing_shares(view: PreTrainedModel) -> Iterator[tuple[str, float]]:
    calls = _record_calls(view)
    seen = set()
    for block, (args, kwargs) in zip(decoder_blocks(view), calls, strict=True):
        kind = (type(block), tuple((name, p.shape) for name, p in block.named_parameters()))
        if kind not in seen:
            seen.add(kind)
            yield type(block).__name__, _block_share(view, block, args, kwargs)
    yield "head", _head_share(view)


def _ids(view: PreTrainedModel) -> Tensor:
    vocabulary = view.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    return torch.randint(vocabulary, (1, _TOKENS), generator=generator).to(view.device)


def _record_calls(view: PreTrainedModel) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments of each block in a short forward pass."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def before(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append((args, kwargs))

    with hooked() as handles, torch.no_grad():
        handles += [block.register_forward_pre_hook(before, with_kwargs=True) for block in decoder_blocks(view)]
        view(input_ids=_ids(view), use_cache=False)
    return calls


def _block_share(view: PreTrainedModel, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """|f − Σ| / Σ|terms| for a random weighting f of the block's output, with random weights in float64."""
    generator = torch.Generator().manual_seed(0)

    def lively(p: Tensor) -> Tensor:
        fan_in = p.shape[-1] if p.dim() > 1 else 1
        return (torch.randn(p.shape, generator=generator, dtype=torch.float64) / fan_in**0.5).to(p.device)

    weights = {name: lively(p) for name, p in block.named_parameters()}
    biases = _biases(weights)
    call = (args, kwargs, dict(block.named_buffers()))
    args, kwargs, buffers = tree_map_only(Tensor, lambda x: x.double() if x.is_floating_point() else x, call)
    state = weights | biases | buffers
    given = hidden_states(args, kwargs)
    x = torch.randn(given.shape, generator=generator, dtype=torch.float64).to(given.device).requires_grad_()
    with torch.enable_grad(), _constants(view) as constants:
        output = output_states(functional_call(block, state, *with_hidden_states(args, kwargs, x)))
        f = (output * torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output.device)).sum()
        sources = [x, *biases.values(), *constants]
        gradients = torch.autograd.grad(f, sources, allow_unused=True)
    terms = [(s * g).detach().nan_to_num() for s, g in zip(sources, gradients, strict=True) if g is not None]
    total = sum(term.sum() for term in terms)
    return ((f - total).abs() / terms[0].sum(-1).abs().sum().clamp_min(f.abs())).item()


@contextmanager
def _constants(view: PreTrainedModel) -> Iterator[list[Tensor]]:
    """While open, numbers that the view adds are leaves of the graph, in the list: sources as biases are."""
    state: Any = view.lrp
    state.constants = []
    try:
        yield state.constants
    finally:
        state.constants = None


def _head_share(view: PreTrainedModel) -> float:
    """|gap − Σ| / |gap| from a random last residual state to a logit gap, with logits a thousand times too large."""
    biases = _biases(dict(view.named_parameters()))
    unembedding = view.get_output_embeddings()
    head = {id(p) for p in unembedding.parameters()} if unembedding is not None else set()
    state = {name: (biases.get(name, p) * (1000 if id(p) in head else 1)) for name, p in view.named_parameters()}
    leaf: list[Tensor] = []

    def replace(_block: nn.Module, _args: Any, output: Any) -> Any:
        last = output_states(output)
        x = torch.randn(last.shape, generator=torch.Generator().manual_seed(0)).to(last.device, last.dtype)
        leaf.append(x.requires_grad_())
        return with_output_states(output, leaf[0])

    with hooked() as handles, torch.enable_grad():
        handles.append(decoder_blocks(view)[-1].register_forward_hook(replace))
        logits = functional_call(view, state, kwargs={"input_ids": _ids(view), "use_cache": False}).logits[0, -1]
        gap = logits.max() - logits.min()
        sources = [leaf[0], *biases.values()]
        gradients = torch.autograd.grad(gap, sources, allow_unused=True)
    terms = [(s.double() * g.double()).sum() for s, g in zip(sources, gradients, strict=True) if g is not None]
    return ((gap.double() - torch.stack(terms).sum()).abs() / gap.double().abs()).item()


def _biases(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the parameters called bias, as leaves that take gradients."""
    biases = {name: p for name, p in parameters.items() if name.endswith("bias")}
    return {name: p.detach().clone().requires_grad_() for name, p in biases.items()}
