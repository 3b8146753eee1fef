"""Replacing tokens of a prompt in three ways, and the gap that the model has then, many masks at a time.

One operator alone flips the verdict on a map in 18 % of configurations (ICE, arXiv 2603.18579): what an embedding that
no text has does to a model differs from what a missing word does. Hence more than one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from explorer.model.by_rows import PASS_TOKENS, by_rows, even
from explorer.model.kept import kept_of
from explorer.model.load import LoadedModel
from explorer.model.passes import model_pass, tell
from explorer.model.prompts import check_length
from explorer.model.residual import wide
from explorer.trace.edits import objectives
from explorer.trace.explain import Explanation
from explorer.trace.trace import Objective

OPERATORS = {
    "mean": "mean embedding",
    "delete": "deleted",
    "likely": "likely token",
}
"""What stands in a token's place, and its name for people: the mean embedding of the vocabulary; nothing, the tokens
after it move up; the token that the model itself finds likeliest there, other than the one that stands there."""
FIXED = ("template", "generated")
"""Segments that are never replaced: the chat format, and the beginning of the wrong answer before the contrast."""
_KEPT_TOKENS = 2048
"""Tokens of a pass, those among them that were read already: each row has its own copy of what attention keeps."""
_VOCABULARY_CHUNK = 8192


class MaskedPrompt:
    """The prompt of an explanation, some of whose tokens can be replaced.

    Attributes:
        players: (n,) indices of the tokens that may be replaced: those of the prompt's own text.
        status: what the thread's watcher is told at every pass: what is being done, and how far it is.
    """

    def __init__(self, loaded: LoadedModel, explanation: Explanation) -> None:
        self._loaded, self._explanation = loaded, explanation
        prompt = [token for token in explanation.contrast.tokens if token.segment != "generated"]
        self._ids = [token.id for token in prompt]
        self.status: tuple[str, float, float] = ("Replacing tokens", 0, 0)
        self._known: dict[tuple[str, bytes], float] = {}
        self.players = np.array([token.index for token in prompt if token.segment not in FIXED], dtype=int)
        check_length(loaded, len(self._ids) + max(len(ids) for ids, _, _, _ in self._sides()))

    def gaps(self, masks: np.ndarray, operator: str) -> np.ndarray:
        """Return the gap with the masked tokens replaced, for each mask: a logit gap, or nats of the whole answers.

        Equal masks are computed once; masks that lead to one length share a pass of at most ``PASS_TOKENS`` tokens, and
        what stands before the first token that one of them replaces is read once.

        Args:
            masks: (m, n) bool, True where a player is replaced.
            operator: a key of ``OPERATORS``.

        Returns:
            (m,) float64.
        """
        keys = [(operator if mask.any() else "", mask.tobytes()) for mask in masks]
        new = {key: mask for key, mask in zip(keys, masks, strict=True) if key not in self._known}
        if new:
            values = self._measure(np.stack(list(new.values())), operator)
            self._known.update(zip(new, values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])

    def inputs(self, mask: np.ndarray, operator: str) -> Tensor:
        """(1, length, width) what the first block reads of the whole prompt with the masked players replaced.

        Args:
            mask: (n,) bool, True where a player is replaced.
            operator: a key of ``OPERATORS``.
        """
        answer, *_ = self._sides()[0]
        return self._suffix(mask, operator, answer, 0)

    def _measure(self, masks: np.ndarray, operator: str) -> np.ndarray:
        values, what = np.zeros(len(masks)), f"Replacing tokens ({OPERATORS[operator]})"
        for answer, sign, objective, positions in self._sides():
            for start, rows in self._batches(masks, operator, len(answer)):
                tell(*self.status)
                states = torch.cat([self._suffix(masks[row], operator, answer, start) for row in rows])
                logits = self._run(states, start, positions, what)
                values[rows] += [sign * objective(wide(each)).item() for each in logits]
        return values

    def _start(self, mask: np.ndarray) -> int:
        """Tokens that need not be read again under a mask: those before the first that it replaces but for the last,
        which tells what comes next where all after it are deleted."""
        if self._whole is None and self._beginning is None:
            return 0
        return self._before(self.players if self._whole is None else self.players[mask])

    def _before(self, players: np.ndarray) -> int:
        return max(0, min([*players[:1].tolist(), len(self._ids) - 1]) - 1)

    @property
    def _model(self) -> PreTrainedModel:
        return self._loaded.model

    def _sides(self) -> list[tuple[tuple[int, ...], float, Objective, int]]:
        """(tokens read after the prompt, sign, scalar, positions) whose signed sum is the gap."""
        sides = objectives(self._explanation, ())
        return [(read, sign, objective, positions) for sign, read, objective, positions in sides]

    def _batches(self, masks: np.ndarray, operator: str, more: int) -> Iterator[tuple[int, list[int]]]:
        """(tokens that are read already, row numbers) of masks that lead to one length, few enough for a short pass."""
        full, starts = len(self._ids) + more, [self._start(mask) for mask in masks]
        by_length: dict[int, list[int]] = defaultdict(list)
        for row in sorted(range(len(masks)), key=starts.__getitem__):
            by_length[max(1, full - int(masks[row].sum())) if operator == "delete" else full].append(row)
        for length, rows in sorted(by_length.items(), reverse=True):
            at = 0
            while at < len(rows):
                start = starts[rows[at]]
                most = even(min(PASS_TOKENS // (length - start), _KEPT_TOKENS // length))
                yield start, rows[at : at + most]
                at += most

    def _suffix(self, mask: np.ndarray, operator: str, answer: Sequence[int], start: int) -> Tensor:
        """(1, length, width) what the first block reads from token ``start`` on."""
        replaced = np.zeros(len(self._ids), dtype=bool)
        replaced[self.players[mask]] = True
        if operator == "delete":
            ids = [id for id, gone in zip(self._ids, replaced, strict=True) if not gone]
            return self._embed([*(ids[start:] or [self._blank]), *answer])
        if operator == "likely":
            ids = [other if gone else id for id, other, gone in zip(self._ids, self._likely, replaced, strict=True)]
            return self._embed([*ids[start:], *answer])
        states = self._embed([*self._ids[start:], *answer]).clone()
        states[0, torch.from_numpy(np.flatnonzero(replaced[start:])).to(states.device)] = self._mean
        return states

    @torch.no_grad()
    def _embed(self, ids: Sequence[int]) -> Tensor:
        embedding = cast(nn.Module, self._model.get_input_embeddings())
        return embedding(torch.tensor([list(ids)], dtype=torch.long, device=self._model.device))

    @cached_property
    def _mean(self) -> Tensor:
        """(width,) mean embedding of the vocabulary."""
        weight = cast(Tensor, self._model.get_input_embeddings().weight)
        chunks = torch.arange(len(weight)).split(_VOCABULARY_CHUNK)
        total = torch.stack([self._embed(chunk.tolist())[0].sum(0, dtype=torch.float64) for chunk in chunks]).sum(0)
        return (total / len(weight)).to(weight.dtype)

    @cached_property
    def _likely(self) -> list[int]:
        """For each token of the prompt, the likeliest other one there, read from what stands before it; none special.

        Before the first token of a raw prompt stands the end of a text.
        """
        first = 0 if self.players[0] == 0 else 1
        read = [*([] if first else [self._blank]), *self._ids[:-1]]
        logits = self._run(self._embed(read), 0, len(self._ids) - first, "Finding likely tokens")[0].clone()
        logits[:, [id for id in self._loaded.tokenizer.all_special_ids if id < logits.shape[1]]] = -torch.inf
        logits[torch.arange(len(logits)), torch.tensor(self._ids[first:])] = -torch.inf
        return [*self._ids[:first], *logits.argmax(-1).tolist()]

    @property
    def _blank(self) -> int:
        """What a model reads where nothing is left to read: the beginning or the end of a text."""
        tokenizer = self._loaded.tokenizer
        ids = (tokenizer.bos_token_id, tokenizer.eos_token_id, self._ids[0])
        return next(id for id in ids if isinstance(id, int))

    @cached_property
    def _whole(self) -> DynamicCache | None:
        """What attention keeps of the prompt but for two tokens, if it can be cut anywhere."""
        return self._keep(len(self._ids) - 2) if len(self._ids) > 2 else None

    @cached_property
    def _beginning(self) -> DynamicCache | None:
        """What attention keeps of the tokens before the first player, if that can be gone on with."""
        before = self._before(self.players)
        return self._keep(before, windows=True) if before else None

    def _keep(self, length: int, windows: bool = False) -> DynamicCache | None:
        view = self._loaded.view("gradient", length)
        with model_pass(view, length, "Reading the prompt"), torch.no_grad():
            return kept_of(view, windows, inputs_embeds=self._embed(self._ids[:length]))

    def _run(self, states: Tensor, start: int, positions: int, what: str) -> Tensor:
        """(rows, positions, vocabulary) logits at the last positions of some rows of equal length.

        Args:
            states: (rows, length, width) from token ``start`` of the prompt on.
        """
        tokens = len(states) * (states.shape[1] + start)
        view = self._loaded.view("gradient", tokens)
        kept = (self._beginning if self._whole is None else self._whole) if start else None

        def run(rows: slice) -> Tensor:
            some, given = states[rows], {}
            if kept is not None:
                past = deepcopy(kept)
                if kept is self._whole:
                    past.crop(start - (len(self._ids) - 2))
                past.batch_repeat_interleave(len(some))
                given = {"past_key_values": past}
            return view(inputs_embeds=some, use_cache=bool(given), logits_to_keep=positions, **given).logits

        with model_pass(view, tokens, what):
            return by_rows(view, len(states), run)


def random_orders(players: int, orders: int, seed: int) -> np.ndarray:
    """(orders, players) random orders, in pairs of an order and its reverse."""
    generator = np.random.default_rng(seed)
    half = [generator.permutation(players) for _ in range((orders + 1) // 2)]
    return np.array([order for one in half for order in (one, one[::-1])][:orders])


def prefix_masks(order: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """(len(sizes), n) masks of the first so many players of an order."""
    masks = np.zeros((len(sizes), len(order)), dtype=bool)
    for row, size in enumerate(sizes):
        masks[row, order[:size]] = True
    return masks
