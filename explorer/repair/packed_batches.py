"""Many short examples in one sequence without padding: what they share is read once, and none sees another.

A batch becomes a tree. Its trunk is the beginning that all prompts have in common (the system prompt); each prompt is a
branch of the trunk, each answer a branch of its prompt. A token attends to its own branch and to what that grew from,
and keeps the position that it would have alone, so that every log-probability equals the one of the padded batch, for
about half of the work with short chats, and less for preference pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Example:
    """Token ids of one prompt and of the answers to it (one in SFT; chosen and rejected in DPO)."""

    prompt: list[int]
    answers: tuple[list[int], ...]


def pack(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Pack examples into one batch of T tokens, of which N predict an answer's token.

    Returns:
        input_ids, position_ids: (1, T). attention_mask: (1, 1, T, T) bool, True where attention may look.
        predict: (N,) positions whose next token is an answer's; targets: (N,) those tokens.
        owner: (N,) index of the answer, counted over all examples in order.
    """
    trunk = _common_prefix(examples)
    tokens, positions, branch = list(examples[0].prompt[:trunk]), list(range(trunk)), [0] * trunk
    parents = [0]
    predict, targets, owner = [], [], []
    n_answers = 0
    for example in examples:
        parents.append(0)
        prompt = len(parents) - 1
        inner = example.prompt[trunk:-1]
        tokens += inner
        positions += range(trunk, trunk + len(inner))
        branch += [prompt] * len(inner)
        for answer in example.answers:
            parents.append(prompt)
            start = len(tokens)
            tokens += [example.prompt[-1], *answer[:-1]]
            positions += range(len(example.prompt) - 1, len(example.prompt) - 1 + len(answer))
            branch += [len(parents) - 1] * len(answer)
            predict += range(start, start + len(answer))
            targets += answer
            owner += [n_answers] * len(answer)
            n_answers += 1
    return {
        "input_ids": torch.tensor([tokens]),
        "position_ids": torch.tensor([positions]),
        "attention_mask": _mask(torch.tensor(branch), parents),
        "predict": torch.tensor(predict),
        "targets": torch.tensor(targets),
        "owner": torch.tensor(owner),
    }


def _common_prefix(examples: Sequence[Example]) -> int:
    """Count the tokens that all prompts begin with; the last token of a prompt is never one of them."""
    first = examples[0].prompt
    limit = min(len(e.prompt) for e in examples) - 1
    return next((i for i in range(limit) if any(e.prompt[i] != first[i] for e in examples)), limit)


def _mask(branch: Tensor, parents: list[int]) -> Tensor:
    sees = torch.eye(len(parents), dtype=torch.bool)
    for child, parent in enumerate(parents):  # parents come before their children
        sees[child] |= sees[parent]
    return (sees[branch][:, branch] & torch.ones(len(branch), len(branch), dtype=torch.bool).tril())[None, None]


def answer_logps(model: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Return the log-probability of every answer token, shape (N,), float32; computes no other logits."""
    logits = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=batch["attention_mask"],
        logits_to_keep=batch["predict"],
        use_cache=False,
    ).logits[0]
    return -nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="none")


def summed(values: Tensor, owner: Tensor) -> Tensor:
    """Sum the values of each answer; shape (number of answers,)."""
    n = int(owner.max()) + 1
    return torch.zeros(n, dtype=values.dtype, device=values.device).index_add(0, owner, values)
