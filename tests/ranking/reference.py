"""Random indexes made by hand, and their scores by formula: one row and one query at a time in float64."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from explorer.ranking.scores import Target
from explorer.vectors.index import (
    PAIR,
    SINGLE,
    STATS,
    UNRANKED,
    Index,
    Manifest,
    open_index,
    statistics,
    write_tensors,
)
from explorer.vectors.methods import Blend, Method

WIDTHS = {"state": 12, "gradient": 20}
LAYERS = (2, 5, 7)
BLENDS: tuple[Blend, ...] = ("joined", "averaged")
Array = np.ndarray[Any, np.dtype[np.float64]]


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_index(
    folder: Path, kinds: Sequence[int], offset: float = 1.0, seed: int = 0, widths: Mapping[str, int] = WIDTHS
) -> Index:
    """Random vectors in shards of 17, around a mean of its own for each kind, part and layer, ``offset`` long.

    The state is ten thousand times as long as the gradient, as in real models.
    """
    of, wholes = torch.tensor(list(kinds), dtype=torch.uint8), {}
    for number, (part, layer) in enumerate(itertools.product(widths, LAYERS)):
        x = drawn(100 * seed + number, len(of), widths[part])
        means = drawn(900 + number, 3, widths[part])
        x += offset * (means / means.norm(dim=1, keepdim=True) * widths[part] ** 0.5)[of.long()]
        x[of == UNRANKED] = 0
        wholes[f"{part}.{layer}"] = (x * (1.0 if part == "state" else 1e-4)).to(torch.bfloat16)
    return write_index(folder, wholes, of, 17, list(LAYERS), list(widths))


def write_index(
    folder: Path, wholes: Mapping[str, Tensor], kinds: Tensor, size: int, layers: list[int], parts: list[str]
) -> Index:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest("before", {"made": "by hand"}, len(kinds), size, layers, parts, layers[0])
    for name, first, last in manifest.shards:
        shard = {key: x[first:last].clone() for key, x in wholes.items()} | {"kinds": kinds[first:last].clone()}
        manifest.files[name] = write_tensors(folder, name, shard)
    manifest.files[STATS] = write_tensors(folder, STATS, statistics(Index(folder, manifest)))
    manifest.write(folder)
    return open_index(folder)


def target_of(m: int, kind: int, seed: int = 50, offset: float = 0.5, widths: Mapping[str, int] = WIDTHS) -> Target:
    vectors = {
        f"{part}.{layer}": (
            (drawn(seed + 31 * layer + len(part), m, widths[part]) + offset) * (1.0 if part == "state" else 1e-4)
        ).float()
        for part, layer in itertools.product(widths, LAYERS)
    }
    return Target(vectors, torch.full((m,), kind, dtype=torch.uint8))


def method_of(blend: Blend, *parts: str) -> Method:
    return Method("m", "", "", "", parts or ("state", "gradient"), blend)


def cosine(x: Array, q: Array) -> float:
    size = float(np.sqrt((x**2).sum()) * np.sqrt((q**2).sum()))
    return float((x * q).sum()) / size if size else 0.0


def unit(x: Array) -> Array:
    return x / np.sqrt((x**2).sum())


def centred(x: Array, kinds: Array, q: Array, q_kinds: Array, part: str) -> tuple[Array, Array]:
    """Rows and queries, less the mean of the rows of their kind; the state of a query of a kind that the corpus has
    no rows of, less the mean of the other kind's."""
    means = {k: x[kinds == k].mean(0) if (kinds == k).any() else np.zeros(x.shape[1]) for k in (SINGLE, PAIR)}
    moved = np.stack([row - means[k] if k else row for row, k in zip(x, kinds, strict=True)])
    asked = []
    for row, k in zip(q, q_kinds, strict=True):
        own = k if part != "state" or (kinds == k).any() else SINGLE + PAIR - k
        asked.append(row - means[own])
    return moved, np.stack(asked)


def reference_scores(
    index: Index,
    target: Target,
    method: Method,
    layer: int,
    centre: bool,
    query: str,
    weights: Array | None = None,
    measure: str = "cosine",
) -> Array:
    """(n, r) scores by the formula; nan where a row is of kind 0."""
    compare = by_cosine if measure == "cosine" else by_product
    shards = [load_file(path) for path in sorted(index.folder.glob("shard-*"))]
    kinds = np.concatenate([shard["kinds"].numpy() for shard in shards])
    q_kinds, rows, asked = target.kinds.numpy(), {}, {}
    for part in method.parts:
        x = np.concatenate([shard[f"{part}.{layer}"].double().numpy() for shard in shards])
        q = target.vectors[f"{part}.{layer}"].double().numpy()
        rows[part], asked[part] = centred(x, kinds, q, q_kinds, part) if centre else (x, q)
    if method.blend == "averaged":
        found = np.mean([compare(rows[part], asked[part], query, weights) for part in method.parts], axis=0)
    else:
        whole = np.concatenate([rows[part] for part in method.parts], 1)
        found = compare(whole, np.concatenate([asked[p] for p in method.parts], 1), query, weights)
    found = np.array(found.max(1, keepdims=True) if query == "bank" else found)
    found[kinds == UNRANKED] = np.nan
    return found


def by_cosine(x: Array, q: Array, query: str, weights: Array | None) -> Array:
    """Cosines with every query of a bank, (n, m), or with the weighted means, (n, r)."""
    if query == "bank":
        return np.array([[cosine(row, one) for one in q] for row in x])
    many = np.full((1, len(q)), 1 / len(q)) if weights is None else weights
    each = q if query == "contrast" else np.stack([unit(one) for one in q])
    means = [np.sum([w * one for w, one in zip(some, each, strict=True)], axis=0) for some in many]
    return np.array([[cosine(row, mean) for mean in means] for row in x])


def by_product(x: Array, q: Array, query: str, weights: Array | None) -> Array:
    """Dot products with every query of a bank, (n, m), or with the weighted means, (n, r); nothing is normalised."""
    if query == "bank":
        return np.array([[(row * one).sum() for one in q] for row in x])
    many = np.full((1, len(q)), 1 / len(q)) if weights is None else weights
    means = [np.sum([w * one for w, one in zip(some, q, strict=True)], axis=0) for some in many]
    return np.array([[(row * mean).sum() for mean in means] for row in x])


def kinds_of(name: str, n: int = 60) -> list[int]:
    return {
        "mixed": [(SINGLE, PAIR, SINGLE, UNRANKED, PAIR, PAIR)[i * i % 6] for i in range(n)],
        "single": [SINGLE] * n,
        "pairs": [PAIR] * (n - 1) + [UNRANKED],
    }[name]
