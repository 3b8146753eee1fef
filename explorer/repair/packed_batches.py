"""Many short examples in one sequence without padding: what they share is read once, and none sees another.

A batch becomes a tree. Its trunk is the beginning that all prompts have in common (the system prompt); each prompt is a
branch of the trunk, each answer a branch of its prompt. A token attends to its own branch and to what that grew from,
and keeps the position that it would have alone, so that every log-probability equals the one of the padded batch, for
about half of the work with short chats, and less for preference pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from explorer.errors import ExplorerError, first_line
from explorer.limits import TRAINING_TOKENS
from explorer.model.load import LoadedModel
from explorer.repair.padded_batches import pad, read_logits
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
    most: int = TRAINING_TOKENS,
) -> list[dict[str, Any]]:
    """Return {prompt_ids, earlier, answers, kept} of every row, with the token ids that vectors are made of.

    Args:
        fields: of a row, that hold its answers: ``response``, or ``chosen`` and ``rejected``.
        raw: prompts are plain text, without a chat template.
        end_of_turn, turns, most: where the loss is, and how many tokens are read, see ``vectors.tokenize.Reply``.

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
    items = row_items([{**row, **others} for row in rows], raw, end_of_turn, turns, most)
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
    """Make a batch of tokenised rows, without the dropped ones: packed, or padded where the rows say so.

    Adds ``counts``, by which the loss is multiplied: 0 where all rows are dropped and the first one stands in. Pairs
    have ``reference`` too, shape (pairs, 2), and so has KTO, with ``wanted``, shape (rows,).
    """
    kept = [row for row in rows if row["kept"]]
    rows = kept or rows[:1]
    batch = (pad if rows[0].get("padded") else pack)(rows) | {"counts": torch.tensor(float(bool(kept)))}
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"] for row in rows])
    if "wanted" in rows[0]:
        batch["wanted"] = torch.tensor([row["wanted"] for row in rows])
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
    """Return the log-probability of every answer token, shape (N,), float32; computes no other logits.

    Args:
        batch: of ``pack`` or ``pad``.
    """
    if "read" in batch:
        logits = read_logits(model, batch)
    else:
        inputs = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
        logits = model(**inputs, logits_to_keep=batch["predict"], use_cache=False).logits[0]
    return -nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="none")


def summed(values: Tensor, owner: Tensor) -> Tensor:
    """Sum the values of each answer; shape (number of answers,)."""
    n = int(owner.max()) + 1
    return torch.zeros(n, dtype=values.dtype, device=values.device).index_add(0, owner, values)


def packs(model: nn.Module, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a model reads packed rows as it reads each alone; False where it reads padded ones so.

    Families with attention code of their own may take another mask, or know positions by the distance in the batch.
    Raises ExplorerError for a model that reads neither rightly.
    """
    few = [{**row, "earlier": ()} for row in rows[:3]]
    if not _misread(model, few, pack):
        return True
    if why := _misread(model, few, pad):
        raise ExplorerError(f"{type(model).__name__} can't be trained here: {why}.")
    return False


@torch.no_grad()
def _misread(model: nn.Module, rows: Sequence[Mapping[str, Any]], lay: Callable[..., dict[str, Tensor]]) -> str:
    """What is wrong with a batch of rows for a model; empty where it is read as each row alone."""
    parameter, one = next(model.parameters()), "packed rows" if lay is pack else "padded rows"
    try:
        batch = {key: value.to(parameter.device) for key, value in lay(rows).items()}
        together = summed(answer_logps(model, batch), batch["owner"]).tolist()
        alone = [_alone(model, row["prompt_ids"], answer) for row in rows for answer in row["answers"]]
    except Exception as error:  # an exotic family can fail in any way
        return f"{one} failed ({first_line(error, 120)})"
    tolerance = 1e-3 if parameter.dtype.itemsize >= 4 else 0.05
    wrong = any(not abs(a - b) <= tolerance * (1 + abs(b)) for a, b in zip(together, alone, strict=True))
    return f"it reads {one} otherwise than each alone" if wrong else ""


def _alone(model: nn.Module, prompt: list[int], answer: list[int]) -> float:
    """The log-probability of an answer in plain passes; of its first token, in one that ends before it.

    So a model whose tokens see what comes after them reads no batch like this.
    """
    ids = torch.tensor([[*prompt, *answer]], device=next(model.parameters()).device)
    first = model(input_ids=ids[:, : len(prompt)], use_cache=False).logits[0, -1:]
    rest = model(input_ids=ids, use_cache=False).logits[0, len(prompt) : -1]
    logits = torch.cat([first, rest]).float()
    return -nn.functional.cross_entropy(logits, ids[0, len(prompt) :], reduction="sum").item()
