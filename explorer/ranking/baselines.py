"""Baselines that read the texts alone, without a model: BM25, lengths and a seeded shuffle."""

from collections.abc import Sequence
from typing import Any

import bm25s
import numpy as np
import pyarrow as pa

from explorer.vectors.items import Item, table_items


def text_scores(table: pa.Table, items: Sequence[Item], method: str) -> np.ndarray:
    """Return (n, m) scores by a method without parts for each of m items alone; nan for rows that are never ranked."""
    rows = table_items(table, raw=False)
    if method == "random":
        scores = np.stack([random_scores(len(rows), seed) for seed in range(len(items))], axis=1)
    elif method == "length":
        scores = length_scores([item.said for item in rows], [item.answer for item in items])
    else:
        scores = bm25_scores([item.text for item in rows], [item.text for item in items])
    unranked = [not item.rejected_alone and not all(text.strip() for text in item.answers) for item in rows]
    scores[unranked] = np.nan
    return scores


def bm25_scores(documents: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """Return (n, m) BM25 scores over each query's best one, in 0..1; 0 where no word is shared."""
    corpus = _words(documents)
    if not any(corpus):
        return np.zeros((len(documents), len(queries)))
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    columns = [index.get_scores(words) if words else np.zeros(len(documents)) for words in _words(queries)]
    scores = np.stack(columns, axis=1).astype(np.float64)
    return scores / np.maximum(scores.max(0), 1e-30)


def _words(texts: Sequence[str]) -> list[list[str]]:
    settings: dict[str, Any] = {"stopwords": [], "show_progress": False, "return_ids": False}
    words: Any = bm25s.tokenize(list(texts), **settings)
    return words


def length_scores(documents: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """Return (n, m) −log²(characters of the answer / characters of the query's answer), at least one each; 0 is best.

    Needs no label: the mean over queries ranks by the distance from their mean log length.
    """
    ours, theirs = (np.log([max(1, len(text.strip())) for text in texts]) for texts in (documents, queries))
    return -((ours[:, None] - theirs[None]) ** 2)


def random_scores(n: int, seed: int = 0) -> np.ndarray:
    """Return (n,) uniform scores in 0..1, the same for the same seed."""
    return np.random.default_rng(seed).random(n)
