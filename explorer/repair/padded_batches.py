"""Examples side by side, filled up at their ends: what a model reads that cannot read packed ones.

State spaces carry one example into the next, sliding windows and attention code of one's own take no mask from outside.
No causal model lets a token see what comes after it, so the filling at the end changes nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from explorer.model.residual import head_only_at


def pad(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Lay token ids, {prompt_ids, earlier?, answers} a row, side by side: B answers of at most T + 1 tokens.

    Returns:
        input_ids: (B, T), zeros at the ends. read: (B, T) bool, places whose next token carries a loss, N of them.
        targets: (N,) those tokens. owner: (N,) index of the answer; the first one of its row for ``earlier`` tokens.
    """
    answers = [
        (row["prompt_ids"], answer, () if number else row.get("earlier", ()))
        for row in rows
        for number, answer in enumerate(row["answers"])
    ]
    whole = [[*prompt, *answer] for prompt, answer, _ in answers]
    inputs = nn.utils.rnn.pad_sequence([torch.tensor(ids[:-1]) for ids in whole], batch_first=True)
    read, targets, owner = torch.zeros_like(inputs, dtype=torch.bool), list[int](), list[int]()
    for number, ((prompt, _, earlier), ids) in enumerate(zip(answers, whole, strict=True)):
        for place in chain(earlier, range(len(prompt), len(ids))):
            read[number, place - 1] = True
            targets.append(ids[place])
            owner.append(number)
    return {"input_ids": inputs, "read": read, "targets": torch.tensor(targets), "owner": torch.tensor(owner)}


def read_logits(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the logits at the places of a padded batch that are read, (N, vocabulary); computes no others."""
    handle = head_only_at(model, batch["read"])
    try:
        return model(input_ids=batch["input_ids"], use_cache=False).logits[0]
    finally:
        handle.remove()
