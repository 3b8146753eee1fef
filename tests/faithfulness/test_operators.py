"""Replaced tokens against the plain model on whole inputs made by hand, one mask at a time in float64."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from explorer.faithfulness.operators import MaskedPrompt
from tests.faithfulness.test_patching import MUTABLE, prompt_of
from tests.graph.tiny import FOIL, TARGET, Tiny, tiny
from tests.model.families import FAMILIES, OTHERS, tiny_model

N, EVERY = len(MUTABLE), (*FAMILIES, *OTHERS)


@pytest.fixture(params=[1, 2])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    """Passes of one part, and of rows beside each other."""
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


def masks() -> np.ndarray:
    """None, all, single ones, the last two, and random ones with equal and unequal numbers of tokens."""
    draw = np.random.default_rng(0)
    some = [draw.permutation(N) < 3 for _ in range(7)] + [draw.random(N) < 0.6 for _ in range(5)]
    return np.array([np.zeros(N), np.ones(N), *np.eye(N), np.arange(N) >= N - 2, *some], dtype=bool)


def by_hand(family: str, graph: Tiny, mask: np.ndarray, operator: str) -> float:
    """The gap of the plain model, which reads everything at once and keeps nothing."""
    model, gone = tiny_model(family), {player for player, out in zip(MUTABLE, mask, strict=True) if out}
    table = model.get_input_embeddings()
    assert table
    ids = list(graph.trace.ids)
    with torch.no_grad():
        if operator == "delete":
            states = table(torch.tensor([[id for at, id in enumerate(ids) if at not in gone]]))
        else:
            states = table(torch.tensor([ids]))
            mean = torch.stack([table(torch.tensor([[id]]))[0, 0] for id in range(model.config.vocab_size)]).mean(0)
            for at in gone:
                states[0, at] = mean
        logits = model(inputs_embeds=states, use_cache=False).logits[0, -1]
    return float(logits[TARGET] - logits[FOIL])


FAST = ("llama", "gemma2", "mixtral", "mamba")


@pytest.mark.parametrize("operator", ["mean", "delete"])
@pytest.mark.parametrize("family", [pytest.param(f, marks=[] if f in FAST else pytest.mark.slow) for f in EVERY])
def test_gaps_are_those_of_the_plain_model(family, operator, cores):
    graph = tiny(family if family in FAMILIES else "llama")  # of which the ids are read
    prompt = prompt_of(graph, family=family)
    expected = [by_hand(family, graph, mask, operator) for mask in masks()]
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(prompt.gaps(masks(), operator), expected, rtol=1e-4, atol=1e-5)
    again = prompt_of(graph, family=family)  # one at a time, and in another order
    alone = [again.gaps(mask[None], operator)[0] for mask in masks()[::-1]]
    np.testing.assert_allclose(alone[::-1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", EVERY)
def test_what_is_kept_is_cut_only_where_that_is_a_shorter_beginning(family):
    windows = {"gemma2", "gemma3", "gpt_oss", "mistral"}
    prompt: MaskedPrompt = prompt_of(tiny(family if family in FAMILIES else "llama"), family=family)
    assert (prompt._whole is not None) is (family in FAMILIES and family not in windows)
