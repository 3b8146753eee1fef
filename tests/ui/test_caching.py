"""Computed results in memory: bounded by bytes, told apart by what they depend on, computed once for all sessions."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.data.failures import Failure
from explorer.model.load import ModelSpec
from explorer.ui import caching
from explorer.ui.caching import Results, bytes_of, cached, frozen
from tests.vectors.tiny import save_tiny


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Results:
    results = Results(10_000)
    monkeypatch.setattr(caching, "results", results)
    return results


def test_results_stay_below_their_bytes_and_the_oldest_goes(results):
    calls: list[int] = []

    @cached()
    def array(n: int) -> np.ndarray:
        calls.append(n)
        return np.zeros(n, dtype=np.uint8)

    for n in (4000, 4001, 4000, 4002):  # 4000 is used again before the third comes
        array(n)
        assert results.bytes <= 10_000
    array(4000)
    assert calls == [4000, 4001, 4002]
    array(4001)
    assert calls[-1] == 4001
    array(50_000)  # the newest always stays
    assert results.bytes == 50_000


def test_a_result_that_grows_is_measured_again(results):
    @cached()
    def growing(_name: str) -> dict[str, torch.Tensor]:
        return {}

    growing("a")["x"] = torch.zeros(2000)
    growing("a")
    assert 8000 <= results.bytes < 8100
    growing("b")["x"] = torch.zeros(2000)
    growing("b")
    growing("c")
    assert results.bytes < 8200


def test_what_is_shared_counts_once():
    x = torch.zeros(100, 10)
    assert bytes_of([x, x[3], x.T, (x,)]) - bytes_of([0, 0, 0, (0,)]) == x.nbytes
    assert bytes_of({"a": np.zeros(5), "b": "text"}) == 40 + 4 + 2


def test_sessions_that_ask_for_the_same_wait_for_the_first(results):
    calls: list[int] = []

    @cached()
    def slow(n: int) -> list[int]:
        calls.append(n)
        time.sleep(0.3)
        return [n]

    answers: list[list[int]] = []
    threads = [threading.Thread(target=lambda: answers.append(slow(7))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [7] and all(answer is answers[0] for answer in answers) and len(answers) == 5


def test_an_error_is_not_kept(results):
    calls: list[int] = []

    @cached()
    def fails() -> None:
        calls.append(1)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            fails()
    assert len(calls) == 2


def test_a_model_is_told_apart_by_its_files(tmp_path: Path):
    spec = ModelSpec(str(save_tiny(tmp_path / "m")))
    one = frozen((spec, Failure("p", "w", "r")))
    assert one == frozen((ModelSpec(str(tmp_path / "m")), Failure("p", "w", "r")))
    assert one != frozen((spec, Failure("p", "w", "other")))
    (tmp_path / "m" / "config.json").touch()
    assert one != frozen((spec, Failure("p", "w", "r")))


def test_what_nothing_tells_apart_is_refused():
    with pytest.raises(TypeError):
        frozen(np.zeros(3))
