"""Scores of every datapoint for a behavior: cosines against the stored vectors, streamed shard by shard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel
from explorer.vectors.index import PAIR, SINGLE, UNRANKED, Index
from explorer.vectors.items import Item, item_vectors
from explorer.vectors.methods import Method


@dataclass(frozen=True)
class Target:
    """What is looked for: ``vectors`` "<part>.<layer>" → (m, width) of m query vectors and their ``kinds`` (m,)."""

    vectors: dict[str, Tensor]
    kinds: Tensor


def encode_target(
    loaded: LoadedModel, items: Sequence[Item], method: Method, layers: Sequence[int], query: str
) -> Target:
    """The vectors of a behavior's items for one method and query kind; ``scores`` combines them.

    ``contrast`` asks for items with another answer. Raises ExplorerError where an answer is missing.
    """
    if not items:
        raise ExplorerError("Nothing to look for: the behavior has no prompts.")
    if query == "contrast":
        if any(item.other is None for item in items):
            raise ExplorerError("The query 'contrast' needs a good answer for every prompt; choose 'bad' or 'bank'.")
    else:
        items = [replace(item, other=None) for item in items]
    vectors, kinds = item_vectors(loaded, items, layers, method.parts)
    if not (keep := kinds != UNRANKED).any():
        raise ExplorerError("Nothing to look for: no answer of the behavior has a token.")
    return Target({k: v[keep] for k, v in vectors.items()}, kinds[keep])


def scores(
    index: Index,
    target: Target,
    method: Method,
    layers: Sequence[int],
    centre: bool,
    query: str,
    weights: Tensor | None = None,
    exact: bool = True,
) -> Tensor:
    """(n,) or (n, r) scores of every datapoint, in −1..1 for one query; nan where a row is never ranked.

    Args:
        centre: subtract the mean of the corpus rows of the same kind from rows and queries.
        query: ``bank`` takes the best of the query vectors; others take their mean (of normalised vectors for ``bad``).
        weights: (r, m) weights of the m query vectors, for r weighted means at once; default one plain mean.
        exact: multiply in float32; otherwise in bfloat16, which is several times faster and rounds to 3 digits.
    """
    found = _layer_scores(index, target, method, layers[0], centre, query, weights, exact)
    for layer in layers[1:]:
        found += _layer_scores(index, target, method, layer, centre, query, weights, exact)
    if len(layers) > 1:
        found /= len(layers)
    if (unranked := index.kinds == UNRANKED).any():
        found[unranked] = torch.nan
    return found if weights is not None else found[:, 0]


def _layer_scores(
    index: Index,
    target: Target,
    method: Method,
    layer: int,
    centre: bool,
    query: str,
    weights: Tensor | None,
    exact: bool,
) -> Tensor:
    for part in method.parts:
        index.require(part, layer)
    scale = {part: _scale(index, part, layer, centre, method) for part in method.parts}
    norms = {p: index.norms(p, layer, centre) * scale[p] for p in method.parts}
    queries = {p: _centred(index, target, p, layer, centre) * scale[p] for p in method.parts}
    joined = method.blend != "averaged"
    if joined:
        norms = dict.fromkeys(norms, torch.stack(list(norms.values())).norm(dim=0))
    queries = _combined(queries, joined, query, weights)
    terms = []
    for part, q in queries.items():
        inverse = torch.where(norms[part] > 0, 1 / norms[part], 0.0) / (1 if joined else len(queries))
        offsets = index.means(part, layer) @ q.T * scale[part] if centre else None
        terms.append(_Term(part, q * scale[part], offsets, inverse))
    made = _products(index, layer, terms, exact)
    return made.max(1, keepdim=True).values if query == "bank" else made


def _combined(queries: dict[str, Tensor], joined: bool, query: str, weights: Tensor | None) -> dict[str, Tensor]:
    """The query vectors of each part as unit vectors (of all parts together where they are joined): one, m, or r."""
    one = next(iter(queries.values()))
    mean = torch.full((1, len(one)), 1 / len(one)) if weights is None else weights
    if query != "contrast":
        queries = _units(queries, joined)
    if query != "bank":
        queries = _units({part: mean @ q for part, q in queries.items()}, joined)
    return queries


def _units(queries: dict[str, Tensor], joined: bool) -> dict[str, Tensor]:
    lengths = {part: q.norm(dim=1, keepdim=True) for part, q in queries.items()}
    if joined:
        lengths = dict.fromkeys(lengths, torch.stack(list(lengths.values())).norm(dim=0))
    return {part: q / lengths[part].clamp(min=1e-30) for part, q in queries.items()}


@dataclass(frozen=True)
class _Term:
    """(x · query − offsets[kind]) · inverse of every row x of a part; ``query`` (m, width), ``offsets`` (3, m)."""

    part: str
    query: Tensor
    offsets: Tensor | None
    inverse: Tensor


def _products(index: Index, layer: int, terms: Sequence[_Term], exact: bool) -> Tensor:
    """(n, m) sum of the terms. Every shard is finished while it is in the processor's cache."""
    out = torch.empty(len(index.kinds), len(terms[0].query))
    right = [term.query.T.contiguous() for term in terms]
    along, shared = [], []
    if not exact:
        for i, (term, q) in enumerate(zip(terms, right, strict=True)):
            common, reach = index.common(term.part, layer)
            right[i] = (q - common[:, None] * (common @ q)).bfloat16()
            shared.append(common @ (q - right[i].float()))
            along.append(reach)
    kinds = index.kinds.long()
    single = kinds.unique()
    for blocks in zip(*(index.blocks(term.part, layer) for term in terms), strict=True):
        first, rows = blocks[0][0], len(blocks[0][1])
        inside = slice(first, first + rows)
        for i, (term, q, (_, block)) in enumerate(zip(terms, right, blocks, strict=True)):
            made = block.float() @ q if exact else (block @ q).float()
            if not exact:  # what all rows share goes apart, or its rounding would drown the rest
                made += along[i][inside, None] * shared[i]
            if term.offsets is not None:
                made -= term.offsets[single] if len(single) == 1 else term.offsets[kinds[inside]]
            made *= term.inverse[inside, None]
            out[inside] = made if i == 0 else out[inside].add_(made)
    return out


def _centred(index: Index, target: Target, part: str, layer: int, centre: bool) -> Tensor:
    q = target.vectors[f"{part}.{layer}"]
    return q - index.means(part, layer)[_mean_of(index, part, target.kinds)] if centre else q


def _mean_of(index: Index, part: str, kinds: Tensor) -> Tensor:
    """Whose mean is taken from a query: its own kind's; of the state, which pairs keep, any kind's that has rows.

    A kind without rows has the mean 0: nothing is known of it.
    """
    own = kinds.long()
    if part != "state":
        return own
    have = torch.bincount(index.kinds.long(), minlength=3)
    other = torch.where(own == SINGLE, PAIR, SINGLE)
    return torch.where(have[own] > 0, own, other)


def _scale(index: Index, part: str, layer: int, centre: bool, method: Method) -> float:
    """1 over the root mean square length of the part's rows where parts are balanced, else 1."""
    if method.blend != "balanced":
        return 1.0
    norms = index.norms(part, layer, centre)[index.kinds != UNRANKED]
    size = float(norms.square().mean().sqrt())
    return 1 / size if size else 0.0
