"""Kept edges and exact sums, against dense matrices."""

import numpy as np
import pytest

from explorer.graph.collect import collect_edges, from_rows
from explorer.graph.replay import skip_edges
from explorer.progress import Stopped
from tests.graph.tiny import tiny

FAMILIES = ("llama", "gpt2", "gemma3")


def distances(length: int) -> np.ndarray:
    return np.arange(length)[:, None] - np.arange(length)[None]


@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
@pytest.mark.parametrize("family", FAMILIES)
def test_sums_are_over_all_edges(family, rule):
    graph = tiny(family, rule=rule)
    for layer, (pair, dense) in enumerate(zip(graph.pairs, graph.dense, strict=True)):
        size = np.abs(dense)
        assert (pair.low, pair.high) == (layer, layer + 1)
        assert pair.total == pytest.approx(size.sum(), rel=1e-9)
        assert pair.vertical == pytest.approx(np.trace(size), rel=1e-9)
        assert pair.reach == pytest.approx((size * distances(12)).sum(), rel=1e-9)
        rounding = int((size[size > 0] < 1e-12 * size.max()).sum())  # what is left over may be 0 or nearly
        assert abs(pair.count - np.count_nonzero(dense)) <= rounding


@pytest.mark.parametrize("family", FAMILIES)
def test_every_edge_is_kept_where_there_is_room(family):
    graph = tiny(family)
    for pair, dense in zip(graph.pairs, graph.dense, strict=True):
        again = np.zeros_like(dense)
        again[pair.target, pair.source] = pair.weight
        assert np.allclose(again, dense, rtol=0, atol=1e-12 * np.abs(dense).max())
        assert (np.diff(np.abs(pair.weight)) <= 0).all()
        assert len(pair.weight) == pair.count
        assert (pair.weight != 0).all()


@pytest.mark.parametrize("most", (1, 5, 30))
def test_the_strongest_are_kept_and_the_sums_stay(most, monkeypatch):
    graph = tiny()
    monkeypatch.setattr("explorer.graph.edges._BLOCK", 4 * 12 * 5)  # several row blocks
    for pair, whole, dense in zip(collect_edges(graph.view, graph.trace, most), graph.pairs, graph.dense, strict=True):
        strongest = np.sort(np.abs(dense).ravel())[::-1][:most]
        strongest = strongest[strongest > 1e-12 * strongest[0]]  # below is rounding
        assert np.allclose(np.abs(pair.weight[: len(strongest)]), strongest, rtol=1e-9)
        assert len(strongest) <= len(pair.weight) <= most
        assert np.allclose(dense[pair.target, pair.source], pair.weight, rtol=1e-9, atol=1e-12 * strongest[0])
        assert len(set(zip(pair.target.tolist(), pair.source.tolist(), strict=True))) == len(pair.weight)
        for name in ("total", "vertical", "reach"):
            assert getattr(pair, name) == pytest.approx(getattr(whole, name), rel=1e-9)
        assert abs(pair.count - whole.count) <= 12  # rounding decides whether what is left over is exactly 0


def test_progress_and_stopping():
    graph = tiny()
    seen = []
    collect_edges(graph.view, graph.trace, progress=lambda _what, done=0, total=0: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def stop(_what: str, done: float = 0, _total: float = 0) -> None:
        if done == 1:
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        collect_edges(graph.view, graph.trace, progress=stop)


def test_from_rows_is_the_same_for_neighbouring_layers():
    graph = tiny()
    rows = skip_edges(graph.view, graph.trace, 1, 2, list(range(12)))
    pair, dense = from_rows(1, 2, list(range(12)), rows), graph.dense[1]
    again = np.zeros_like(dense)
    again[pair.target, pair.source] = pair.weight
    assert np.allclose(again, dense, atol=1e-9 * np.abs(dense).max())
    wanted = graph.pairs[1]
    for name in ("total", "vertical", "reach"):
        assert getattr(pair, name) == pytest.approx(getattr(wanted, name), rel=1e-6)


def test_from_rows_for_some_targets():
    rows = np.array([[0.0, -3.0, 1.0, 0.0], [2.0, 0.0, 0.5, -4.0]], dtype=np.float32)
    pair = from_rows(2, 7, [2, 3], rows)
    assert (pair.low, pair.high, pair.count) == (2, 7, 5)
    assert pair.weight.tolist() == [-4, -3, 2, 1, 0.5]
    assert pair.target.tolist() == [3, 2, 3, 2, 3]
    assert pair.source.tolist() == [3, 1, 0, 2, 2]
    assert (pair.total, pair.vertical, pair.reach) == (10.5, 5.0, 3 * 1 + 2 * 3 + 0.5 * 1)
