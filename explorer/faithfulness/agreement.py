"""Does relevance go with effect, more than when whole tokens exchange their relevance?

The figure is Pearson's r over nodes. The many nodes of one residual stream are no independent cases, so both the
control (relevances exchanged between tokens) and the interval (tokens drawn with replacement) take a token's column as
one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from explorer.graph.prune import Node


@dataclass(frozen=True)
class Agreement:
    """How relevance goes with effect over some nodes; nan where either is constant.

    Attributes:
        r: Pearson between relevance and effect.
        interval: its 95 % bootstrap interval, over tokens.
        control: mean r of relevances exchanged between tokens.
        p: share of those that reach r, one-sided.
    """

    r: float
    interval: tuple[float, float]
    control: float
    p: float


def agreement(
    relevance: np.ndarray, nodes: Sequence[Node], effect: np.ndarray, movable: Sequence[int], shuffles: int, seed: int
) -> Agreement:
    """Compare the relevance of nodes with their effect.

    Args:
        relevance: (L+1, T) of all nodes.
        nodes: (layer, token) of those whose effect is known.
        effect: (len(nodes),).
        movable: tokens whose columns are exchanged; a node takes the relevance of its own layer at another token.
        shuffles: draws of control and bootstrap.
        seed: of both.
    """
    if not nodes:
        return Agreement(nan, (nan, nan), nan, 1.0)
    rng = np.random.default_rng(seed)
    layers, tokens = np.array(nodes).T
    values = relevance.astype(float)
    r = float(pearson(values[layers, tokens], effect))
    places = np.tile(np.arange(relevance.shape[1]), (shuffles, 1))
    places[:, movable] = rng.permuted(places[:, movable], axis=1)
    control = np.nan_to_num(pearson(values[layers, places[:, tokens]], effect))
    p = 1.0 if isnan(r) else (1 + int((control >= r - 1e-12).sum())) / (1 + shuffles)
    weights = _drawn_tokens(tokens, shuffles, rng)
    again = pearson(np.broadcast_to(values[layers, tokens], weights.shape), effect, weights)
    again = again[~np.isnan(again)]
    low, high = np.quantile(again, [0.025, 0.975]) if len(again) else (nan, nan)
    return Agreement(r, (float(low), float(high)), float(control.mean()), p)


def _drawn_tokens(tokens: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return (draws, n) how often each node counts where as many tokens are drawn, with replacement, as there are."""
    columns = np.unique(tokens)
    drawn = rng.integers(len(columns), size=(draws, len(columns)))
    counts = (drawn[:, :, None] == np.arange(len(columns))).sum(1)
    return counts[:, np.searchsorted(columns, tokens)].astype(float)


def pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the correlation along the last axis, each case counted ``weights`` times; nan where one is constant."""
    w = np.ones_like(x) if weights is None else weights
    total = w.sum(-1, keepdims=True)
    dx = x - (w * x).sum(-1, keepdims=True) / total
    dy = y - (w * y).sum(-1, keepdims=True) / total
    spread = (w * dx**2).sum(-1) * (w * dy**2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (w * dx * dy).sum(-1) / np.sqrt(spread), np.nan)
