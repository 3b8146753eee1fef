"""Null corpora, separation, stability and membership, each against its definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.behaviors.clusters import find_clusters
from explorer.behaviors.significance import (
    CORPORA,
    MEMBER_QUANTILE,
    MIN_STABILITY,
    SHARES,
    profile,
    stability,
    take_sample,
)
from explorer.behaviors.tree import prompt_tree
from explorer.vectors.index import PAIR, SINGLE
from tests.behaviors.synthetic import make_matrix, noise


def test_null_corpora_keep_what_they_should(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 2
    kinds = [SINGLE if i % 2 else PAIR for i in range(400)]
    rows[::2] += 5
    index, matrix = make_matrix(tmp_path, rng.normal(size=(4, 6)), rows, kinds)
    sample = take_sample(index, matrix, np.arange(400))
    np.testing.assert_allclose(matrix.similarities(sample, matrix.target), matrix.values, atol=1e-5)
    x = sample.vectors["gradient.2"].numpy()
    for name, corpus in CORPORA.items():
        y = sample.redrawn(corpus, np.random.default_rng(1)).vectors["gradient.2"].numpy()
        assert np.abs(y - x).max() > 1 and sample.vectors["gradient.2"].numpy() is not y
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
    separations = profile(x)
    for j, share in enumerate(SHARES):
        top = round(share * 200)
        for i, row in enumerate(np.sort(x, axis=1)[:, ::-1]):
            a, b = row[:top], row[top:]
            within = np.sqrt((a.var() * len(a) + b.var() * len(b)) / 200)
            assert separations[i, j] == pytest.approx((a.mean() - b.mean()) / within)
    assert 2 < separations.min() < separations.max() < 3.4
    np.testing.assert_allclose(profile(5 * x - 3), separations)
    assert profile(np.ones((2, 50))).max() == 0 and profile(np.ones((2, 1))).shape == (2, 0)


def test_stability_is_high_for_groups_and_low_for_none() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3), 8, axis=0) @ rng.normal(size=(3, 60)) + 0.1 * rng.normal(size=(24, 60))
    tree = prompt_tree(groups, range(1, 7))
    overlap = stability(groups, tree, np.random.default_rng(1), 20)
    assert min(overlap[3][list(tree.cuts[3])]) > 0.95 and np.isnan(overlap[3]).sum() == len(tree.nodes) - 3
    flat = rng.normal(size=(24, 60))
    tree = prompt_tree(flat, range(1, 7))
    assert np.nanmean(stability(flat, tree, np.random.default_rng(1), 20)[5]) < MIN_STABILITY


def test_the_member_quantile_is_what_it_says(tmp_path: Path) -> None:
    """Of permuted datapoints, a share of 1 − MEMBER_QUANTILE lies above a node's cutoff."""
    index, matrix = make_matrix(tmp_path, *noise(0, 8, 200, 12))
    clusters = find_clusters(index, matrix, draws=5, resamples=3)
    sample, rng = take_sample(index, matrix, np.arange(200)), np.random.default_rng(9)
    permuted = [matrix.similarities(sample.redrawn(CORPORA["permuted"], rng), matrix.target) for _ in range(20)]
    above = [(clusters.tree.means(values) > clusters.evidence.cutoffs[:, None]).mean(1) for values in permuted]
    assert np.abs(np.mean(above, axis=0) - (1 - MEMBER_QUANTILE)).max() < 0.01
