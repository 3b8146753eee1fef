"""Does a view compute what its model does? Compared at every position, at a length past every attention window.

What differs in attention (a mask that is read in another way, a bias that goes with the distance) may show late in a
text alone. So the first blocks, one of every kind at least, read a text longer than the windows of the configuration,
and the states that they put out must agree.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel, first_line
from explorer.model.hooks import hooked, output_states
from explorer.model.residual import decoder_blocks, wide

TOLERANCE, COARSE_TOLERANCE = 1e-3, 0.1
"""Largest accepted relative difference of a state; the coarse one for 16-bit weights, where sums are rounded."""
_TOKENS, _MOST_TOKENS = 340, 4_608
"""Least and most tokens of the text; the most is past the windows of 4,096 that many families have."""
_FEW = 8
"""Tokens that are read alone, too: what comes after them may change nothing."""
_LENGTHS = ("max_position_embeddings", "max_seq_len", "n_positions")


def check_same(
    model: PreTrainedModel, view_of: Callable[[PreTrainedModel], PreTrainedModel], tokens: int | None = None
) -> None:
    """Raise UncoveredModel where a view does not compute what its model does, or does not run.

    ``view_of`` makes the view, here of the model's first blocks. ``tokens``: length of the text, default past every
    window.
    """
    place = next(name for name, module in model.named_modules() if module is decoder_blocks(model))
    short, ids = _first_blocks(model, place), _text(model)[:, :tokens]
    try:
        expected, actual = (_last_states(each, place, ids) for each in (short, view_of(short)))
        alone = _last_states(short, place, ids[:, : min(_FEW, ids.shape[1] // 2)])
    except UncoveredModel:
        raise
    except Exception as error:  # an exotic family can fail in any way
        raise UncoveredModel(f"running it failed ({first_line(error, 120)}).") from error
    tolerance = TOLERANCE if model.dtype.itemsize >= 4 else COARSE_TOLERANCE
    if not ((alone - expected[: len(alone)]).norm(dim=-1) <= tolerance * alone.norm(dim=-1)).all():
        raise UncoveredModel("its tokens see those that come after them; expected a causal model.")
    difference = ((actual - expected).norm(dim=-1) / expected.norm(dim=-1).clamp_min(1e-12)).max().item()
    if not difference <= tolerance:
        raise UncoveredModel(
            f"its view does not compute the same (states of {ids.shape[1]} tokens differ by up to {difference:.1%})."
        )


def check_same_operations(
    model: PreTrainedModel,
    view_of: Callable[[PreTrainedModel], PreTrainedModel],
    ruled: Callable[[PreTrainedModel, Tensor], set[type]],
) -> None:
    """Raise UncoveredModel where a long text runs operations that have a rule in modules where a short one runs none.

    ``ruled``: of a view and ids, the classes of modules that run some. A view puts rules where a short text needs them.
    """
    place = next(name for name, module in model.named_modules() if module is decoder_blocks(model))
    short, ids = _first_blocks(model, place), _text(model)[:, :_TOKENS]
    view = view_of(short)
    if more := ruled(view, ids) - ruled(view, ids[:, :6]):
        raise UncoveredModel(f"its {more.pop().__name__} runs other operations on a long text than on a short one.")


def _text(model: PreTrainedModel) -> Tensor:
    """Random ids (1, T), longer than every window as far as the model reads that much."""
    config = model.config.get_text_config()
    windows = [value for name, value in config.to_dict().items() if ("window" in name or "chunk" in name)]
    past = [value + 64 for value in windows if type(value) is int and value < _MOST_TOKENS - 64]
    limits = [value for name in _LENGTHS if type(value := getattr(config, name, None)) is int and value > 0]
    length = min(max(_TOKENS, *past, 0), *limits, _MOST_TOKENS)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(config.vocab_size, (1, length), generator=generator).to(model.device)


def _first_blocks(model: PreTrainedModel, place: str) -> PreTrainedModel:
    """A copy of a model without its later blocks: two are left, or more for one of each kind of attention layer."""
    shared: dict[int, Any] = {id(t): t for t in (*model.parameters(), *model.buffers())}
    short = copy.deepcopy(model, shared).eval()
    kinds: list[str] = getattr(model.config.get_text_config(), "layer_types", None) or []
    depth = max(2, *(1 + kinds.index(kind) for kind in {*kinds}), 0)
    blocks: Any = short.get_submodule(place)
    del blocks[depth:]
    short.config.get_text_config().num_hidden_layers = len(blocks)
    short.config._experts_implementation = "eager"  # as views run them
    return short


def _last_states(model: PreTrainedModel, place: str, ids: Tensor) -> Tensor:
    """(T, width) what the last block puts out, in at least float32."""
    states: list[Tensor] = []

    def keep(_block: nn.Module, _args: Any, output: Any) -> None:
        states.append(wide(output_states(output)[0]))
        if states[-1].dim() != 2 or len(states[-1]) != ids.shape[1]:
            raise UncoveredModel(f"its blocks put out more than one state a token ({(*states[-1].shape,)}).")

    blocks: Any = model.get_submodule(place)
    with hooked() as handles, torch.no_grad():
        handles.append(blocks[-1].register_forward_hook(keep))
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
    return states[-1]
