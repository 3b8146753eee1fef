"""Which layers are chosen, against the slow reference of RepT's rule."""

from __future__ import annotations

import pytest

from explorer.errors import ExplorerError
from explorer.vectors.layers import late_layer, parse_layers, rept_layer
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


def test_the_first_and_the_last_pair_are_left_out_of_repts_layer() -> None:
    """With three layers there is one pair, whatever the first and the last block do."""
    assert rept_layer(tiny_loaded("llama", num_hidden_layers=3), ITEMS[:2]) == 2


@pytest.mark.parametrize(("depth", "late"), ((1, 1), (2, 1), (6, 5), (12, 11), (30, 28), (80, 74)))
def test_the_late_layer(depth: int, late: int) -> None:
    assert late_layer(depth) == late


@pytest.mark.parametrize(
    ("text", "wanted"), (("", "auto"), (" Auto", "auto"), ("rept", "rept"), ("15, 22,28", [15, 22, 28]))
)
def test_layers_as_text(text: str, wanted: object) -> None:
    assert parse_layers(text) == wanted


def test_layers_that_are_none() -> None:
    with pytest.raises(ExplorerError, match="Layers are 'all'; expected auto, rept, or numbers"):
        parse_layers("all")


@pytest.mark.parametrize("depth", (1, 2))
def test_a_model_of_one_or_two_blocks_has_layer_one(depth: int) -> None:
    assert rept_layer(tiny_loaded("llama", num_hidden_layers=depth), ITEMS[:2]) == 1
