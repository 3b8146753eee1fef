"""Metrics against scikit-learn and against counting by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from explorer.ranking.metrics import (
    agreement,
    average_precision,
    enrichment,
    pooled_auprc_at,
    precision_at,
    recall_at,
    top,
)


@pytest.mark.parametrize("digits", [0, 1, 9])
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_scikit_learns(seed, digits):
    draw = np.random.default_rng(seed)
    scores, guilty = draw.normal(size=200).round(digits), draw.random(200) < 0.2
    assert average_precision(scores, guilty) == pytest.approx(average_precision_score(guilty, scores), abs=1e-12)
    scores[::7] = np.nan
    last = np.where(np.isnan(scores), -99, scores)
    assert average_precision(scores, guilty) == pytest.approx(average_precision_score(guilty, last), abs=1e-12)
    assert average_precision(scores.astype(np.float32), guilty) == pytest.approx(
        average_precision_score(guilty, last.astype(np.float32)), abs=1e-12
    )


def test_the_ends_of_average_precision():
    guilty = np.array([True, False, True, False])
    assert average_precision(np.array([4, 1, 3, 2.0]), guilty) == 1
    assert average_precision(np.ones(4), guilty) == 0.5
    assert average_precision(np.full(4, np.nan), guilty) == 0.5
    assert np.isnan(average_precision(np.ones(4), np.zeros(4, bool)))


def test_what_is_among_the_best():
    scores, guilty = np.array([0.1, 0.9, np.nan, 0.5, 0.9, 0.2]), np.array([0, 1, 1, 0, 0, 1], bool)
    assert top(scores, 3).tolist() == [1, 4, 3]
    assert top(scores, 99).tolist() == [1, 4, 3, 5, 0]
    assert precision_at(scores, guilty, 4) == 0.5
    assert recall_at(scores, guilty, 4) == pytest.approx(2 / 3)
    pooled = pooled_auprc_at(np.stack([scores, -scores], 1), guilty, 2)  # 0.9 (guilty), 0.9, −0.1, −0.2 (guilty)
    assert pooled == pytest.approx(average_precision_score([1, 0, 0, 1], [0.9, 0.9, -0.1, -0.2]))


def test_enrichment_and_agreement():
    (web, book) = enrichment(["web", "web", "book", "book", "book"], [0, 1, 2])
    assert (web.source, web.hits, web.total, web.lift) == ("web", 2, 2, pytest.approx(5 / 3))
    assert web.p == pytest.approx(3 / 10)  # both of two among three of five: C(3,1) / C(5,3)
    assert book.p == pytest.approx(1)
    one, other = np.array([1, 2, 3, 4, np.nan]), np.array([4, 3, 2, 1, 9.0])
    assert (agreement(one, one, 2).overlap, agreement(one, one, 2).rank_correlation) == (1, pytest.approx(1))
    assert (agreement(one, other, 2).overlap, agreement(one, other, 4).rank_correlation) == (0, pytest.approx(-1))
