"""One thing against the matrix, and two clusters against each other: each against a slow reference."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from explorer.behaviors.cards import make_cards
from explorer.behaviors.clusters import Clusters, cluster
from explorer.behaviors.nearest import (
    compare_clusters,
    correlations,
    nearest,
    similar_to_datapoint,
    similar_to_prompt,
    similar_to_text,
)
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.study import Study
from explorer.errors import ExplorerError


def test_correlations_are_pearsons(clusters: Clusters) -> None:
    values = clusters.matrix.values.copy()
    values[3] = 0.25
    ranked = clusters.matrix.ranked
    computed = correlations(values[0], values)
    wanted = [np.corrcoef(values[0][ranked], row[ranked])[0, 1] if i != 3 else 0 for i, row in enumerate(values)]
    np.testing.assert_allclose(computed, wanted, atol=1e-5)
    assert (correlations(values[3], values) == 0).all()


def test_nearest_leaves_out_nan_and_what_it_is_told_to() -> None:
    values = np.array([0.1, np.nan, 0.9, 0.5, 0.9, -1])
    assert nearest(values, 3) == [2, 4, 3]
    assert nearest(values, 9, [2]) == [4, 3, 0, 5]


def test_two_clusters_against_each_other(clusters: Clusters) -> None:
    table = pa.table({"id": [f"r{i}" for i in range(150)], "prompt": [f"word{i % 5} and" for i in range(150)]})
    one, two = make_cards(clusters, clusters.cut(4), table)[:2]
    comparison = compare_clusters(clusters, one, two, 20)
    values = clusters.matrix.values
    tops = []
    for card in (one, two):
        mean = np.mean([values[i] for i in card.cluster.prompts], axis=0)
        tops.append(set(sorted(range(150), key=lambda i: (np.isnan(mean[i]), -mean[i]))[:20]))
    assert (comparison.overlap, comparison.top) == (len(tops[0] & tops[1]), 20)
    pairs = [values[i, j] for i in one.cluster.prompts for j in two.cluster.datapoints]
    assert comparison.cross[0] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert set(comparison.shared_words) == set(one.words) & set(two.words)
    assert set(comparison.words[0]) == set(one.words) - set(two.words)
    itself = compare_clusters(clusters, one, one)
    assert itself.overlap == itself.top == min(100, int(clusters.matrix.ranked.sum()))
    assert itself.correlation == pytest.approx(1)


def test_a_prompt_a_datapoint_and_a_text_of_the_study(study: Study) -> None:
    clusters = cluster(study, method="gradient", layer=1)
    matrix = clusters.matrix
    by_row = similar_to_prompt(clusters, 1)
    np.testing.assert_array_equal(by_row.datapoints, matrix.values[1])
    assert by_row.prompts[1] == pytest.approx(1, abs=1e-6)
    by_text = similar_to_text(clusters, study, matrix.rows[1].item(study))
    np.testing.assert_allclose(by_text.datapoints, by_row.datapoints, atol=2e-3)
    row = int(np.flatnonzero(matrix.ranked)[0])
    like = similar_to_datapoint(clusters, row)
    assert like.datapoints[row] == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(like.prompts, matrix.values[:, row])
    empty = AnsweredPrompt("x", "", "one?", " ").item(study)
    with pytest.raises(ExplorerError, match="The answer has no word"):
        similar_to_text(clusters, study, empty)
