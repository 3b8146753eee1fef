"""Products by the faster library: as exact as the usual ones, in the thread that asks for them alone."""

import os
import subprocess
import sys
from threading import Thread

import pytest
import torch
from torch.autograd import forward_ad

from explorer.model import products
from explorer.model.products import fast_products
from tests.model.families import random_ids, tiny_model


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As on a machine where it pays: the tokens of every product that the faster library computed."""
    rows: list[int] = []
    plain = products._linear

    def linear(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        rows.append(x.numel() // x.shape[-1])
        return plain(x, *weights)

    monkeypatch.setattr(products, "_faster", lambda: True)
    monkeypatch.setattr(products, "_linear", linear)
    return rows


@pytest.mark.parametrize("bias", [False, True])
def test_its_error_is_that_of_float32(bias):
    x, layer = torch.randn(3, 100, 400), torch.nn.Linear(400, 500, bias=bias)
    with torch.no_grad():
        product = products._linear(x[:, 1:], *(layer.parameters()))
        exact = torch.nn.functional.linear(x[:, 1:].double(), *(p.double() for p in layer.parameters()))
    assert product.shape == (3, 99, 500) and (product - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_a_model_computes_the_same(counted, family):
    model, ids = tiny_model(family).float(), torch.tensor([random_ids(40, seed=1)] * 8)
    with torch.no_grad():
        expected = model(input_ids=ids, logits_to_keep=2).logits
        with fast_products(model):
            actual = model(input_ids=ids, logits_to_keep=2).logits
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert counted and min(counted) >= products._LEAST_ROWS


def test_gradients_other_threads_and_other_precisions_are_left_alone(counted):
    model, ids = tiny_model("llama").float(), torch.tensor([random_ids(40, seed=1)])

    def run(model=model) -> None:
        with torch.no_grad():
            model(input_ids=ids)

    with fast_products(model):
        model(input_ids=ids)
        thread = Thread(target=run)
        thread.start()
        thread.join()
    coarse = tiny_model("llama").bfloat16()
    with fast_products(coarse):
        run(coarse)
    assert not counted


def test_forward_derivatives_are_kept(counted):
    model, x = tiny_model("llama").float(), torch.randn(40, 32)
    layer, direction = torch.nn.Linear(32, 7), torch.randn(40, 32)
    with torch.no_grad(), forward_ad.dual_level(), fast_products(model):
        tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, direction))).tangent
    torch.testing.assert_close(tangent, direction @ layer.weight.T)
    assert not counted


_SHAPES = """
import explorer, psutil, torch
from explorer.model.products import _linear
torch.set_num_threads(1)
weights = [torch.randn(out, 576) for out in (192, 576, 1536)]
def grow(first, last):
    for tokens in range(first, last):
        for weight in weights:
            _linear(torch.randn(tokens, 576), weight)
    return psutil.Process().memory_info().rss
print(-grow(2, 40) + grow(40, 300))
"""


@pytest.mark.slow
def test_products_of_ever_new_shapes_take_no_more_memory():
    environment = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
    done = subprocess.run([sys.executable, "-c", _SHAPES], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 120e6  # half a megabyte for each of 780 shapes are 400
