"""The route between two tokens that carries most, against a loop over dense matrices."""

import numpy as np

from explorer.graph.collect import LayerEdges, from_rows
from explorer.graph.crossing import strongest_crossing


def layers(seed: int, n: int = 6, depth: int = 4) -> tuple[list[np.ndarray], list[LayerEdges]]:
    rng = np.random.default_rng(seed)
    dense = [np.tril(rng.normal(size=(n, n))) for _ in range(depth)]
    return dense, [from_rows(low, low + 1, list(range(n)), matrix) for low, matrix in enumerate(dense)]


def test_the_pair_with_the_largest_sum_is_found():
    for seed in range(20):
        dense, pairs = layers(seed)
        found = strongest_crossing(pairs, without={0})
        assert found
        sums = {(i, j): sum(abs(m[j, i]) for m in dense) for j in range(1, 6) for i in range(1, j)}
        best = max(sums, key=lambda pair: sums[pair])
        assert (found.source, found.target) == best
        weights = [m[best[1], best[0]] for m in dense]
        np.testing.assert_allclose(found.weight, sum(weights))
        assert found.layer == int(np.argmax(np.abs(weights))) + 1


def test_one_token_crosses_nowhere():
    assert strongest_crossing(layers(0)[1], without=range(1, 6)) is None
