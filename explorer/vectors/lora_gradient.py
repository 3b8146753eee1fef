"""Gradients of a fresh LoRA, projected, to be compared by their cosine.

This is like LESS (arXiv 2402.04333) at one checkpoint and without Adam's preconditioning, in one layer at a time.
TracIn (arXiv 2002.08484) would be the unnormalised dot product, summed over checkpoints by their learning rates.

A LoRA adds B A x to each linear map W x. At its start B = 0, so the loss has a gradient for B alone,
Σ_t g_y(t) (A x_t)ᵀ with g_y = ∂L/∂(Wx). A (rank 8) is Gaussian from a fixed seed, and the outputs are projected to 16
dimensions by a seeded Gaussian P of variance 1/16, which keeps inner products up to noise (Johnson-Lindenstrauss).
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from explorer.model.residual import linear_maps, wide

RANK, OUT = 8, 16


@dataclass(frozen=True)
class LinearTap:
    """What one linear map of a block did in a forward pass: ``projected`` = A x (B, T, 8), ``output`` (B, T, out)."""

    layer: int
    name: str
    projected: Tensor
    output: Tensor


def tap_linears(block: nn.Module, layer: int, taps: list[LinearTap]) -> list[RemovableHandle]:
    """Hook every linear map of a block so that a forward pass adds a tap; only (B, T, d) maps do."""

    def leave(name: str, args: tuple[Any, ...], output: Any) -> None:
        x = args[0]
        if isinstance(output, Tensor) and output.dim() == 3 and output.requires_grad:
            taps.append(LinearTap(layer, name, x.detach() @ _random(name, layer, x, RANK), output))

    return [
        module.register_forward_hook(lambda _m, args, output, name=name: leave(name, args, output))
        for name, module in linear_maps(block).items()
    ]


def lora_vectors(taps: list[LinearTap], gradients: tuple[Tensor, ...]) -> dict[tuple[str, int], Tensor]:
    """Return ("lora", layer) → (B, maps · 16 · 8) from the taps and the loss gradients at their outputs."""
    products: dict[int, list[Tensor]] = {}
    for tap, gradient in zip(taps, gradients, strict=True):
        g = wide(gradient)
        small = g @ _random(f"{tap.name}/out", tap.layer, g, OUT, 1 / OUT)
        product = torch.einsum("btk,btr->bkr", small, tap.projected.to(g.dtype))
        products.setdefault(tap.layer, []).append(product.flatten(1))
    return {("lora", layer): torch.cat(rows, 1) for layer, rows in products.items()}


def lora_tangent(name: str, layer: int, x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, int]:
    """Return (δ_y (B, T, out), count) for one map: ⟨first count weights, its vector⟩ = Σ_t ⟨δ_y(t), ∂L/∂y(t)⟩.

    ``weights``: (B, ≥ count), those of this map first.
    """
    size = OUT * RANK
    w = weights[:, :size].unflatten(1, (OUT, RANK)).to(y.dtype)
    small = torch.einsum("bkr,btr->btk", w, x @ _random(name, layer, x, RANK))
    return small @ _random(f"{name}/out", layer, y, OUT, 1 / OUT).T, size


def _random(name: str, layer: int, like: Tensor, columns: int, variance: float | None = None) -> Tensor:
    """(d, columns) Gaussian, the same for the same map, layer and size on every machine; default variance 1/d."""
    return _drawn(f"{layer}/{name}", like.shape[-1], columns, variance, like.device, like.dtype)


@lru_cache(maxsize=2048)
def _drawn(
    seed: str, rows: int, columns: int, variance: float | None, device: torch.device, dtype: torch.dtype
) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
    drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    return (drawn * (variance or 1 / rows) ** 0.5).to(device, dtype)
