"""Is an explanation meaningful, and what went wrong: CAIW's outcomes and patterns, computed instead of read by people.

*M-IA* (meaningful input attribution): masking the map's reddest tokens, at most ``MASKED``, closes the gap further than
random masks of the same size do (``early.py``, at 5 %), under both default replacements. *NC-IA + M-AG*: it does not,
but ablating the graph's reddest inner nodes does, against random nodes of the same layers. *NC-IA + AG*: neither.

*OIT* (overweights irrelevant tokens): M-IA, and most of the tokens masked there are not the evidence. *URT*
(underweights relevant tokens): where the failure names its evidence, that span holds less of the map's |relevance| than
of its tokens, or pushes to the wrong answer in sum; where it does not, masking the bluest tokens widens the gap further
than random masks do: something that speaks for the right answer is seen, and loses.

How many tokens are masked is read from the map alone: as many as hold half of what it calls red. Under a map that knows
nothing they are one more random set, which passes in 5 % of cases under one replacement, and in fewer under both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np

from explorer.faithfulness.curves import LEVEL
from explorer.faithfulness.operators import MaskedPrompt, random_orders
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, MapVerdict
from explorer.graph.ablate import gaps_without
from explorer.graph.build import parse_layers
from explorer.graph.prune import Node
from explorer.model.load import LoadedModel
from explorer.model.passes import watched
from explorer.progress import Progress, silent
from explorer.surveys.brief import brief_verdict
from explorer.surveys.early import MOST, STEPS, passes
from explorer.surveys.folder import Outcome, Pattern
from explorer.trace.explain import Explanation

MASKED = 5
"""Tokens, or nodes, that are taken away at most."""
HALF = 0.5
"""Of the relevance towards the wrong answer: what the masked tokens hold, if so few can."""
FEW = 40
"""Sets of one size, of which all are tried."""
FEWEST = 6
"""Tokens of a prompt that an outcome needs: fewer have less than 20 sets of any size, none of which passes."""


class Held(NamedTuple):
    """A value against random ones: the share of those drawn that it exceeds, and whether it passes."""

    share: float
    passes: bool


@dataclass(frozen=True)
class Judged:
    """Outcome and pattern of one failure, with the percentiles that they rest on.

    Attributes:
        outcome, pattern: see the module.
        percentile: share of the random masks drawn that close the gap less than the reddest tokens' does, the smaller
            of the replacements.
        graph_percentile: share of random nodes whose ablation closes it less; None where the map's own was enough.
        verdict: of the map, in brief.
    """

    outcome: Outcome
    pattern: Pattern
    percentile: float
    graph_percentile: float | None
    verdict: MapVerdict


def judge(
    explanation: Explanation, loaded: LoadedModel, *, seed: int = 0, progress: Progress = silent
) -> Judged | None:
    """Judge the map of one failure that the model makes.

    Args:
        explanation: with a recorded trace (``explain(…, record=True)``).
        seed: of the random sets and orders; the same seed gives the same figures.
        progress: may raise to end the work.

    Returns None for a prompt with fewer than ``FEWEST`` tokens that can be masked.
    """
    prompt = MaskedPrompt(loaded, explanation)
    if len(prompt.players) < FEWEST:
        return None
    with watched(progress):
        return _judge(prompt, explanation, loaded, seed)


def _judge(prompt: MaskedPrompt, explanation: Explanation, loaded: LoadedModel, seed: int) -> Judged:
    relevance = explanation.relevance[prompt.players]
    order = np.argsort(-relevance, kind="stable")
    size = mask_size(relevance)
    reddest, bluest = order[:size], order[::-1][:size]
    segments = [explanation.tokens[player].segment for player in prompt.players]
    evidence = np.array([segment == "evidence" for segment in segments])
    held, *wider = hold_masks(prompt, [(reddest, 1), *([] if evidence.any() else [(bluest, -1)])], seed)
    verdict = brief_verdict(explanation, prompt, size, seed=seed)
    graph = None if held.passes else hold_nodes(explanation, loaded, seed)
    outcome: Outcome = "M-IA" if held.passes else "NC-IA + M-AG" if graph and graph.passes else "NC-IA + AG"
    irrelevant = held.passes and int(evidence[reddest].sum()) * 2 < size
    underweight = wider[0].passes if wider else _underweight(relevance, evidence)
    return Judged(outcome, _pattern(irrelevant, underweight), held.share, graph and graph.share, verdict)


def mask_size(relevance: np.ndarray) -> int:
    """How many of (n,) tokens are masked: the fewest that hold ``HALF`` of what is red, from 1 to ``MASKED``.

    At least so many that there are 20 sets of that size: fewer could never pass 95 % of them.
    """
    red = np.sort(np.maximum(relevance, 0.0))[::-1].cumsum()
    size = int(np.searchsorted(red, HALF * red[-1])) + 1
    least = next(k for k in range(1, len(relevance)) if comb(len(relevance), k) >= 1 / LEVEL)
    return max(least, min(MASKED, size))


def hold_masks(prompt: MaskedPrompt, chosen: Sequence[tuple[np.ndarray, int]], seed: int = 0) -> list[Held]:
    """Hold masks of some players against random ones of the same size, under both default replacements.

    Args:
        chosen: (indices among the players, all sets of one size; +1 where closing the gap counts, −1 where widening
            does).

    Returns for each the smaller share of the replacements, and whether it passes under both; after one that it fails
    under, no more are measured.
    """
    n, found = len(prompt.players), [Held(1.0, True)] * len(chosen)
    sets, every = _random_sets(n, len(chosen[0][0]), seed)
    for operator in DEFAULT_OPERATORS:

        def falls(players: Sequence[np.ndarray], operator: str = operator) -> np.ndarray:
            masks = np.zeros((1 + len(players), n), dtype=bool)
            for row, each in enumerate(players, 1):
                masks[row, each] = True
            gaps = prompt.gaps(masks, operator)
            return gaps[0] - gaps[1:]

        for number, (players, sign) in enumerate(chosen):
            if found[number].passes:
                held = _hold(players, lambda some, s=sign: s * falls(some), sets, every)
                found[number] = Held(min(found[number].share, held.share), held.passes)
    return found


def _random_sets(n: int, size: int, seed: int) -> tuple[list[np.ndarray], bool]:
    """The beginnings of random orders, those that the verdict is held against; all sets (True) where there are few."""
    if comb(n, size) <= FEW:
        return [np.array(players) for players in combinations(range(n), size)], True
    return [order[:size] for order in random_orders(n, MOST, seed)], False


def hold_nodes(explanation: Explanation, loaded: LoadedModel, seed: int = 0) -> Held:
    """Ablate the graph's ``MASKED`` reddest inner nodes at once, and random nodes of the same layers.

    Inner nodes stand at the layers that the app draws first, between the embeddings and the last block, in the columns
    of all tokens but the first (an attention sink) and the last, which is the contrast's own.

    Returns the share of random sets whose ablation closes the gap less, and whether that passes; 0 where there is no
    inner node.
    """
    trace, contrast = explanation.trace, (explanation.contrast.target, explanation.contrast.foil)
    depth, length = len(trace.relevance) - 1, trace.relevance.shape[1]
    layers = [layer for layer in parse_layers("six", depth) if 0 < layer < depth]
    columns = range(1, length - 1)
    nodes = sorted(((layer, column) for layer in layers for column in columns), key=lambda at: -trace.relevance[at])
    chosen = [node for node in nodes[:MASKED] if trace.relevance[node] > 0]
    if not chosen:
        return Held(0.0, False)
    view, draw = loaded.view("gradient", len(trace.ids)), np.random.default_rng(seed)

    def falls(sets: Sequence[list[Node]]) -> np.ndarray:
        return trace.gap - np.array(gaps_without(view, trace, contrast, sets))

    return _hold(chosen, falls, [_same_layers(chosen, columns, draw) for _ in range(MOST)], every=False)


def _same_layers(nodes: Sequence[Node], columns: range, draw: np.random.Generator) -> list[Node]:
    """Random nodes, as many of each layer as ``nodes`` has there."""
    found: list[Node] = []
    for layer in dict.fromkeys(layer for layer, _ in nodes):
        count = sum(at == layer for at, _ in nodes)
        found += [(layer, int(column)) for column in draw.choice(columns, count, replace=False)]
    return found


def _hold(chosen: Any, measure: Callable[..., np.ndarray], random: Sequence[Any], every: bool) -> Held:
    """Hold a set's value against those of random sets, until it is decided (``early.py``); rounding makes none larger.

    Args:
        measure: the values of some sets.
        every: the sets are all that there are, the chosen among them: 95 % of them have to be below it.
    """
    steps = (STEPS[0], len(random)) if every else STEPS
    value, *first = measure([chosen, *random[: steps[0]]])
    values, larger, found = np.array(first), 0, None
    for drawn in steps:
        values = np.concatenate([values, measure(random[len(values) : drawn])])
        larger = int((values >= value - 1e-6 * max(1.0, float(np.abs(values).max()))).sum())
        found = _passes_all(larger, len(values), len(random)) if every else passes(larger, len(values))
        if found is not None:
            break
    return Held(1 - larger / len(values), bool(found))


def _passes_all(larger: int, drawn: int, sets: int) -> bool | None:
    return False if larger > LEVEL * sets else True if drawn == sets else None


def _underweight(relevance: np.ndarray, evidence: np.ndarray) -> bool:
    total = float(np.abs(relevance).sum())
    share = float(np.abs(relevance[evidence]).sum()) / total if total else 0.0
    return share < evidence.mean() or float(relevance[evidence].sum()) >= 0


def _pattern(irrelevant: bool, underweight: bool) -> Pattern:
    if irrelevant and underweight:
        return "both"
    return "OIT" if irrelevant else "URT" if underweight else "neither"
