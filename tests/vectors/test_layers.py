"""Which layers are chosen, against the slow reference of RepT's rule."""

from __future__ import annotations

import pytest

from explorer.vectors.layers import auto_layers, rept_layer
from tests.vectors.reference import reference_layer
from tests.vectors.test_items import ITEMS, chat_ids
from tests.vectors.tiny import restless_loaded, tiny_loaded


@pytest.mark.parametrize("seed", range(8))
def test_repts_layer_is_where_the_state_turns_most(seed: int) -> None:
    loaded = restless_loaded(seed)
    items = [item for item in ITEMS if item.answer.strip()]
    prompts = [chat_ids(item.prompt.text, item.prompt.system, "")[0][:-1] for item in items]
    wanted = reference_layer(loaded.model, prompts)
    assert rept_layer(loaded, items) == wanted


def test_the_last_pair_is_left_out_of_repts_layer() -> None:
    """With two layers there is one pair, whatever the last block does."""
    assert rept_layer(tiny_loaded("llama", num_hidden_layers=2), ITEMS[:2]) == 1


@pytest.mark.parametrize(
    ("depth", "turning", "wanted"), ((6, 5, [3, 5]), (30, 7, [7, 15, 28]), (2, 1, [1]), (1, 1, [1]), (3, 2, [1, 2]))
)
def test_layers_that_are_chosen(depth: int, turning: int, wanted: list[int]) -> None:
    assert auto_layers(depth, turning) == wanted


def test_a_model_of_one_layer_has_that_layer() -> None:
    assert rept_layer(tiny_loaded("llama", num_hidden_layers=1), ITEMS[:2]) == 1
