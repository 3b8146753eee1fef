"""The map: groups stay together, small matrices, the cached file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.behaviors import projection
from explorer.behaviors.clusters import Clusters, find_clusters
from explorer.behaviors.projection import FOLDER, cached_map, project
from tests.behaviors.synthetic import Labelled, make_matrix, planted


def test_the_map_keeps_groups_together_and_is_the_same_again(labelled: Labelled) -> None:
    values = labelled.clusters.matrix.values[:, :100].copy()
    values[:, 7] = np.nan
    one, two = project(values), project(values)
    np.testing.assert_array_equal(one.points, two.points)
    assert 7 not in one.rows and len(one.rows) == 99 and np.abs(one.points).max() == pytest.approx(1)
    labels = np.array(labelled.table["label"].to_pylist())[one.rows]
    group = one.points[labels == "a"]
    assert group.std(0).max() < 0.6 * one.points.std(0).max()
    few = project(values, most=50)
    assert len(few.rows) == 50 and "50 of 99 datapoints, drawn at random" in few.note


@pytest.mark.parametrize("shape", ((1, 1), (5, 1), (1, 9), (3, 2), (3, 3), (2, 5)))
def test_small_maps(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    points = project(values).points
    assert points.shape == (shape[1], 2) and np.isfinite(points).all()
    assert not project(np.ones(shape)).points.any()


@pytest.fixture
def fresh(tmp_path: Path) -> Clusters:
    """Clusters beside whose index nothing is cached."""
    prompts, rows, *_ = planted(3, 30, 200, 24, 0.15)
    return find_clusters(*make_matrix(tmp_path, prompts, rows), draws=2, resamples=1)


def test_a_map_is_cached_and_a_damaged_one_is_made_again(fresh: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached_map(fresh)
    (file,) = (fresh.index.folder / FOLDER).iterdir()
    real = projection.project
    monkeypatch.setattr(projection, "project", lambda _values: pytest.fail("made again"))
    again = cached_map(fresh)
    assert np.allclose(again.points, first.points) and (again.rows == first.rows).all() and again.note == first.note
    monkeypatch.setattr(projection, "project", real)
    file.write_bytes(b"broken")
    assert np.allclose(cached_map(fresh).points, first.points, atol=1e-6)
