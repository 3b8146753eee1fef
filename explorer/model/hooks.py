"""Hooks on the blocks of a model: put on for one pass, always taken off, one way to read and replace inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils.hooks import RemovableHandle

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@contextmanager
def hooked() -> Iterator[list[RemovableHandle]]:
    """Yield a list for the handles of hooks; when the block ends, all of them are removed."""
    handles: list[RemovableHandle] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def hidden_states(args: Args, kwargs: Kwargs) -> Tensor:
    """The hidden states in the arguments of a block: its first positional one, or the one of that name."""
    return args[0] if args else kwargs["hidden_states"]


def with_hidden_states(args: Args, kwargs: Kwargs, x: Tensor) -> tuple[Args, Kwargs]:
    """The arguments of a block with its hidden states replaced by ``x``."""
    return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": x})


def output_states(output: Any) -> Tensor:
    """The hidden states in what a block returns: a tensor, or a tuple that begins with it."""
    return output if isinstance(output, Tensor) else output[0]


def with_output_states(output: Any, x: Tensor) -> Any:
    """What a block returns with its hidden states replaced by ``x``."""
    return x if isinstance(output, Tensor) else (x, *output[1:])
