"""Planted groups are found, noise is not; evidence is cached; bad input."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from explorer.behaviors import significance as module
from explorer.behaviors.agreement import label_agreement
from explorer.behaviors.clusters import Clusters, assignment, find_clusters
from explorer.behaviors.matrix import Matrix
from explorer.behaviors.significance import CORPORA, MAX_P, MIN_PROMPTS, MIN_STABILITY, evidence_path
from explorer.behaviors.tree import datapoint_tree
from explorer.errors import ExplorerError
from explorer.vectors.index import SINGLE, UNRANKED, Index
from tests.behaviors.synthetic import make_matrix, noise, planted

RUNS = 20
"""Runs on noise; at a true rate of 5 % more than 3 of 20 do once in 60 times."""


@pytest.mark.parametrize("share", (0.05, 0.3))
def test_planted_groups_are_found(tmp_path: Path, share: float) -> None:
    """Rare ones and common ones; each with its own prompts and datapoints, and nothing else is called emergent."""
    prompts, rows, of_prompts, of_rows = planted(3, 40, 300, 32, share)
    index, matrix = make_matrix(tmp_path, prompts, rows)
    cut = find_clusters(index, matrix, draws=39, resamples=20).cut()
    emergent = [c for c in cut if c.emergent]
    assert len(emergent) == 3
    for cluster in emergent:
        group = np.bincount(of_prompts[cluster.prompts]).argmax()
        assert group > 0 and set(np.flatnonzero(of_prompts == group)) <= set(cluster.prompts)
        members = np.flatnonzero(of_rows == group)
        assert len(set(members) & set(cluster.datapoints.tolist())) / len(members) > 0.95
        assert set(cluster.datapoints[: len(members) // 2].tolist()) <= set(members.tolist())
        assert cluster.null_p <= MAX_P and cluster.stability >= MIN_STABILITY and cluster.excess > 5
    assert label_agreement(cut, [f"{g}" if g else "clean" for g in of_rows]).rand > 0.9


def test_the_same_seed_gives_the_same_figures_and_another_number_of_clusters_the_same_evidence(tmp_path: Path) -> None:
    prompts, rows, *_ = planted(3, 24, 120, 16, 0.1)
    index, matrix = make_matrix(tmp_path, prompts, rows)
    one, two = (find_clusters(index, matrix, draws=9, resamples=5, seed=4) for _ in range(2))
    for a, b in zip(one.cut(5), two.cut(5), strict=True):
        assert a.key == b.key
        np.testing.assert_equal((a.excess, a.null_p, a.stability), (b.excess, b.null_p, b.stability))
        assert a.datapoints.tolist() == b.datapoints.tolist()
    coarse, fine = one.cut(3), one.cut(10)
    assert (len(coarse), len(fine)) == (3, 10)
    for cut in (coarse, fine):
        assert sorted(i for c in cut for i in c.prompts) == list(range(24))
        members = [i for c in cut for i in c.datapoints]
        assert len(members) == len(set(members))
        assert [c.id for c in cut] == list(range(1, len(cut) + 1))
        assert [c.excess for c in cut] == sorted((c.excess for c in cut), reverse=True)
    same = {c.key: c.null_p for c in coarse}
    assert all(same[c.key] == c.null_p or np.isnan(c.null_p) for c in fine if c.key in same)


def test_a_datapoint_belongs_to_the_closest_cluster_if_chance_does_not_reach_as_far(tmp_path: Path) -> None:
    prompts, rows, *_ = planted(5, 30, 150, 16, 0.1)
    index, matrix = make_matrix(tmp_path, prompts, rows)
    clusters = find_clusters(index, matrix, draws=19, resamples=2)
    cut = clusters.cut(4)
    means = np.stack([matrix.values[c.prompts].mean(0) for c in cut])
    best, ids = means.argmax(0), assignment(cut, 150)
    assert ((ids == 0) | (ids == best + 1)).all()
    nodes = {tuple(np.flatnonzero(row)): node for node, row in enumerate(clusters.tree.nodes)}
    for place, cluster in enumerate(cut):
        cutoff = clusters.evidence.cutoffs[nodes[tuple(sorted(cluster.prompts))]]
        assert (means[place, ids == place + 1] > cutoff).all()
        assert (means[place, (ids == 0) & (best == place)] <= cutoff).all()
        np.testing.assert_allclose(cluster.similarities, np.sort(means[place, ids == place + 1])[::-1], atol=1e-6)
    assert 0 < (ids == 0).sum() < 150


@pytest.mark.parametrize("kind", ("plain", "correlated"))
def test_noise_is_seldom_called_emergent(tmp_path: Path, kind: str) -> None:
    """At most 5 % of runs, but for chance; and the null alone is beaten no oftener, without the help of stability."""
    called, beaten = 0, 0
    for seed in range(RUNS):
        index, matrix = make_matrix(tmp_path / str(seed), *noise(seed, 12, 60, 10, kind))
        cut = find_clusters(index, matrix, seed=seed, draws=19, resamples=6).cut()
        called += any(c.emergent for c in cut)
        beaten += any(c.null_p <= MAX_P for c in cut)
    assert called <= 3 and beaten <= 3


def test_each_null_alone_would_be_fooled(tmp_path: Path) -> None:
    """Why there are two: directions that vary together beat permuted dimensions, and hardly ever one cloud."""
    beats = dict.fromkeys(CORPORA, 0)
    for seed in range(5):
        index, matrix = make_matrix(tmp_path / str(seed), *noise(seed, 16, 120, 24, "correlated"))
        clusters = find_clusters(index, matrix, seed=seed, draws=19, resamples=1)
        large = [node for node, size in enumerate(clusters.tree.sizes) if size >= MIN_PROMPTS]
        for name, null in clusters.evidence.nulls.items():
            only = replace(clusters.evidence, nulls={name: null})
            beats[name] += any(only.p(node) <= MAX_P for node in large)
    assert beats["permuted"] >= 3 and beats["cloud"] <= 1


def test_evidence_is_cached_for_the_same_question_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, rows, *_ = planted(3, 8, 40, 8, 0.2)
    index, matrix = make_matrix(tmp_path, prompts, rows)
    measured: list[int] = []
    real = module.measure
    monkeypatch.setattr(module, "measure", lambda *given: measured.append(1) or real(*given))

    def find(matrix: Matrix = matrix, seed: int = 0, draws: int = 4) -> Clusters:
        return find_clusters(index, matrix, seed=seed, draws=draws, resamples=2, cached=True)

    first, again = find(), find()
    assert len(measured) == 1
    np.testing.assert_equal(vars(again.evidence) | {"nulls": 0}, vars(first.evidence) | {"nulls": 0})
    for name, null in first.evidence.nulls.items():
        np.testing.assert_equal(vars(again.evidence.nulls[name]), vars(null))
    changed = (replace(matrix.rows[0], answer="else"), *matrix.rows[1:])
    other_answer = replace(matrix, prompts=replace(matrix.prompts, rows=changed))
    centred = replace(matrix, centre=True)
    others = (partial(find, seed=1), partial(find, draws=3), partial(find, other_answer), partial(find, centred))
    for n, other in enumerate(others, 2):
        other()
        other()
        assert len(measured) == n
    path = evidence_path(index, matrix, first.tree, 0, 4, 2)
    assert path != evidence_path(index, replace(matrix, layer=3), first.tree, 0, 4, 2)
    tensors = load_file(path)
    save_file(tensors | {"nodes": ~tensors["nodes"]}, path)  # as another machine's tree
    find()
    assert len(measured) == 6
    path.write_bytes(path.read_bytes()[:-9])
    np.testing.assert_equal(find().evidence.cutoffs, first.evidence.cutoffs)
    assert len(measured) == 7


def quick(matrix: Matrix, index: Index, count: int | None = None) -> Clusters:
    return find_clusters(index, matrix, count, draws=5, resamples=3)


@pytest.mark.parametrize(("m", "n"), ((1, 30), (2, 30), (12, 1), (12, 2), (1, 1)))
def test_few_prompts_or_datapoints_are_no_evidence(tmp_path: Path, m: int, n: int) -> None:
    index, matrix = make_matrix(tmp_path, *noise(0, m, n, 8))
    clusters = quick(matrix, index)
    cut = clusters.cut()
    assert sum(len(c.prompts) for c in cut) == m and not any(c.emergent for c in cut)
    if m < MIN_PROMPTS:
        assert all(np.isnan(c.null_p) for c in cut)
    assert len(clusters.tree.order) == m and len(datapoint_tree(matrix.values).order) == n


@pytest.mark.parametrize("value", (0.0, 1.0))
@pytest.mark.parametrize("centre", (False, True))
def test_identical_and_zero_vectors_are_one_cluster_of_nothing(tmp_path: Path, value: float, centre: bool) -> None:
    index, matrix = make_matrix(tmp_path, np.full((5, 8), value), np.full((30, 8), value), centre=centre)
    clusters = quick(matrix, index)
    (cluster,) = clusters.cut()
    assert not cluster.emergent and len(cluster.prompts) == 5 and clusters.best_count == 1
    assert len(clusters.cut(3)) == 1  # identical prompts are never split


def test_some_rows_without_a_vector(tmp_path: Path) -> None:
    prompts, rows, *_ = planted(3, 20, 100, 16, 0.2)
    kinds = [UNRANKED if i % 7 == 0 else SINGLE for i in range(100)]
    rows[::7], prompts[4] = 0, 0
    index, matrix = make_matrix(tmp_path, prompts, rows, kinds)
    cut = quick(matrix, index).cut(4)
    assert not set(range(0, 100, 7)) & {int(i) for c in cut for i in c.datapoints}
    assert all(np.isfinite(c.similarities).all() for c in cut)


def test_more_clusters_than_prompts(tmp_path: Path) -> None:
    index, matrix = make_matrix(tmp_path, *noise(0, 5, 20, 8))
    for count in (0, 6):
        with pytest.raises(
            ExplorerError, match=f"{count} clusters of 5 behavior prompts can't be made; expected 1 to 5"
        ):
            quick(matrix, index, count)
    with pytest.raises(ExplorerError, match="9 clusters were not looked at; expected 1 to 5"):
        quick(matrix, index).cut(9)
    assert len(quick(matrix, index, 5).cut(5)) == 5


def test_no_datapoint_with_an_answer(tmp_path: Path) -> None:
    prompts, rows = noise(0, 5, 20, 8)
    index, matrix = make_matrix(tmp_path, prompts, 0 * rows, [UNRANKED] * 20)
    with pytest.raises(ExplorerError, match="no datapoint has an answer"):
        quick(matrix, index)
