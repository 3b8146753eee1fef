"""What a heatmap costs against a plain forward and backward pass of the same prompt (goal: at most 1.1 ×)."""

from collections.abc import Callable
from typing import Any

import torch

from bench.timing import medians
from explorer.model.load import LoadedModel
from explorer.trace.trace import logit_gap, trace_objective


def prompt_ids(loaded: LoadedModel, length: int) -> list[int]:
    """``length`` token ids of running text."""
    text = "The committee met on Tuesday to discuss the new library, its roof, and who would pay for the books. "
    ids = loaded.tokenizer.encode(text * (length // 10 + 1), add_special_tokens=False)
    return ids[:length]


def plain_pass(loaded: LoadedModel, ids: list[int], target: int, foil: int) -> Callable[[], object]:
    """Forward to the last logits and backward to the embeddings, by the untouched model."""
    tokens = torch.tensor([ids], device=loaded.model.device)

    def work() -> object:
        with torch.enable_grad():
            x = loaded.model.get_input_embeddings()(tokens).detach().requires_grad_()
            logits = loaded.model(inputs_embeds=x, use_cache=False, logits_to_keep=1).logits[0, -1].float()
            return torch.autograd.grad(logits[target] - logits[foil], x)[0].sum().item()

    return work


def bench_heatmap(loaded: LoadedModel, lengths: tuple[int, ...], repeats: int) -> list[dict[str, Any]]:
    """One row a length and rule: seconds of the heatmap, seconds of the plain pass, their ratio."""
    rows = []
    for length in lengths:
        ids = prompt_ids(loaded, length)
        works: dict[str, Callable[[], object]] = {"plain": plain_pass(loaded, ids, 10, 20)}
        for rule in ("attnlrp", "cplrp"):
            view = loaded.view(rule)
            works[rule] = lambda view=view, ids=ids: trace_objective(view, ids, logit_gap(10, 20))
        seconds = medians(works, repeats)
        plain = seconds.pop("plain")
        rows += [
            {
                "tokens": length,
                "rule": rule,
                "seconds": taken,
                "plain_seconds": plain,
                "ratio": taken / plain,
                "goal": 1.1,
            }
            for rule, taken in seconds.items()
        ]
    return rows
