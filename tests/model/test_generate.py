"""Rows that are answered at once, and read their common beginning once, against one at a time that keep nothing."""

from itertools import takewhile
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from explorer.model import generate
from explorer.model.generate import continuations
from explorer.model.load import LoadedModel
from tests.model.families import FAMILIES, OTHERS, random_ids, tiny_model

END, MOST = 2, 6


def loaded_of(family: str) -> LoadedModel:
    """What an answer needs of a loaded model; its tokens are told as numbers."""

    def decode(rows: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        assert skip_special_tokens
        return [" ".join(str(id) for id in takewhile(lambda id: id != END, row)) for row in rows.tolist()]

    tokenizer = SimpleNamespace(pad_token_id=0, eos_token_id=END, batch_decode=decode)
    # gemma2's attention rounds float64's mask to an infinite one, and padding to no number
    dtype = torch.float32 if family == "gemma2" else torch.float64
    return cast(LoadedModel, SimpleNamespace(model=tiny_model(family, dtype=dtype), tokenizer=tokenizer))


def by_hand(model: Any, row: list[int]) -> str:
    """The likeliest token after everything so far, read anew each time."""
    ids = list(row)
    with torch.no_grad():
        for _ in range(MOST):
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
            if ids[-1] == END:
                break
    return " ".join(str(id) for id in ids[len(row) :] if id != END)


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_rows_that_begin_alike_are_answered_as_alone(family, monkeypatch):
    read: list[int] = []
    monkeypatch.setattr(generate, "kept_of", lambda view, of=generate.kept_of, **row: read.append(1) or of(view, **row))
    loaded, beginning = loaded_of(family), random_ids(24, seed=3)
    rows = [beginning + random_ids(n, seed=n) for n in (7, 1, 4, 4)] + [beginning[:20]]
    expected = [by_hand(loaded.model, row) for row in rows]
    assert len({*expected}) > 1
    assert continuations(loaded, rows, MOST) == expected and read == [1]
    assert continuations(loaded, rows[:1], MOST) == expected[:1] and read == [1]  # alone, nothing is shared


def test_rows_that_share_nothing_are_answered_as_alone():
    loaded, rows = loaded_of("llama"), [random_ids(n, seed=n) for n in (3, 9, 5)]
    assert continuations(loaded, rows, MOST) == [by_hand(loaded.model, row) for row in rows]
