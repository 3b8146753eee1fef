"""Many short examples in one sequence without padding: what they share is read once, and none sees another.

A batch becomes a tree. Its trunk is the beginning that all prompts have in common (the system prompt); each prompt is a
branch of the trunk, each answer a branch of its prompt. A token attends to its own branch and to what that grew from,
and keeps the position that it would have alone, so that every log-probability equals the one of the padded batch, for
about half of the work with short chats, and less for preference pairs.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel
from explorer.repair.plan import DROP
from explorer.repair.stages import ANSWERS
from explorer.vectors.items import encode_items, row_items
from explorer.vectors.tokenize import common_length


def tokenise(
    loaded: LoadedModel,
    rows: Sequence[Mapping[str, Any]],
    fields: Sequence[str],
    *,
    raw: bool = False,
    end_of_turn: bool = True,
    turns: str = "all",
) -> list[dict[str, Any]]:
    """Return {prompt_ids, earlier, answers, kept} of every row, with the token ids that vectors are made of.

    Args:
        fields: of a row, that hold its answers: ``response``, or ``chosen`` and ``rejected``.
        raw: prompts are plain text, without a chat template.
        end_of_turn, turns: where the loss is, see ``vectors.tokenize.Reply``.

    Returns one dictionary a row. ``answers``: the ids of each answer. ``earlier``: places in ``prompt_ids`` of tokens
    that carry a loss too: earlier answers of a chat. ``kept``: not dropped. Of a pair that is too long, both answers
    follow the chosen one's prompt. Raises ExplorerError that names the row and the field that is missing; PromptError
    for a prompt that can't be read.
    """
    for row in rows:
        for name in ("prompt", *fields):
            if not (row.get(name) or "").strip():
                raise ExplorerError(f"Training row {row.get('id', '?')}: field '{name}' is missing or empty.")
    others = dict.fromkeys(set(chain(*ANSWERS.values())) - set(fields))
    items = row_items([{**row, **others} for row in rows], raw, end_of_turn, turns)
    data = []
    for row, exchanges in zip(rows, encode_items(loaded, items), strict=True):
        first = exchanges[0]
        data.append(
            {
                "prompt_ids": [*first.ids[: first.start]],
                "earlier": [place for start, end in first.spans[:-1] for place in range(start, end)],
                "answers": [[*exchange.ids[exchange.start :]] for exchange in exchanges],
                "kept": row.get("edit") != DROP,
            }
        )
    return data


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pack tokenised rows into a batch, without the dropped ones.

    Adds ``counts``, by which the loss is multiplied: 0 where all rows are dropped and the first one stands in. Pairs
    have ``reference`` too, shape (pairs, 2).
    """
    kept = [row for row in rows if row["kept"]]
    rows = kept or rows[:1]
    batch = pack(rows) | {"counts": torch.tensor(float(bool(kept)))}
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"] for row in rows])
    return batch


def pack(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pack token ids, {prompt_ids, earlier?, answers} a row, into one batch of T tokens; N losses are on them.

    Returns:
        input_ids, position_ids: (1, T). attention_mask: (1, 1, T, T) bool, True where attention may look.
        predict: (N,) places whose next token carries a loss; targets: (N,) those tokens.
        owner: (N,) index of the answer, counted over all rows in order; the first one's for ``earlier`` tokens.
    """
    prompts = [row["prompt_ids"][:-1] for row in rows]
    trunk = common_length(prompts)
    branches = [(0, 0, rows[0]["prompt_ids"][:trunk])]  # parent, position of the first token, tokens
    losses: list[tuple[int, int, int]] = []  # place that predicts, target, owner
    end, owner = trunk, 0  # places so far, answers so far
    for row in rows:
        *prompt, last = row["prompt_ids"]
        parent = len(branches)
        branches.append((0, trunk, prompt[trunk:]))
        for i in row.get("earlier", ()):
            losses.append((i - 1 if i <= trunk else end + i - 1 - trunk, row["prompt_ids"][i], owner))
        end += len(prompt) - trunk
        for answer in row["answers"]:
            branches.append((parent, len(prompt), [last, *answer][: len(answer)]))
            losses += [(end + i, token, owner) for i, token in enumerate(answer)]
            end, owner = end + len(answer), owner + 1
    parents, starts, tokens = zip(*branches, strict=True)
    positions = [range(start, start + len(inner)) for start, inner in zip(starts, tokens, strict=True)]
    branch = torch.tensor([number for number, inner in enumerate(tokens) for _ in inner])
    sees = torch.eye(len(parents), dtype=torch.bool)
    for child, parent in enumerate(parents):  # parents come before their children
        sees[child] |= sees[parent]
    predict, targets, owners = torch.tensor(losses).T
    return {
        "input_ids": torch.tensor([[*chain(*tokens)]]),
        "position_ids": torch.tensor([[*chain(*positions)]]),
        "attention_mask": sees[branch][:, branch].tril()[None, None],
        "predict": predict,
        "targets": targets,
        "owner": owners,
    }


def answer_logps(model: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Return the log-probability of every answer token, shape (N,), float32; computes no other logits."""
    inputs = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    logits = model(**inputs, logits_to_keep=batch["predict"], use_cache=False).logits[0]
    return -nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="none")


def summed(values: Tensor, owner: Tensor) -> Tensor:
    """Sum the values of each answer; shape (number of answers,)."""
    n = int(owner.max()) + 1
    return torch.zeros(n, dtype=values.dtype, device=values.device).index_add(0, owner, values)
