"""Rows beside each other: what a plain pass gives, for every family, and other threads keep all cores."""

from collections.abc import Iterator
from threading import Thread

import pytest
import torch

from explorer.graph.ablate import ablate, gaps_without
from explorer.model.by_rows import _workers, by_rows, even
from tests.graph.tiny import FOIL, TARGET, tiny
from tests.model.families import FAMILIES, OTHERS, random_ids, tiny_model


@pytest.fixture(params=[2, 3], autouse=True)
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    """As many threads as a machine with so many cores has; the other tests have one."""
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_every_row_is_as_in_a_plain_pass(family, rows):
    model, ids = tiny_model(family), torch.tensor([random_ids(20, seed) for seed in range(rows)])
    with torch.no_grad():
        expected = model(input_ids=ids, logits_to_keep=2).logits
    for _ in range(3):
        actual = by_rows(model, rows, lambda some: model(input_ids=ids[some], logits_to_keep=2).logits)
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
        assert not actual.requires_grad


def test_sets_of_nodes_beside_each_other_are_each_as_alone():
    graph = tiny("llama")
    sets = [[(0, 0)], [(1, 4), (1, 5)], [(2, 11)], [(3, 11)], [(0, 3), (2, 8)]]
    alone = [ablate(graph.view, graph.trace, (TARGET, FOIL), nodes).after for nodes in sets]
    assert gaps_without(graph.view, graph.trace, (TARGET, FOIL), sets) == pytest.approx(alone, rel=1e-6)


def test_threads_begun_later_use_all_cores(cores):
    _workers.cache_clear()
    model, found = tiny_model("llama"), []
    by_rows(model, 6, lambda some: model(input_ids=torch.ones(6, 4, dtype=torch.long)[some]).logits)
    assert [*_workers(cores).map(lambda _: torch.get_num_threads(), range(cores))] == [1] * cores
    thread = Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [cores] and torch.get_num_threads() == cores


def test_an_error_of_one_part_is_the_caller_s():
    model = tiny_model("llama")

    def run(some: slice) -> torch.Tensor:
        if some.start:
            raise ValueError("of the second part")
        return torch.zeros(some.stop)

    with pytest.raises(ValueError, match="second part"):
        by_rows(model, 6, run)


def test_parts_are_of_equal_size(cores):
    assert [even(rows) for rows in (0, 1, cores, 2 * cores + 1)] == [1, 1, cores, 2 * cores]
