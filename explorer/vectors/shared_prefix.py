"""States of a batch at the input of a block, with what its exchanges begin with in common computed once.

Attention is causal, so the states of a prefix do not depend on what follows. Below the lowest layer that is
differentiated, a batch is run as a tree: its trunk is the beginning that all exchanges share (system prompt, chat
format), its stems are the prompts that several answers share (pairs), its leaves are the rest. Every level reads the
keys and values of the one before it. The blocks above run on whole exchanges as usual, so that nothing changes but the
order of sums.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from explorer.model.hooks import Args, Kwargs, hidden_states, hooked
from explorer.model.lrp import view_state
from explorer.model.residual import decoder_blocks
from explorer.vectors.tokenize import Exchange, common_length, padded, padded_rows

LEAST = 0.1
"""Share of a batch's tokens that must be saved; levels cost time of their own."""


class _Reached(Exception):
    """Ends a run at the block whose input is wanted."""


@dataclass(frozen=True)
class _Level:
    """Rows of token ids that begin at the positions ``starts``; ``parents``: the row of the level before of each."""

    rows: list[tuple[int, ...]]
    starts: list[int]
    parents: list[int]


def shared_states(view: PreTrainedModel, exchanges: Sequence[Exchange], layer: int) -> Tensor | None:
    """Return what enters block ``layer`` (from 2), (B, T, width), or None where sharing does not pay or fit.

    The caller holds the view's lock. The first batch of a view is checked against a plain run; a family whose states
    come out otherwise is never shared.
    """
    state = view_state(view)
    if state.shares_prefixes is False or layer < 2 or not (levels := _tree(view, exchanges)):
        return None
    with torch.no_grad():
        if state.shares_prefixes:
            return _grown(view, exchanges, levels, layer)
        state.shares_prefixes = _fits(view, exchanges, levels, layer)
        return _grown(view, exchanges, levels, layer) if state.shares_prefixes else None


def _fits(view: PreTrainedModel, exchanges: Sequence[Exchange], levels: Sequence[_Level], layer: int) -> bool:
    """Whether a family's blocks hand on plain states, and its shared states are those of a plain run."""
    handed: list[bool] = []
    with hooked() as handles:
        below = decoder_blocks(view)[layer - 2]
        handles.append(below.register_forward_hook(lambda _b, _a, output: handed.append(isinstance(output, Tensor))))
        plain = _entering(view, layer, input_ids=padded(exchanges, view.device), use_cache=False)
    try:
        states = _grown(view, exchanges, levels, layer)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return False
    real = (torch.arange(plain.shape[1]) < torch.tensor([[len(e.ids)] for e in exchanges])).to(plain.device)
    error = float((states - plain)[real].norm() / plain[real].norm())
    return all(handed) and error < (1e-4 if plain.dtype.itemsize >= 4 else 0.03)


def _tree(view: PreTrainedModel, exchanges: Sequence[Exchange]) -> list[_Level]:
    """Return the levels of a batch; none where too few tokens are saved."""
    rows = [e.ids for e in exchanges]
    trunk = min(min(e.start for e in exchanges) - 1, common_length(rows))
    prompts = [e.ids[: e.start] for e in exchanges]
    stems = list(dict.fromkeys(prompts))
    # padding within the keys shifts distances, which a sliding window counts by index
    windowed = getattr(view.config.get_text_config(), "sliding_window", None)
    if len(stems) == len(rows) or windowed:
        stems = []
    total = sum(map(len, rows))
    owners = [stems.index(prompt) for prompt in prompts] if stems else [0] * len(rows)
    saved = trunk * (len(stems or rows) - 1)
    saved += sum(len(prompt) for prompt in prompts) - sum(map(len, stems)) if stems else 0
    if trunk < 1 or saved < LEAST * total:
        return []
    levels = [_Level([rows[0][:trunk]], [0], [0])]
    if stems:
        levels.append(_Level([stem[trunk:] for stem in stems], [trunk] * len(stems), [0] * len(stems)))
    starts = [len(prompt) for prompt in prompts] if stems else [trunk] * len(rows)
    leaves = [ids[start:] for ids, start in zip(rows, starts, strict=True)]
    return [*levels, _Level(leaves, starts, owners)]


def _grown(view: PreTrainedModel, exchanges: Sequence[Exchange], levels: Sequence[_Level], layer: int) -> Tensor:
    """Run level after level, and put their states together."""
    device, cache = view.device, DynamicCache()
    seen = torch.zeros(1, 0, dtype=torch.long, device=device)
    states: list[Tensor] = []
    for number, level in enumerate(levels):
        if number:
            cache = _taken(cache, level.parents)
            seen = seen[level.parents]
        ids = padded_rows(level.rows, device)
        lengths, width = torch.tensor([len(row) for row in level.rows], device=device), ids.shape[1]
        steps = torch.arange(width, device=device)[None]
        seen = torch.cat([seen, (steps < lengths[:, None]).long()], 1)
        positions = torch.tensor(level.starts, device=device)[:, None] + steps
        told: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        if not bool(seen[:, : seen.shape[1] - width].all()):  # padding stands between a stem and its leaves
            told["attention_mask"] = seen
        states.append(_entering(view, layer, input_ids=ids, position_ids=positions, **told))
    return _assembled(exchanges, levels, states)


def _taken(cache: DynamicCache, parents: list[int]) -> DynamicCache:
    """Return the keys and values of some rows, one for each child."""
    grown = DynamicCache()
    for number, entry in enumerate(cache.layers):
        keys, values = getattr(entry, "keys", None), getattr(entry, "values", None)
        if keys is None or values is None or not keys.numel():
            break  # blocks that were not run
        grown.update(keys[parents], values[parents], number)
    return grown


def _entering(view: PreTrainedModel, layer: int, **inputs: Any) -> Tensor:
    """Run the view up to a block, and return what enters it."""
    entered: list[Tensor] = []

    def enter(_block: nn.Module, args: Args, kwargs: Kwargs) -> None:
        entered.append(hidden_states(args, kwargs))
        raise _Reached

    with hooked() as handles:
        handles.append(decoder_blocks(view)[layer - 1].register_forward_pre_hook(enter, with_kwargs=True))
        with suppress(_Reached):
            view(**inputs)
    return entered[0]


def _assembled(exchanges: Sequence[Exchange], levels: Sequence[_Level], states: Sequence[Tensor]) -> Tensor:
    """Return (B, T, width): every exchange's own branches, one after the other."""
    out = states[0].new_zeros(len(exchanges), max(len(e.ids) for e in exchanges), states[0].shape[-1])
    for i, row in enumerate(out):
        branch = i
        for level, state in zip(reversed(levels), reversed(states), strict=True):
            start, tokens = level.starts[branch], len(level.rows[branch])
            row[start : start + tokens] = state[branch, :tokens]
            branch = level.parents[branch]
    return out
