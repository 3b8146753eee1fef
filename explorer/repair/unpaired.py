"""KTO: training on single answers, each of them wanted or unwanted (Ethayarajh et al., 2024, arXiv 2402.01306).

A study keeps an unwanted answer as ``rejected`` beside an empty ``chosen``, any other as ``response``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, sigmoid, where

from explorer.errors import ExplorerError
from explorer.repair.plan import SWAP


def is_unwanted(row: Mapping[str, Any]) -> bool:
    """Whether training pushed away from a row's only answer."""
    return not row.get("response") and not row.get("chosen") and bool(row.get("rejected"))


def turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as if its answer were of the other kind."""
    if is_unwanted(row):
        return {**row, "response": row["rejected"], "chosen": None, "rejected": None}
    return {**row, "response": None, "chosen": "", "rejected": row["response"]}


def wanted_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[bool]]:
    """(rows with their answer under ``response``, whether it is wanted); the edit ``swap`` turns a row.

    Raises ExplorerError for a row of a wanted and an unwanted answer.
    """
    if pair := next((row for row in rows if row.get("chosen") and row.get("rejected")), None):
        raise ExplorerError(f"Training row {pair.get('id', '?')} is a pair; KTO trains on single answers.")
    wanted = [is_unwanted(row) == (row.get("edit") == SWAP) for row in rows]
    return [turned(row) if is_unwanted(row) else dict(row) for row in rows], wanted


def with_others(data: list[dict[str, Any]]) -> None:
    """Add to each tokenised row the answer of the row before it, which KTO's estimate of the KL is made of."""
    answers = [row["answers"][0] for row in data]
    for number, row in enumerate(data):
        row["answers"] = [answers[number], answers[number - 1]]


def kto_losses(ratios: Tensor, wanted: Tensor, beta: float, weights: tuple[float, float]) -> Tensor:
    """Return the loss of each row, shape (n,): equation 7 of the paper.

    Args:
        ratios: (n, 2) log-probability under the policy minus that under the reference, of the row's own answer, and of
            another row's to its prompt, whose mean, at least 0, is the estimate of the KL; no gradient goes through it.
        wanted: (n,) bool.
        weights: of wanted and of unwanted answers.
    """
    kl = ratios[:, 1].mean().clamp(min=0).detach()
    gain = beta * (ratios[:, 0] - kl)
    return where(wanted, weights[0] * (1 - sigmoid(gain)), weights[1] * (1 - sigmoid(-gain)))
