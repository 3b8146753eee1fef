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
from transformers import PreTrainedTokenizerBase

from explorer.errors import ExplorerError
from explorer.repair.plan import DROP


def tokenise(tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return {prompt_ids, answers, kept} of a row whose answers stand in the fields ``names``; kept: not dropped.

    Raises ExplorerError that names the row and the field that is missing.
    """
    for name in ("prompt", *names):
        if not row.get(name):
            raise ExplorerError(f"Training row {row.get('id', '?')}: field '{name}' is missing or empty.")
    chat = [{"role": "user", "content": row["prompt"]}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    texts = [str(prompt), *(row[name] + str(tokenizer.eos_token) for name in names)]
    prompt_ids, *answers = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts)
    return {"prompt_ids": prompt_ids, "answers": answers, "kept": row.get("edit") != DROP}


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
    """Pack token ids, {prompt_ids, answers} a row, into one batch of T tokens, of which N predict an answer's token.

    Returns:
        input_ids, position_ids: (1, T). attention_mask: (1, 1, T, T) bool, True where attention may look.
        predict: (N,) positions whose next token is an answer's; targets: (N,) those tokens.
        owner: (N,) index of the answer, counted over all rows in order.
    """
    prompts = [row["prompt_ids"][:-1] for row in rows]
    differing = (i for i, ids in enumerate(zip(*prompts, strict=False)) if len(set(ids)) > 1)
    trunk = next(differing, min(map(len, prompts)))
    branches = [(0, 0, rows[0]["prompt_ids"][:trunk], [])]  # parent, position of the first token, tokens, targets
    for row in rows:
        *prompt, last = row["prompt_ids"]
        parent = len(branches)
        branches.append((0, trunk, prompt[trunk:], []))
        branches += [(parent, len(prompt), [last, *answer[:-1]], answer) for answer in row["answers"]]
    parents, starts, tokens, targets = zip(*branches, strict=True)
    positions = [range(start, start + len(inner)) for start, inner in zip(starts, tokens, strict=True)]
    branch = torch.tensor([number for number, inner in enumerate(tokens) for _ in inner])
    is_answer = torch.tensor([bool(target) for target in targets])
    predict = is_answer[branch].nonzero()[:, 0]
    sees = torch.eye(len(parents), dtype=torch.bool)
    for child, parent in enumerate(parents):  # parents come before their children
        sees[child] |= sees[parent]
    return {
        "input_ids": torch.tensor([[*chain(*tokens)]]),
        "position_ids": torch.tensor([[*chain(*positions)]]),
        "attention_mask": sees[branch][:, branch].tril()[None, None],
        "predict": predict,
        "targets": torch.tensor([*chain(*targets)]),
        "owner": (is_answer.cumsum(0) - 1)[branch[predict]],
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
