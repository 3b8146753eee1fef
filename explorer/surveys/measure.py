"""One case of a survey: read by every model, its map judged, its profile by layer."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, load_model
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, Stopped, silent
from explorer.surveys.folder import Case, Reading, Row
from explorer.surveys.outcomes import judge
from explorer.trace.explain import Explanation, explain
from explorer.trace.words import words_of

WORDS = 3
"""Strongest words each way that a row holds."""


def measure(
    case: Case,
    models: Mapping[str, ModelSpec | LoadedModel],
    *,
    rule: str = "attnlrp",
    judge_maps: bool = True,
    progress: Progress = silent,
) -> Row:
    """Measure a case; what the surveyed model, the last of ``models``, can't read becomes the row's ``error``.

    Args:
        models: name → model, in training order.
        rule: a key of ``RULES``.
        judge_maps: also measure outcome, pattern and verdict, of a failure that the model makes (Δℓ > 0).

    Raises Stopped where ``progress`` does.
    """
    start = time.perf_counter()
    try:
        row: dict[str, Any] = _measure(case, models, rule, judge_maps, progress)
    except Stopped:
        raise
    except ExplorerError as error:
        row = {"error": str(error)}
    return Row(case.id, **row, seconds=round(time.perf_counter() - start, 2))


def _measure(
    case: Case, models: Mapping[str, ModelSpec | LoadedModel], rule: str, judge_maps: bool, progress: Progress
) -> dict[str, Any]:
    readings: dict[str, Reading] = {}
    loaded, explanation = None, None
    for number, (name, model) in enumerate(models.items()):
        loaded = model if isinstance(model, LoadedModel) else load_model(model, progress)
        last = number == len(models) - 1
        explanation = explain(case.failure, loaded, rule=rule, record=last)
        readings[name] = Reading(explanation.trace.gap, explanation.segment_totals())
    assert loaded is not None and explanation is not None
    row = _figures(explanation) | {"readings": readings}
    if judge_maps and explanation.trace.gap > 0 and (judged := judge(explanation, loaded, progress=progress)):
        row |= {name: getattr(judged, name) for name in ("outcome", "pattern", "percentile", "graph_percentile")}
        row |= {"verdict": judged.verdict.kind, "verdict_figures": judged.verdict.figures}
    return row


def _figures(explanation: Explanation) -> dict[str, Any]:
    """What a row says of the map alone."""
    words = sorted(words_of(explanation.tokens, explanation.relevance), key=lambda word: word.relevance)
    named = [(word.text, round(word.relevance, 4)) for word in words if word.speaks]
    return {
        "gap": explanation.trace.gap,
        "sides": explanation.sides,
        "tokens": sum(token.segment != "generated" for token in explanation.tokens),
        "reddest": tuple(pair for pair in named[::-1][:WORDS] if pair[1] > 0),
        "bluest": tuple(pair for pair in named[:WORDS] if pair[1] < 0),
        "profile": profile(explanation.trace.relevance),
        "sink_share": sink_share(explanation.trace.relevance),
    }


def profile(relevance: np.ndarray) -> tuple[float, ...]:
    """Share of Σ|relevance| at each layer, the contrast's own column left out: where what matters still stands apart.

    Args:
        relevance: (L+1, T); in the last column everything that decides ends up.

    Returns L+1 shares that sum to 1; equal ones where there is nothing else.
    """
    sums = np.abs(relevance[:, :-1]).sum(1, dtype=np.float64)
    total = sums.sum()
    shares = sums / total if total else np.full(len(sums), 1 / len(sums))
    return tuple(round(float(share), 5) for share in shares)


def sink_share(relevance: np.ndarray) -> float | None:
    """Share of |relevance| on the first token, mean over the inner layers of (L+1, T); None where there are none."""
    inner = np.abs(relevance[1:-1]).astype(np.float64)
    totals = inner.sum(1)
    shares = inner[totals > 0, 0] / totals[totals > 0]
    return round(float(shares.mean()), 4) if len(shares) else None
