"""Eight sessions at once, other models in the middle, a build and a long prompt beside: as if each were alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from explorer.data.failures import Failure, shipped_failures
from explorer.graph.build import attribution_graph
from explorer.model.load import ModelSpec, load_model
from explorer.model.passes import watched
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.trace.explain import explain
from explorer.vectors.index import open_index
from tests.vectors.tiny import build, files_of, mixed_rows, save_tiny, tiny_study

SESSIONS = 8
BEHAVIORS = [{"id": "b", "name": "b", "prompt": "is it", "bad": "one two", "good": "three"}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return ModelSpec(str(save_tiny(tmp_path_factory.mktemp("other") / "model")))


def session(number: int, other: ModelSpec) -> list[np.ndarray]:
    """What one session does: two prompts of its own, another model in between, a graph."""
    cases = list(shipped_failures().values())
    one, two = cases[number], cases[number + SESSIONS]
    rule = ("attnlrp", "cplrp", "gradient")[number % 3]
    found = [explain(one, ModelSpec(), rule=rule).trace.relevance]
    found.append(explain(Failure("is it", wrong="one", right="two"), other, rule=rule).trace.relevance)
    found.append(explain(two, ModelSpec(), rule=rule).trace.relevance)
    graph = attribution_graph(two, ModelSpec(), rule="attnlrp" if number % 2 else "cplrp")
    return [*found, *(pair.weight for pair in graph.pairs)]


@pytest.mark.slow
def test_sessions_at_once_get_what_they_get_alone(smollm, tiny, tmp_path):
    alone = [session(number, tiny) for number in range(SESSIONS)]
    calm = tiny_study(tmp_path / "calm", Path(tiny.source), mixed_rows(80), behaviors=BEHAVIORS)
    busy = tiny_study(tmp_path / "busy", Path(tiny.source), mixed_rows(80), behaviors=BEHAVIORS)
    expected = files_of(build(calm, shard_rows=16).folder)
    ranking = rank(calm, AboutBehavior("b"), layer=1).scores
    long = Failure("river " * 1100, wrong="Sydney", right="Canberra")
    with ThreadPoolExecutor(SESSIONS + 2) as pool:
        building = pool.submit(lambda: build(busy, shard_rows=16))
        tracing = pool.submit(lambda: explain(long, ModelSpec()).trace.relevance)
        together = list(pool.map(lambda number: session(number, tiny), range(SESSIONS)))
    for one, other in zip(alone, together, strict=True):
        assert len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    index = open_index(building.result().folder)
    assert files_of(index.folder) == expected
    assert np.array_equal(rank(busy, AboutBehavior("b"), layer=1, index=index).scores, ranking, equal_nan=True)
    assert np.array_equal(tracing.result(), explain(long, ModelSpec()).trace.relevance)


def test_everybody_who_waits_is_told_within_a_second(smollm):
    told: dict[int, float] = {}
    begin = threading.Barrier(SESSIONS)

    def ask(number: int) -> None:
        began = 0.0

        def tell(_what: str, _done: float = 0, _total: float = 0, /) -> None:
            told.setdefault(number, time.monotonic() - began)

        with watched(tell):
            begin.wait()
            began = time.monotonic()
            explain(list(shipped_failures().values())[number], ModelSpec())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == SESSIONS and max(told.values()) < 1


def test_one_model_is_read_once_for_all(tiny, monkeypatch):
    from explorer.model import load

    monkeypatch.setattr(load, "_kept", {})
    load._alive.clear()
    with ThreadPoolExecutor(SESSIONS) as pool:
        loaded = list(pool.map(lambda _: load_model(tiny), range(SESSIONS)))
    assert all(one is loaded[0] for one in loaded)
