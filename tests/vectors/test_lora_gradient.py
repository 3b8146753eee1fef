"""The random projections of the LoRA part: seeded, and they keep lengths."""

from __future__ import annotations

import pytest
import torch

from explorer.vectors.lora_gradient import OUT, _random


def test_random_projections_are_seeded_by_map_layer_and_size() -> None:
    like = torch.zeros(3, 64, dtype=torch.float64)
    one = _random("mlp.up_proj", 2, like, 8)
    assert one.shape == (64, 8)
    others = [
        _random("mlp.down_proj", 2, like, 8),
        _random("mlp.up_proj", 3, like, 8),
        _random("mlp.up_proj/out", 2, like, 8, 1 / 8),
    ]
    for other in others:
        assert abs(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]) < 0.2
    torch.testing.assert_close(_random("mlp.up_proj", 2, like.float(), 8), one.float(), rtol=0, atol=0)
    wide = _random("a", 1, torch.zeros(1, 4096), 8)
    assert wide.square().mean().item() == pytest.approx(1 / 4096, rel=0.05)
    assert abs(wide.mean().item()) < 3 / 4096**0.5 / (4096 * 8) ** 0.5


@pytest.mark.parametrize("width", (48, 192, 1536))
def test_the_output_projection_keeps_lengths(width: int) -> None:
    """Johnson-Lindenstrauss: the mean of ‖Pᵀg‖² over random g of length 1 is 1, or wide maps count for less."""
    g = torch.randn(4000, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    g /= g.norm(dim=1, keepdim=True)
    kept = (g @ _random("mlp.up_proj/out", 1, g, OUT, 1 / OUT)).square().sum(1).mean()
    assert kept.item() == pytest.approx(1, abs=0.25)
