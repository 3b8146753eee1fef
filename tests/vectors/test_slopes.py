"""Exact token shares against brute force: one backward pass a token, in float64, from the parts' formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explorer.model.lrp import lrp_view
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.slopes import token_slopes
from explorer.vectors.tokenize import Exchange
from tests.model.families import FAMILIES
from tests.vectors.reference import reference_parts, stream
from tests.vectors.test_one_pass import BATCH, exchange, model_of

LOSSES = tuple(part for part in PARTS if part not in ("state", "activation"))


def random_weights(exchanges: tuple[Exchange, ...], layer: int, family: str) -> list[dict[str, Tensor]]:
    """One random direction a part and exchange."""
    vectors = one_pass(lrp_view(model_of(family), "gradient"), exchanges, (layer,))
    generator = torch.Generator().manual_seed(layer)
    drawn = {part: torch.randn(v.shape, generator=generator, dtype=torch.float64) for (part, _), v in vectors.items()}
    return [{part: drawn[part][i] for part in PARTS} for i in range(len(exchanges))]


def brute_force(family: str, e: Exchange, layer: int, weights: dict[str, Tensor]) -> tuple[list[float], float]:
    """(share of each answer token, the state's part)."""
    model, n = model_of(family), len(e.ids) - e.start
    h = stream(model, e.ids, e.start, layer).h
    shares = []
    for t in range(e.start, len(e.ids)):
        parts = reference_parts(model, e.ids, e.start, layer, only=t)
        share = sum(float(weights[part] @ parts[part]) for part in LOSSES if part in weights)
        shares.append(share + (float(weights["activation"] @ h[t]) / n if "activation" in weights else 0.0))
    return shares, float(weights["state"] @ h[e.start - 1]) if "state" in weights else 0.0


def assert_shares(found: Tensor, wanted: list[float]) -> None:
    """Equal but for the float32 in which norms of transformers work, whatever the model's precision is."""
    scale = max(map(abs, wanted))
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layer", (1, 2))
def test_shares_equal_one_backward_pass_a_token(family: str, layer: int) -> None:
    weights = random_weights(BATCH, layer, family)
    slopes = token_slopes(lrp_view(model_of(family), "gradient"), BATCH, layer, weights)
    for e, w, found in zip(BATCH, weights, slopes, strict=True):
        shares, state = brute_force(family, e, layer, w)
        assert_shares(found.tokens, shares)
        assert found.state == pytest.approx(state, rel=1e-6)  # Gemma 2's attention weights are float32
        assert max(map(abs, shares)) > 1e-6


@pytest.mark.parametrize("part", PARTS)
def test_each_part_alone(part: str) -> None:
    weights = [{part: w[part]} for w in random_weights(BATCH, 2, "llama")]
    for e, w, found in zip(
        BATCH, weights, token_slopes(lrp_view(model_of("llama"), "gradient"), BATCH, 2, weights), strict=True
    ):
        shares, state = brute_force("llama", e, 2, w)
        assert_shares(found.tokens, shares)
        assert found.state == pytest.approx(state)


@pytest.mark.parametrize("dtype", (torch.float64, torch.float32))
def test_shares_add_up_to_the_weighted_vectors(dtype: torch.dtype) -> None:
    """Also in float32, and for an answer of one token."""
    exchanges = (*BATCH, exchange(9, 1, 4))
    weights = random_weights(exchanges, 2, "qwen2")
    view = lrp_view(model_of("qwen2", dtype), "gradient")
    vectors = one_pass(view, exchanges, (2,))
    for i, found in enumerate(token_slopes(view, exchanges, 2, weights)):
        terms = [float(weights[i][part] @ vectors[part, 2][i].double()) for part in PARTS]
        scale = sum(map(abs, terms))
        assert float(found.tokens.sum()) + found.state == pytest.approx(sum(terms), abs=5e-5 * scale)


def test_the_last_layer_has_shares_too() -> None:
    weights = random_weights(BATCH, 3, "llama")
    for e, w, found in zip(
        BATCH, weights, token_slopes(lrp_view(model_of("llama"), "gradient"), BATCH, 3, weights), strict=True
    ):
        shares, _ = brute_force("llama", e, 3, w)
        assert_shares(found.tokens, shares)


def test_no_hook_and_no_gradient_stay() -> None:
    view = lrp_view(model_of("llama"), "gradient")
    found = token_slopes(view, BATCH, 2, random_weights(BATCH, 2, "llama"))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in view.modules())
    assert not any(slopes.tokens.requires_grad for slopes in found)
