"""Planted groups are found, noise is not; trees, nulls and stability on data made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from explorer.behaviors import clusters as clusters_module
from explorer.behaviors import tree as tree_module
from explorer.behaviors.agreement import label_agreement
from explorer.behaviors.clusters import Clustering, assignment, find_clusters
from explorer.behaviors.evidence_cache import weighing
from explorer.behaviors.matrix import Matrix
from explorer.behaviors.null_corpora import CORPORA, take
from explorer.behaviors.significance import BEYOND, P_MOST, SHARES, STABILITY_LEAST, SUBJECTS_LEAST, profile, stability
from explorer.behaviors.tree import grow, grow_columns, row_distances
from explorer.errors import ExplorerError
from explorer.vectors.index import PAIR, SINGLE, UNRANKED, Index
from tests.behaviors.synthetic import make_matrix, noise, planted

RUNS = 20
"""Runs on noise; at a true rate of 5 % more than 3 of 20 do once in 60 times."""


# --- planted groups ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", (0.05, 0.3))
def test_planted_groups_are_found(tmp_path: Path, share: float) -> None:
    """Rare ones and common ones; each with its own subjects and datapoints, and nothing else is called emergent."""
    subjects, rows, of_subjects, of_rows = planted(3, 40, 300, 32, share)
    index, matrix = make_matrix(tmp_path, subjects, rows)
    found = find_clusters(index, matrix, draws=39, resamples=20)
    emergent = [c for c in found.cut() if c.emergent]
    assert len(emergent) == 3
    for cluster in emergent:
        group = np.bincount(of_subjects[cluster.subjects]).argmax()
        assert group > 0 and set(np.flatnonzero(of_subjects == group)) <= set(cluster.subjects)
        own = np.flatnonzero(of_rows == group)
        assert len(set(own) & set(cluster.datapoints.tolist())) / len(own) > 0.95
        assert set(cluster.datapoints[: len(own) // 2].tolist()) <= set(own.tolist())
        assert cluster.null_p <= P_MOST and cluster.stability >= STABILITY_LEAST and cluster.excess > 5
    assert label_agreement(found.cut(), [f"{g}" if g else "clean" for g in of_rows]).rand > 0.9


def test_the_same_seed_gives_the_same_figures_and_another_number_of_clusters_the_same_evidence(tmp_path: Path) -> None:
    subjects, rows, *_ = planted(3, 24, 120, 16, 0.1)
    index, matrix = make_matrix(tmp_path, subjects, rows)
    one, two = (find_clusters(index, matrix, draws=9, resamples=5, seed=4) for _ in range(2))
    for a, b in zip(one.cut(5), two.cut(5), strict=True):
        assert a.key == b.key
        np.testing.assert_equal((a.excess, a.null_p, a.stability), (b.excess, b.null_p, b.stability))
        assert a.datapoints.tolist() == b.datapoints.tolist()
    coarse, fine = one.cut(3), one.cut(10)
    assert (len(coarse), len(fine)) == (3, 10)
    for found in (coarse, fine):
        assert sorted(i for c in found for i in c.subjects) == list(range(24))
        members = [i for c in found for i in c.datapoints]
        assert len(members) == len(set(members))
        assert [c.id for c in found] == list(range(1, len(found) + 1))
        assert [c.excess for c in found] == sorted((c.excess for c in found), reverse=True)
    same = {c.key: c.null_p for c in coarse}
    assert all(same[c.key] == c.null_p or np.isnan(c.null_p) for c in fine if c.key in same)


def test_a_datapoint_belongs_to_the_likest_cluster_if_chance_does_not_reach_as_far(tmp_path: Path) -> None:
    subjects, rows, *_ = planted(5, 30, 150, 16, 0.1)
    index, matrix = make_matrix(tmp_path, subjects, rows)
    found = find_clusters(index, matrix, draws=19, resamples=2)
    clusters = found.cut(4)
    means = np.stack([matrix.values[c.subjects].mean(0) for c in clusters])
    best, of = means.argmax(0), assignment(clusters, 150)
    assert ((of == 0) | (of == best + 1)).all()
    nodes = {tuple(np.flatnonzero(row)): node for node, row in enumerate(found.tree.nodes)}
    for place, cluster in enumerate(clusters):
        cutoff = found.evidence.cutoffs[nodes[tuple(sorted(cluster.subjects))]]
        assert (means[place, of == place + 1] > cutoff).all() and (
            means[place, (of == 0) & (best == place)] <= cutoff
        ).all()
        np.testing.assert_allclose(cluster.similarities, np.sort(means[place, of == place + 1])[::-1], atol=1e-6)
    assert 0 < (of == 0).sum() < 150


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ("plain", "correlated"))
def test_noise_is_seldom_called_emergent(tmp_path: Path, kind: str) -> None:
    """At most 5 % of runs, but for chance; and the null alone is beaten no oftener, without the help of stability."""
    called, beaten = 0, 0
    for seed in range(RUNS):
        index, matrix = make_matrix(tmp_path / str(seed), *noise(seed, 12, 60, 10, kind))
        clusters = find_clusters(index, matrix, seed=seed, draws=19, resamples=6).cut()
        called += any(c.emergent for c in clusters)
        beaten += any(c.null_p <= P_MOST for c in clusters)
    assert called <= 3 and beaten <= 3


def test_each_null_alone_would_be_fooled(tmp_path: Path) -> None:
    """Why there are two: directions that vary together beat permuted dimensions, and hardly ever one cloud."""
    beats = dict.fromkeys(CORPORA, 0)
    for seed in range(5):
        index, matrix = make_matrix(tmp_path / str(seed), *noise(seed, 16, 120, 24, "correlated"))
        found = find_clusters(index, matrix, seed=seed, draws=19, resamples=1)
        large = [node for node, size in enumerate(found.tree.sizes) if size >= SUBJECTS_LEAST]
        for name, null in found.evidence.nulls.items():
            only = replace(found.evidence, nulls={name: null})
            beats[name] += any(only.p(node) <= P_MOST for node in large)
    assert beats["permuted"] >= 3 and beats["cloud"] <= 1


# --- figures are kept -------------------------------------------------------------------------------------------------


def test_figures_are_kept_for_the_same_question_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects, rows, *_ = planted(3, 8, 40, 8, 0.2)
    index, matrix = make_matrix(tmp_path, subjects, rows)
    weighed: list[int] = []
    real = clusters_module.gather
    monkeypatch.setattr(clusters_module, "gather", lambda *given: weighed.append(1) or real(*given))

    def ask(of: Matrix = matrix, seed: int = 0, draws: int = 4) -> Clustering:
        return find_clusters(index, of, seed=seed, draws=draws, resamples=2, keep=True)

    first = ask()
    again = ask()
    assert len(weighed) == 1
    np.testing.assert_equal(vars(again.evidence) | {"nulls": 0}, vars(first.evidence) | {"nulls": 0})
    for name, null in first.evidence.nulls.items():
        np.testing.assert_equal(vars(again.evidence.nulls[name]), vars(null))
    asked = replace(matrix, subjects=(replace(matrix.subjects[0], answer="else"), *matrix.subjects[1:]))
    twice = replace(matrix, layers=(2, 2))
    others = (partial(ask, seed=1), partial(ask, draws=3), partial(ask, asked), partial(ask, twice))
    for n, other in enumerate(others, 2):
        other()
        other()
        assert len(weighed) == n
    kept = weighing(index.folder, matrix, first.tree, 0, 4, 2)
    held = load_file(kept)
    save_file(held | {"nodes": ~held["nodes"]}, kept)  # as another machine's tree
    ask()
    assert len(weighed) == 6
    kept.write_bytes(kept.read_bytes()[:-9])
    np.testing.assert_equal(ask().evidence.cutoffs, first.evidence.cutoffs)
    assert len(weighed) == 7


# --- what it is made of -----------------------------------------------------------------------------------------------


def test_null_corpora_keep_what_they_should(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 2
    kinds = [SINGLE if i % 2 else PAIR for i in range(400)]
    rows[::2] += 5
    index, matrix = make_matrix(tmp_path, rng.normal(size=(4, 6)), rows, kinds)
    sample = take(index, matrix, np.arange(400))
    np.testing.assert_allclose(sample.values(matrix), matrix.values, atol=1e-5)
    x = sample.held["gradient.2"].numpy()
    for name, corpus in CORPORA.items():
        y = corpus(sample, np.random.default_rng(1)).held["gradient.2"].numpy()
        assert np.abs(y - x).max() > 1 and sample.held["gradient.2"].numpy() is not y
        for kind in (0, 1):
            a, b = x[kind::2], y[kind::2]
            assert np.abs(b.mean(0) - a.mean(0)).max() < 0.7
            if name == "permuted":
                np.testing.assert_array_equal(np.sort(a, axis=0), np.sort(b, axis=0))
                assert np.abs(np.corrcoef(b.T) - np.eye(6)).max() < 0.3
            else:
                np.testing.assert_allclose(np.cov(b.T), np.cov(a.T), atol=0.4 * np.abs(np.cov(a.T)).max())


def test_the_profile_is_cohens_d() -> None:
    x = np.random.default_rng(0).normal(size=(3, 200))
    found = profile(x)
    for j, share in enumerate(SHARES):
        top = round(share * 200)
        for i, row in enumerate(np.sort(x, axis=1)[:, ::-1]):
            a, b = row[:top], row[top:]
            within = np.sqrt((a.var() * len(a) + b.var() * len(b)) / 200)
            assert found[i, j] == pytest.approx((a.mean() - b.mean()) / within)
    assert 2 < found.min() < found.max() < 3.4
    np.testing.assert_allclose(profile(5 * x - 3), found)
    assert profile(np.ones((2, 50))).max() == 0 and profile(np.ones((2, 1))).shape == (2, 0)


def test_stability_is_high_for_groups_and_low_for_none() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), 8, axis=0) @ rng.normal(size=(3, 60)) + 0.1 * rng.normal(size=(24, 60))
    tree = grow(groups, range(1, 7))
    found = stability(groups, tree, np.random.default_rng(1), 20)
    assert min(found[3][list(tree.cuts[3])]) > 0.95 and np.isnan(found[3]).sum() == len(tree.nodes) - 3
    flat = rng.normal(size=(24, 60))
    tree = grow(flat, range(1, 7))
    assert np.nanmean(stability(flat, tree, np.random.default_rng(1), 20)[5]) < STABILITY_LEAST


def test_the_tree_is_of_correlations_and_the_columns_are_reduced_where_many(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    expected = np.sqrt(np.maximum(0, 2 * 40 * (1 - np.corrcoef(values))))
    np.testing.assert_allclose(row_distances(values), expected, atol=1e-3)
    scaled = values * np.array([[1], [2], [3], [1], [1], [9]], dtype=np.float32) + 4
    np.testing.assert_allclose(row_distances(scaled), expected, atol=1e-3)
    twice = np.concatenate([values, 2 * values[:2]])
    assert row_distances(twice)[0, 6] == row_distances(twice)[1, 7] == 0
    monkeypatch.setattr(tree_module, "BLOCK", 7)
    np.testing.assert_allclose(row_distances(values), expected, atol=1e-3)
    monkeypatch.setattr(tree_module, "DIRECTIONS", 4)
    whole, few = grow_columns(values), grow_columns(values, whole=10, micro=8)
    assert sorted(whole.order) == sorted(few.order) == list(range(40))
    assert len(whole.linkage) == 39 and whole.reduction == ""
    assert len(few.linkage) == few.leaf.max() <= 7 and "in 4 principal directions" in few.reduction
    assert (np.diff(few.leaf[few.order]) != 0).sum() == few.leaf.max()  # each micro-cluster in one piece
    again = grow_columns(values, whole=10, micro=8)
    assert (again.order == few.order).all()


@pytest.mark.parametrize("m", (2, 3, 9, 40))
def test_cuts_are_those_of_scipy(m: int) -> None:
    """Also where subjects are the same, so that some counts can't be had."""
    values = np.random.default_rng(m).normal(size=(m, 30)).astype(np.float32)
    values[m // 2] = values[-1] = values[0]
    tree = grow(values, range(1, m))
    for count, nodes in tree.cuts.items():
        labels = fcluster(tree.linkage, count, "maxclust")
        expected = {tuple(np.flatnonzero(labels == c)) for c in np.unique(labels)}
        assert {tuple(np.flatnonzero(tree.nodes[node])) for node in nodes} == expected
    assert len({row.tobytes() for row in tree.nodes}) == len(tree.nodes)
    assert len(grow(values, [m]).cuts[m]) == len(np.unique(values, axis=0))


def test_principal_directions_keep_the_distances_that_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of rank 3 lose nothing in 3 directions; the share of variance is what a plain PCA says."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(12, 3)) @ rng.normal(size=(3, 50))).astype(np.float32)
    monkeypatch.setattr(tree_module, "DIRECTIONS", 3)
    points, kept = tree_module._principal(values, 0)
    assert points.shape == (50, 3) and kept == pytest.approx(1)
    np.testing.assert_allclose(pdist(points), pdist(values.T), rtol=1e-4)
    noisy = values + rng.normal(size=values.shape).astype(np.float32)
    _, kept = tree_module._principal(noisy, 0)
    assert kept == pytest.approx(PCA(3).fit(noisy.T).explained_variance_ratio_.sum(), rel=1e-4)


# --- bad input --------------------------------------------------------------------------------------------------------


def weigh(matrix: Matrix, index: Index, count: int | None = None) -> Clustering:
    return find_clusters(index, matrix, count, draws=5, resamples=3)


@pytest.mark.parametrize(("m", "n"), ((1, 30), (2, 30), (12, 1), (12, 2), (1, 1)))
def test_few_subjects_or_datapoints_are_no_evidence(tmp_path: Path, m: int, n: int) -> None:
    index, matrix = make_matrix(tmp_path, *noise(0, m, n, 8))
    found = weigh(matrix, index)
    clusters = found.cut()
    assert sum(len(c.subjects) for c in clusters) == m and not any(c.emergent for c in clusters)
    if m < SUBJECTS_LEAST:
        assert all(np.isnan(c.null_p) for c in clusters)
    assert len(found.tree.order) == m and len(grow_columns(matrix.values).order) == n


@pytest.mark.parametrize("value", (0.0, 1.0))
@pytest.mark.parametrize("centre", (False, True))
def test_identical_and_zero_vectors_are_one_cluster_of_nothing(tmp_path: Path, value: float, centre: bool) -> None:
    index, matrix = make_matrix(tmp_path, np.full((5, 8), value), np.full((30, 8), value), centre=centre)
    found = weigh(matrix, index)
    (cluster,) = found.cut()
    assert not cluster.emergent and len(cluster.subjects) == 5 and found.best_count == 1
    assert len(found.cut(3)) == 1  # identical subjects are never split


def test_some_rows_without_a_vector(tmp_path: Path) -> None:
    subjects, rows, *_ = planted(3, 20, 100, 16, 0.2)
    kinds = [UNRANKED if i % 7 == 0 else SINGLE for i in range(100)]
    rows[::7], subjects[4] = 0, 0
    index, matrix = make_matrix(tmp_path, subjects, rows, kinds)
    clusters = weigh(matrix, index).cut(4)
    assert not set(range(0, 100, 7)) & {int(i) for c in clusters for i in c.datapoints}
    assert all(np.isfinite(c.similarities).all() for c in clusters)


def test_more_clusters_than_subjects(tmp_path: Path) -> None:
    index, matrix = make_matrix(tmp_path, *noise(0, 5, 20, 8))
    for count in (0, 6):
        with pytest.raises(
            ExplorerError, match=f"{count} clusters of 5 behavior prompts can't be made; expected 1 to 5"
        ):
            weigh(matrix, index, count)
    with pytest.raises(ExplorerError, match="9 clusters were not looked at; expected 1 to 5"):
        weigh(matrix, index).cut(9)
    assert len(weigh(matrix, index, 5).cut(5)) == 5


def test_no_datapoint_with_an_answer(tmp_path: Path) -> None:
    subjects, rows = noise(0, 5, 20, 8)
    index, matrix = make_matrix(tmp_path, subjects, 0 * rows, [UNRANKED] * 20)
    with pytest.raises(ExplorerError, match="no datapoint has an answer"):
        weigh(matrix, index)


def test_beyond_is_what_it_says(tmp_path: Path) -> None:
    """Of permuted datapoints, a share of 1 − BEYOND lies above a node's cutoff."""
    index, matrix = make_matrix(tmp_path, *noise(0, 8, 200, 12))
    found = weigh(matrix, index)
    sample, rng = take(index, matrix, np.arange(200)), np.random.default_rng(9)
    above = [
        (found.tree.means(CORPORA["permuted"](sample, rng).values(matrix)) > found.evidence.cutoffs[:, None]).mean(1)
        for _ in range(20)
    ]
    assert np.abs(np.mean(above, axis=0) - (1 - BEYOND)).max() < 0.01
