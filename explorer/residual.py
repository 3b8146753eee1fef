"""The residual stream of a model: its blocks, and the states that enter and leave them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel


def decoder_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The model's list of decoder blocks, found by its length.

    Raises UncoveredModel where no list, or more than one, has ``num_hidden_layers`` entries.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if len(found) != 1:
        kind = type(model).__name__
        raise UncoveredModel(f"{kind} is not covered: expected one list of {count} decoder blocks, found {len(found)}.")
    return found[0]


def first_tensor(output: Any) -> Tensor:
    """The hidden states in what a block returns: a tensor, or a tuple that begins with it."""
    return output if isinstance(output, Tensor) else output[0]


@contextmanager
def recorded_residual(model: PreTrainedModel, with_gradient: bool = True) -> Iterator[list[Tensor]]:
    """While open, a forward pass through ``model`` fills the yielded list with the residual stream.

    The list ends up as L+1 tensors of shape (batch, T, width): the input of the first block, then the output of each
    block (before the final norm). With ``with_gradient`` the first is made the leaf at which the graph begins, so
    that the backward pass goes no lower than it. The caller holds the lock of the model: hooks are shared by threads.
    """
    states: list[Tensor] = []

    def enter(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict]:
        name = None if args else "hidden_states"
        x = args[0] if name is None else kwargs[name]
        if with_gradient:
            x = x.detach().requires_grad_()
        states.append(x)
        return ((x, *args[1:]), kwargs) if name is None else (args, {**kwargs, name: x})

    def leave(_block: nn.Module, _args: Any, output: Any) -> None:
        states.append(first_tensor(output))

    blocks = decoder_blocks(model)
    hooks = [blocks[0].register_forward_pre_hook(enter, with_kwargs=True)]
    hooks += [block.register_forward_hook(leave) for block in blocks]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()
