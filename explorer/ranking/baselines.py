"""Baselines that read the texts alone: BM25 and a seeded shuffle. What they find, no model is needed for."""

from collections.abc import Sequence
from typing import Any

import bm25s
import numpy as np


def bm25_scores(documents: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """(n, m) BM25 score of every document for every query, each query's best document 1 (0 where no word is shared)."""
    corpus = _words(documents)
    if not any(corpus):
        return np.zeros((len(documents), len(queries)))
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    asked = _words(queries)
    found = [index.get_scores(words) if words else np.zeros(len(documents)) for words in asked]
    stacked = np.stack(found, axis=1).astype(np.float64)
    return stacked / np.maximum(stacked.max(0), 1e-30)


def _words(texts: Sequence[str]) -> list[list[str]]:
    settings: dict[str, Any] = {"stopwords": [], "show_progress": False, "return_ids": False}
    found: Any = bm25s.tokenize(list(texts), **settings)
    return found


def random_scores(n: int, seed: int = 0) -> np.ndarray:
    """(n,) uniform scores in 0..1, the same for the same seed."""
    return np.random.default_rng(seed).random(n)
