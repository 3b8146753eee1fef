"""Limits of a trace that no other test meets."""

import pytest

from explorer.errors import PromptError
from explorer.model import memory
from explorer.trace.trace import LONG_HEATMAP, bytes_per_token, check_memory, most_tokens, trace_ids


def test_a_prompt_that_does_not_fit_in_memory_says_what_to_do(smollm):
    view = smollm.view("attnlrp")
    each = bytes_per_token(view, record=False)
    check_memory(view, 1000, record=False, free=2000 * each)
    with pytest.raises(
        PromptError, match=r"Tracing 5,000 tokens takes about .* GB .* shorten the prompt to about 1,800"
    ):
        check_memory(view, 5000, record=False, free=2000 * each)


def test_block_by_block_needs_less(smollm):
    view = smollm.view("attnlrp")
    each = bytes_per_token(view, record=False)
    check_memory(view, 5000, record=False, blockwise=True, free=2000 * each)


def test_the_memory_estimate_is_an_upper_bound_of_the_right_order(smollm):
    """Against what the autograd graph of one forward pass really saves."""
    import torch

    view, length = smollm.view("attnlrp"), 64
    saved: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        saved[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    weights = {p.untyped_storage().data_ptr() for p in view.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        trace_ids(view, list(range(length)), 1, 2)
    real = sum(size for pointer, size in saved.items() if pointer not in weights) / length
    assert 0.7 * real < bytes_per_token(view, record=False) < 3 * real


def test_the_longest_prompt_that_is_promised_fits_and_one_more_does_not(smollm, monkeypatch):
    view = smollm.view("attnlrp")
    for free in (200_000_000, 2_000_000_000):
        monkeypatch.setattr(memory, "free_bytes", lambda _device, free=free: free)
        most = most_tokens(view)
        check_memory(view, most, record=False, blockwise=most >= LONG_HEATMAP)
        with pytest.raises(PromptError, match="shorten the prompt"):
            check_memory(view, most + 1, record=False, blockwise=most + 1 >= LONG_HEATMAP)
