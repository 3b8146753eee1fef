"""What the verdict on a map costs against bare forward passes over the prompts that it reads (goal: at most 1.2 ×)."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bench.timing import medians
from explorer.data.failures import Failure
from explorer.faithfulness.curves import ORDERS, curve_sizes
from explorer.faithfulness.operators import MaskedPrompt, prefix_masks, random_orders
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, verdicts
from explorer.model.load import LoadedModel
from explorer.trace.explain import Explanation, explain

GOAL = 1.2
ROWS = 32
"""Masked prompts in one bare pass."""


def masks_of(explanation: Explanation, players: np.ndarray, orders: int) -> np.ndarray:
    """(m, players) the different masks of a map's own orders, of random ones and of single tokens."""
    n, relevance = len(players), explanation.relevance[players]
    by_map = [np.argsort(-sign * relevance, kind="stable") for sign in (1, -1)]
    sizes = curve_sizes(n)
    curves = [prefix_masks(order, sizes) for order in [*by_map, *random_orders(n, orders, 0)]]
    return np.unique(np.concatenate([*curves, np.eye(n, dtype=bool)]), axis=0)


def bare_passes(loaded: LoadedModel, explanation: Explanation, masks: np.ndarray) -> Callable[[], np.ndarray]:
    """Forward over every masked prompt in full, those of one length together, by the untouched model.

    The prompt with nothing replaced is the same under every operator: it is read once.

    Returns:
        The work, which returns the (operators, m) gaps in logits; what the first block reads is made before.
    """
    prompt, contrast = MaskedPrompt(loaded, explanation), explanation.contrast
    empty = np.logical_not(masks.any(1))
    by_length: dict[int, list[tuple[tuple[int, int], torch.Tensor]]] = defaultdict(list)
    for which, operator in enumerate(DEFAULT_OPERATORS):
        for number, mask in enumerate(masks):
            if which and empty[number]:
                continue
            states = prompt.inputs(mask, operator)
            by_length[states.shape[1]].append(((which, number), states))
    batches = [rows[at : at + ROWS] for rows in by_length.values() for at in range(0, len(rows), ROWS)]
    inputs = [([place for place, _ in rows], torch.cat([states for _, states in rows])) for rows in batches]

    def work() -> np.ndarray:
        gaps = np.zeros((len(DEFAULT_OPERATORS), len(masks)))
        with torch.no_grad():
            for places, states in inputs:
                logits = loaded.model(inputs_embeds=states, use_cache=False, logits_to_keep=1).logits[:, -1].double()
                gaps[tuple(zip(*places, strict=True))] = (logits[:, contrast.target] - logits[:, contrast.foil]).cpu()
        gaps[1:, empty] = gaps[0, empty]
        return gaps

    return work


def bench_verdict(loaded: LoadedModel, failure: Failure, repeats: int, orders: int = ORDERS) -> list[dict[str, Any]]:
    """One row: seconds of the verdict on a failure's AttnLRP map, and of bare passes over as many masked prompts.

    Args:
        orders: random orders, an even number.
    """
    explanation = explain(failure, loaded)
    players = MaskedPrompt(loaded, explanation).players
    masks = masks_of(explanation, players, orders)
    works = {
        "verdict": lambda: verdicts([explanation], loaded, orders=orders),
        "plain": bare_passes(loaded, explanation, masks),
    }
    seconds = medians(works, repeats)
    return [
        {
            "tokens": len(explanation.tokens),
            "replaceable": len(players),
            "orders": orders,
            "masked_prompts": len(DEFAULT_OPERATORS) * (len(masks) - 1) + 1,  # nothing replaced: once
            "seconds": seconds["verdict"],
            "plain_seconds": seconds["plain"],
            "ratio": seconds["verdict"] / seconds["plain"],
            "goal": GOAL,
        }
    ]
