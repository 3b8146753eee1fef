"""The residual stream of a model: its blocks, how they are called, and the states that enter and leave them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from explorer.errors import UncoveredModel
from explorer.model.hooks import hidden_states, hooked, output_states, with_hidden_states, with_output_states


def decoder_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """Return the model's decoder blocks: the one ModuleList with ``num_hidden_layers`` entries in its decoder.

    Of a model that reads images or sound too, those of the text half. Raises UncoveredModel where no list, or more than
    one, has that length.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if len(lists) > 1:
        inside = {id(m) for m in model.get_decoder().modules()}
        lists = [m for m in lists if id(m) in inside]
    if len(lists) != 1:
        kind = type(model).__name__
        raise UncoveredModel(f"{kind} is not covered: expected one list of {count} decoder blocks, found {len(lists)}.")
    return lists[0]


def linear_maps(module: nn.Module) -> dict[str, nn.Module]:
    """Return the linear maps inside a module by name."""
    return {name: inner for name, inner in module.named_modules() if isinstance(inner, nn.Linear | Conv1D)}


def head_only_at(model: PreTrainedModel, where: Tensor) -> RemovableHandle:
    """Make the head see only the positions of ``where`` (B, T) bool, as one row, until the handle is removed."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Module):
        raise UncoveredModel(f"{type(model).__name__} is not covered: it has no head that makes logits.")
    return head.register_forward_pre_hook(lambda _head, args: (args[0][where][None], *args[1:]))


def wide(x: Tensor) -> Tensor:
    """Widen to at least float32, so that sums over 16-bit values do not round."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True)
class BlockCall:
    """Positional and named arguments of a block's call, without its hidden states."""

    args: tuple[Any, ...]
    named: dict[str, Any]

    def run(self, block: nn.Module, x: Tensor) -> Tensor:
        """Run ``block`` on other hidden states x (batch, T, width) with the same further arguments."""
        if "hidden_states" in self.named:
            return output_states(block(**{**self.named, "hidden_states": x}))
        return output_states(block(x, *self.args, **self.named))

    def cut(self, length: int) -> "BlockCall":
        """The same call for the first ``length`` tokens. Arguments of unknown meaning make it refuse (KeyError)."""
        return BlockCall(
            tuple(_cut("", value, length) for value in self.args),
            {name: _cut(name, value, length) for name, value in self.named.items()},
        )


def _cut(name: str, value: Any, length: int) -> Any:
    if not isinstance(value, Tensor | tuple):
        return value
    cut = {
        "hidden_states": lambda v: v[:, :length],
        "attention_mask": lambda v: v[..., :length, :length],
        "position_ids": lambda v: v[..., :length],
        "cache_position": lambda v: v[:length],
        "position_embeddings": lambda v: (
            v[..., :length, :] if isinstance(v, Tensor) else tuple(part[..., :length, :] for part in v)
        ),
    }
    return cut[name](value)


@dataclass
class Recording:
    """What was recorded in a forward pass.

    ``states``: L+1 tensors (batch, T, width), the input of the first block and then the output of each (before the
    final norm). ``calls``: how each of the L blocks was called.
    """

    states: list[Tensor] = field(default_factory=list)
    calls: list[BlockCall] = field(default_factory=list)


@contextmanager
def recorded_residual(model: PreTrainedModel, leaf: Literal["first", "last"] = "first") -> Iterator[Recording]:
    """While open, a forward pass through ``model`` fills the yielded recording.

    The first state is made the leaf at which the graph begins, so that a backward pass goes no lower than it. With
    ``leaf="last"`` it is the last state instead: run the pass without gradients, and they are switched on there. The
    caller holds the lock of the model: hooks are shared by threads.
    """
    recording = Recording()

    def enter(_block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict] | None:
        recording.calls.append(BlockCall(args[1:], named))
        if recording.states:
            return None
        x = hidden_states(args, named)
        if leaf == "first":
            x = x.detach().requires_grad_()
        recording.states.append(x)
        return with_hidden_states(args, named, x)

    def leave(block: nn.Module, _args: Any, output: Any) -> Any:
        recording.states.append(output_states(output))
        if leaf == "first" or block is not blocks[-1]:
            return None
        torch.set_grad_enabled(True)
        recording.states[-1] = x = output_states(output).detach().requires_grad_()
        return with_output_states(output, x)

    blocks = decoder_blocks(model)
    with hooked() as handles:
        handles += [block.register_forward_pre_hook(enter, with_kwargs=True) for block in blocks]
        handles += [block.register_forward_hook(leave) for block in blocks]
        yield recording
