"""What a trainer was given: the rows of its ``train_dataset`` under their own names, and the token ids it made of them.

TRL keeps the columns that it was given beside the ids; other trainers, and packing, often keep the ids alone. Those are
turned back into text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from transformers import PreTrainedTokenizerBase

from explorer.data.names import ANSWERS, MESSAGES, PAIR, PROMPTS, TEXT, fields_of
from explorer.errors import ExplorerError

Row = dict[str, Any]
_MASKED = -100
"""Label of a token without a loss, as in torch."""
_TOKENS = (
    "input_ids",
    "labels",
    "attention_mask",
    "completion_mask",
    "assistant_masks",
    "token_type_ids",
    "position_ids",
    "seq_lengths",
    "prompt_ids",
    "chosen_ids",
    "rejected_ids",
    "completion_ids",
    "KL_completion_ids",
    "ref_logps",
    "ref_KL_logps",
    "ref_chosen_logps",
    "ref_rejected_logps",
    "chat_template_kwargs",
)
"""Columns that a trainer adds or reads beside the text."""
_LANGUAGE = (*PROMPTS, *ANSWERS, *PAIR, MESSAGES, TEXT)


@dataclass(frozen=True)
class Trained:
    """One sequence that a model was trained on: token ids, and the places of those with a loss (None: not known)."""

    ids: tuple[int, ...]
    losses: frozenset[int] | None


def rows_of(dataset: Any) -> Iterator[Row]:
    """Yield the rows of a dataset of ``datasets``, a list, or whatever has a length and items, tensors as lists.

    Raises ExplorerError for a stream, which can't be read again.
    """
    if not hasattr(dataset, "__len__"):
        raise ExplorerError("The trainer's train_dataset is a stream, which can't be read again; give data=.")
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    for number in range(len(plain)):
        row = plain[number]
        if not isinstance(row, Mapping):
            kind = type(row).__name__
            raise ExplorerError(f"Row {number} of train_dataset is {kind}; expected a dictionary of columns.")
        yield {str(name): value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}


def some_rows(dataset: Any, most: int) -> list[Row]:
    """At most so many rows of a dataset, evenly spaced."""
    step = max(1, len(dataset) // most) if hasattr(dataset, "__len__") else 1
    if hasattr(dataset, "select"):
        return [*rows_of(dataset.select(range(0, len(dataset), step)))][:most]
    return [*islice(rows_of(dataset), 0, None, step)][:most]


def has_text(row: Row) -> bool:
    """Whether a row holds the text that its ids were made of."""
    names = fields_of(tuple(row))
    return any(names[column] in _LANGUAGE and isinstance(value, str | list) for column, value in row.items())


def as_given(row: Row, end: str | None) -> Row:
    """The row without the trainer's own columns, and without the token ``end`` that TRL adds to plain text."""
    given = {name: value for name, value in row.items() if name not in _TOKENS}
    for name, value in given.items():
        if end and isinstance(value, str):
            given[name] = value.removesuffix(end)
    return given


def is_chat(row: Row) -> bool:
    """Whether any column of the row holds messages."""
    return any(isinstance(v, list) and v and isinstance(v[0], Mapping) and len(v[0]) > 1 for v in row.values())


def trained_on(row: Row) -> list[Trained]:
    """The sequences of a row: one, the two of a pair, or each that is packed into it; none where it has no ids."""
    if (ids := row.get("input_ids")) is not None:
        return _pieces(row, list(ids))
    if (prompt := row.get("prompt_ids")) is None:
        return []
    answers = [row[name] for name in ("chosen_ids", "rejected_ids", "completion_ids") if row.get(name) is not None]
    spans = [frozenset(range(len(prompt), len(prompt) + len(answer))) for answer in answers]
    return [Trained((*prompt, *answer), losses) for answer, losses in zip(answers, spans, strict=True)]


def _pieces(row: Row, ids: list[int]) -> list[Trained]:
    mask, labels = row.get("attention_mask") or [1] * len(ids), row.get("labels")
    kept = [place for place in range(len(ids)) if mask[place]]
    lengths: Sequence[int] = row.get("seq_lengths") or [len(kept)]
    pieces, start = [], 0
    for length in lengths:
        places = kept[start : start + length]
        losses = None if labels is None else frozenset(i for i, p in enumerate(places) if labels[p] != _MASKED)
        pieces.append(Trained(tuple(ids[place] for place in places), losses))
        start += length
    return [piece for piece in pieces if piece.ids]


def decoded(row: Row, tokenizer: PreTrainedTokenizerBase, split: bool) -> Iterator[Row]:
    """Yield a row's ids as text again, special tokens too, one row for each sequence that is packed into it.

    Args:
        split: put what stands before the last tokens with a loss under ``prompt``, these under ``response``; otherwise,
            and where all tokens have a loss, the whole is ``text``.
    """
    given = {name: value for name, value in as_given(row, None).items() if not isinstance(value, list)}
    decoder = _Decoder(tokenizer)
    if (prompt := row.get("prompt_ids")) is not None:
        answers = {name: row.get(f"{name}_ids") for name in (*PAIR, "completion")}
        texts = {name: decoder.text(ids) for name, ids in answers.items() if ids is not None}
        yield given | {"prompt": decoder.text(prompt, begins=True)} | texts
        return
    for trained in trained_on(row):
        start, end = _answer(trained) if split else (0, 0)
        if start:
            prompt, answer = trained.ids[:start], trained.ids[start:end]
            yield given | {"prompt": decoder.text(prompt, begins=True), "response": decoder.text(answer)}
        else:
            yield given | {"text": decoder.text(trained.ids, begins=True)}


def _answer(trained: Trained) -> tuple[int, int]:
    """[first, after the last) place of the last tokens with a loss; (0, …) where they begin the text or are unknown."""
    losses = trained.losses or frozenset()
    end = max(losses, default=-1) + 1
    start = end
    while start - 1 in losses:
        start -= 1
    return start, end


class _Decoder:
    """Turns ids into text that the tokenizer makes the same ids of."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._before = list(tokenizer("")["input_ids"])  # what the tokenizer puts before any text by itself

    def text(self, ids: Sequence[int], begins: bool = False) -> str:
        """The text of some ids without the token that ends it; ``begins``: nor those that the tokenizer puts first."""
        ids = list(ids)
        if begins and self._before and ids[: len(self._before)] == self._before:
            ids = ids[len(self._before) :]
        if ids and ids[-1] == self._tokenizer.eos_token_id:
            ids = ids[:-1]
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))
