"""The verdict is measured against bare passes over the very prompts that it reads."""

import numpy as np
import pytest

from bench.verdict import GOAL, bare_passes, bench_verdict, masks_of
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.verdict import DEFAULT_OPERATORS
from explorer.trace.explain import explain
from tests.faithfulness.decided import decided_loaded


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What prompts are masked by, each as it is read."""
    seen: list[tuple[str, bytes]] = []
    measure = MaskedPrompt._measure

    def spy(self: MaskedPrompt, masks: np.ndarray, operator: str) -> np.ndarray:
        seen.extend((operator, mask.tobytes()) for mask in masks)
        return measure(self, masks, operator)

    monkeypatch.setattr(MaskedPrompt, "_measure", spy)
    return seen


@pytest.mark.slow
def test_the_row_counts_the_prompts_that_the_verdict_reads(read):
    loaded, failure = decided_loaded(0)
    (row,) = bench_verdict(loaded, failure, 0, orders=10)
    assert row["masked_prompts"] == len(read) == len(set(read))
    assert {operator for operator, _ in read} == set(DEFAULT_OPERATORS)
    assert (row["tokens"], row["orders"], row["goal"]) == (27, 10, GOAL)
    assert row["ratio"] == row["seconds"] / row["plain_seconds"] > 0


def test_bare_passes_read_the_same_prompts_and_find_the_same_gaps(read):
    loaded, failure = decided_loaded(1)
    explanation = explain(failure, loaded)
    prompt = MaskedPrompt(loaded, explanation)
    masks = masks_of(explanation, prompt.players, 4)
    bare = bare_passes(loaded, explanation, masks)()
    assert not read  # not by the verdict's own passes
    expected = [prompt.gaps(masks, operator) for operator in DEFAULT_OPERATORS]
    assert bare == pytest.approx(np.array(expected), abs=1e-9)
    assert np.ptp(bare) > 1  # they differ
