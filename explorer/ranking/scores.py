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
    loaded: LoadedModel, items: Sequence[Item], parts: Sequence[str], layers: Sequence[int], query: str
) -> Target:
    """Compute the vectors of a behavior's items for a query kind; ``scores`` combines them.

    ``contrast`` needs items with another answer. Raises ExplorerError where an answer is missing.
    """
    if not items:
        raise ExplorerError("Nothing to look for: the behavior has no prompts.")
    if query == "contrast":
        if any(item.other is None for item in items):
            raise ExplorerError("The query 'contrast' needs a good answer for every prompt; choose 'bad' or 'bank'.")
    else:
        items = [replace(item, other=None) for item in items]
    vectors, kinds = item_vectors(loaded, items, layers, parts)
    if not (answered := kinds != UNRANKED).any():
        raise ExplorerError("Nothing to look for: no answer of the behavior has a token.")
    return Target({key: x[answered] for key, x in vectors.items()}, kinds[answered])


def scores(
    index: Index,
    target: Target,
    method: Method,
    layer: int,
    centre: bool,
    query: str,
    weights: Tensor | None = None,
    exact: bool = True,
    measure: str = "cosine",
) -> Tensor:
    """Return (n,) or (n, r) scores of every datapoint; nan where a row is never ranked.

    Args:
        measure: ``cosine``, in −1..1 for one query, or ``dot``: the plain product of the mean query with every row,
            nothing normalised, and the mean over parts where the method averages them.
        centre: subtract the mean of the corpus rows of the same kind from rows and queries.
        query: ``bank`` takes the best of the query vectors; others take their mean (of normalised vectors for ``bad``).
        weights: (r, m) weights of the m query vectors, for r weighted means at once; default one plain mean.
        exact: multiply in float32; otherwise in bfloat16, which is several times faster and rounds to 3 digits.
    """
    terms = score_terms(index, target, method, layer, centre, query, weights, measure)
    values = _products(index, layer, terms, exact)
    if query == "bank":
        values = values.max(1, keepdim=True).values
    if (unranked := index.kinds == UNRANKED).any():
        values[unranked] = torch.nan
    return values if weights is not None else values[:, 0]


@dataclass(frozen=True)
class Term:
    """One part's share of a score: (x · query − offsets[kind]) · inverse of every row x.

    ``query`` (m, width), ``offsets`` (3, m), ``inverse`` (n,).
    """

    part: str
    query: Tensor
    offsets: Tensor | None
    inverse: Tensor


def score_terms(
    index: Index,
    target: Target,
    method: Method,
    layer: int,
    centre: bool,
    query: str,
    weights: Tensor | None = None,
    measure: str = "cosine",
) -> list[Term]:
    """Return the terms, one a part, whose sum is the score of every row for every (combined) query."""
    for part in method.parts:
        index.require(part, layer)
    joined = method.blend == "joined"
    norms = {part: index.norms(part, layer, centre) for part in method.parts}
    if joined:
        norms = dict.fromkeys(norms, torch.stack(list(norms.values())).norm(dim=0))
    queries = {part: target.vectors[f"{part}.{layer}"] for part in method.parts}
    if centre:
        queries = {part: q - query_means(index, part, layer, target.kinds) for part, q in queries.items()}
    terms = []
    cosine = measure == "cosine"
    for part, q in _combined(queries, joined, query, weights, cosine).items():
        inverse = torch.where(norms[part] > 0, 1 / norms[part] if cosine else 1.0, 0.0) / (
            1 if joined else len(queries)
        )
        terms.append(Term(part, q, index.means(part, layer) @ q.T if centre else None, inverse))
    return terms


@dataclass(frozen=True)
class RowWeights:
    """A row's score as a sum over parts, Σ ⟨weights[part], x_part⟩ − offsets[part], for its exact vectors x."""

    weights: dict[str, Tensor]
    offsets: dict[str, float]


def row_weights(index: Index, layer: int, terms: Sequence[Term], row: int) -> RowWeights:
    """Return how a row's score is made of its vectors; of several queries (``bank``), the one that scores best."""
    kind, best = int(index.kinds[row]), 0
    if len(terms[0].query) > 1:
        values = torch.zeros(len(terms[0].query))
        for term in terms:
            product = term.query @ index.rows(term.part, layer, torch.tensor([row]))[0]
            values += term.inverse[row] * (product - (0 if term.offsets is None else term.offsets[kind]))
        best = int(values.argmax())
    return RowWeights(
        {term.part: term.query[best] * term.inverse[row] for term in terms},
        {t.part: 0.0 if t.offsets is None else float(t.offsets[kind, best] * t.inverse[row]) for t in terms},
    )


def query_means(index: Index, part: str, layer: int, kinds: Tensor) -> Tensor:
    """Return (m, width) the corpus mean to subtract from each query: that of the query's own kind.

    For ``state``, which is the same in pairs and single answers, falls back to the other kind where the own has no
    rows. Otherwise the mean of a kind without rows is 0. So is that of ``UNRANKED``, the kind of directions.
    """
    kinds = kinds.long()
    if part == "state":
        counts = index.kinds.long().bincount(minlength=3)
        counts[UNRANKED] = 1
        kinds = torch.where(counts[kinds] > 0, kinds, torch.where(kinds == SINGLE, PAIR, SINGLE))
    return index.means(part, layer)[kinds]


def _combined(
    queries: dict[str, Tensor], joined: bool, query: str, weights: Tensor | None, unit: bool
) -> dict[str, Tensor]:
    """Return one, m or r query vectors a part; ``unit``: of length 1 (of all parts together where they are joined)."""
    m = len(next(iter(queries.values())))
    mean = torch.full((1, m), 1 / m) if weights is None else weights
    if not unit:
        return queries if query == "bank" else {part: mean @ q for part, q in queries.items()}
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


def _products(index: Index, layer: int, terms: Sequence[Term], exact: bool) -> Tensor:
    """Return (n, m) the sum of the terms. Every shard is finished while it is in the processor's cache."""
    out = torch.empty(len(index.kinds), len(terms[0].query))
    right = [term.query.T.contiguous() for term in terms]
    along, shared = [], []
    if not exact:
        for i, (term, q) in enumerate(zip(terms, right, strict=True)):
            common, row_along = index.common(term.part, layer)
            right[i] = (q - common[:, None] * (common @ q)).bfloat16()
            shared.append(common @ (q - right[i].float()))
            along.append(row_along)
    kinds = index.kinds.long()
    single = kinds.unique()
    for blocks in zip(*(index.blocks(term.part, layer) for term in terms), strict=True):
        first, rows = blocks[0][0], len(blocks[0][1])
        inside = slice(first, first + rows)
        for i, (term, q, (_, block)) in enumerate(zip(terms, right, blocks, strict=True)):
            product = block.float() @ q if exact else (block @ q).float()
            if not exact:  # what all rows share goes apart, or its rounding would drown the rest
                product += along[i][inside, None] * shared[i]
            if term.offsets is not None:
                product -= term.offsets[single] if len(single) == 1 else term.offsets[kinds[inside]]
            product *= term.inverse[inside, None]
            out[inside] = product if i == 0 else out[inside].add_(product)
    return out
