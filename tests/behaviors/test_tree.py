"""Trees and their cuts against scipy and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from explorer.behaviors import tree as module
from explorer.behaviors.tree import datapoint_tree, prompt_tree, row_distances


def test_the_tree_is_of_correlations_and_the_columns_are_reduced_where_many(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    expected = np.sqrt(np.maximum(0, 2 * 40 * (1 - np.corrcoef(values))))
    np.testing.assert_allclose(row_distances(values), expected, atol=1e-3)
    scaled = values * np.array([[1], [2], [3], [1], [1], [9]], dtype=np.float32) + 4
    np.testing.assert_allclose(row_distances(scaled), expected, atol=1e-3)
    twice = np.concatenate([values, 2 * values[:2]])
    assert row_distances(twice)[0, 6] == row_distances(twice)[1, 7] == 0
    monkeypatch.setattr(module, "BLOCK", 7)
    np.testing.assert_allclose(row_distances(values), expected, atol=1e-3)
    monkeypatch.setattr(module, "DIRECTIONS", 4)
    whole, few = datapoint_tree(values), datapoint_tree(values, max_linked=10, micro_clusters=8)
    assert sorted(whole.order) == sorted(few.order) == list(range(40))
    assert len(whole.linkage) == 39 and whole.reduction == ""
    assert len(few.linkage) == few.leaf.max() <= 7 and "in 4 principal directions" in few.reduction
    assert (np.diff(few.leaf[few.order]) != 0).sum() == few.leaf.max()  # each micro-cluster in one piece
    again = datapoint_tree(values, max_linked=10, micro_clusters=8)
    assert (again.order == few.order).all()


@pytest.mark.parametrize("m", (2, 3, 9, 40))
def test_cuts_are_those_of_scipy(m: int) -> None:
    """Also where prompts are the same, so that some counts can't be had."""
    values = np.random.default_rng(m).normal(size=(m, 30)).astype(np.float32)
    values[m // 2] = values[-1] = values[0]
    tree = prompt_tree(values, range(1, m))
    for count, nodes in tree.cuts.items():
        labels = fcluster(tree.linkage, count, "maxclust")
        expected = {tuple(np.flatnonzero(labels == c)) for c in np.unique(labels)}
        assert {tuple(np.flatnonzero(tree.nodes[node])) for node in nodes} == expected
    assert len({row.tobytes() for row in tree.nodes}) == len(tree.nodes)
    assert len(prompt_tree(values, [m]).cuts[m]) == len(np.unique(values, axis=0))


def test_principal_directions_keep_the_distances_that_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of rank 3 lose nothing in 3 directions; the share of variance is what a plain PCA says."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(12, 3)) @ rng.normal(size=(3, 50))).astype(np.float32)
    monkeypatch.setattr(module, "DIRECTIONS", 3)
    points, kept = module._principal(values)
    assert points.shape == (50, 3) and kept == pytest.approx(1)
    np.testing.assert_allclose(pdist(points), pdist(values.T), rtol=1e-4)
    noisy = values + rng.normal(size=values.shape).astype(np.float32)
    _, kept = module._principal(noisy)
    assert kept == pytest.approx(PCA(3).fit(noisy.T).explained_variance_ratio_.sum(), rel=1e-4)
