"""The baselines that read texts alone, against BM25 by its formula."""

import math
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from explorer.model.prompts import Prompt
from explorer.ranking.baselines import bm25_scores, length_scores, text_scores
from explorer.vectors.items import Item, row_items
from tests.vectors.tiny import WORDS, mixed_rows

TEXTS = [f"{words[i : i + 30]} {i % 4 * 'whale '}" for words in WORDS for i in range(0, 30, 3)] + ["", "?!"]
QUERIES = ["the capital of Canada", "a whale, a whale and a shark", "two plus two", "zebra", ""]


def reference(documents: list[str], query: str, k1: float = 1.5, b: float = 0.75) -> list[float]:
    counted = [Counter(re.findall(r"\w\w+", text.lower())) for text in documents]
    mean = sum(c.total() for c in counted) / len(counted)
    found = []
    for c in counted:
        score = 0.0
        for word in re.findall(r"\w\w+", query.lower()):
            seen = sum(word in other for other in counted)
            rare = math.log(1 + (len(counted) - seen + 0.5) / (seen + 0.5))
            score += rare * c[word] / (c[word] + k1 * (1 - b + b * c.total() / mean)) if c[word] else 0
        found.append(score)
    return found


def test_bm25_is_its_formula_and_its_best_is_1():
    found = bm25_scores(TEXTS, QUERIES)
    for column, query in zip(found.T, QUERIES, strict=True):
        wanted = np.array(reference(TEXTS, query))
        np.testing.assert_allclose(column, wanted / max(wanted.max(), 1e-30), atol=1e-6)
    assert not found[:, 3:].any() and (found[:, :3].max(0) == 1).all()
    assert not bm25_scores(["", "?"], QUERIES).any()


def test_lengths_rank_by_the_distance_from_the_mean_log_length():
    documents, queries = ["", "abc", "a" * 30, "b" * 29 + "  ", "c" * 400], ["d" * 10, "e" * 90]
    found = length_scores(documents, queries)
    lengths = np.array([1, 3, 30, 29, 400])
    np.testing.assert_allclose(found[:, 0], -(np.log(lengths / 10) ** 2))
    distance = np.abs(np.log(lengths) - np.log([10, 90]).mean())
    assert np.argsort(-found.mean(1)).tolist() == np.argsort(distance).tolist() == [2, 3, 1, 4, 0]


def test_a_rejected_answer_alone_is_ranked_by_its_own_words():
    rows = [
        {"prompt": "Hi", "chosen": "", "rejected": "a whale"},
        {"prompt": "Hi", "chosen": "a whale", "rejected": ""},
    ]
    found = text_scores(pa.Table.from_pylist(rows), [Item(Prompt("whale?"), "a whale")], "length")
    assert found[0, 0] == 0 and np.isnan(found[1, 0])


@pytest.mark.parametrize("method", ["bm25", "length", "random"])
def test_rows_without_an_answer_are_never_ranked(method):
    rows = [*mixed_rows(10), {**mixed_rows(2)[1], "response": ""}]  # an empty response beside a pair is a pair
    items = [Item(Prompt("the capital of Canada?"), "Seoul"), Item(Prompt("a whale is?"), "a fish")]
    found = text_scores(pa.Table.from_pylist(rows), items, method)
    assert found.shape == (11, 2)
    answers = [(item.answer, item.other) for item in row_items(rows, raw=False)]
    silent = [not a.strip() or (b is not None and not b.strip()) for a, b in answers]
    assert np.isnan(found).all(1).tolist() == silent and np.isnan(found).any(1).tolist() == silent
    assert sum(silent) == 2 and not np.array_equal(found[:, 0], found[:, 1], equal_nan=True)
    single = text_scores(pa.Table.from_pylist([{"id": "a", "prompt": "p", "response": "whale"}]), items, method)
    assert single.shape == (1, 2) and not np.isnan(single).any()
