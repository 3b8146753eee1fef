"""How a trainer's rows are read, told by the token ids that the trainer made of them.

The same rows can be read in several ways: in the chat template or as plain text, from their columns or from the ids
turned back into text, with a loss on all answers of a chat or on the last one alone. Each is tried on some rows, and
the one whose ids and losses are the trainer's is taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizerBase

from explorer.data.importer import import_data
from explorer.errors import ExplorerError
from explorer.files import write_json_lines
from explorer.limits import MOST_TRAINING_TOKENS
from explorer.model.load import LoadedModel
from explorer.model.spec import IN_MEMORY, ModelSpec
from explorer.studies.training_rows import Row, Trained, as_given, decoded, has_text, is_chat, trained_on
from explorer.vectors.items import encode_items, table_items

CHECKED = 48
"""Rows that are held against the trainer's ids, evenly spaced."""
SAME_LOSSES = 0.99
"""Overlap of the losses from which on they are taken as the same."""


@dataclass(frozen=True)
class Reading:
    """A way to read a trainer's rows.

    Attributes:
        template, turns, end_of_turn: as in ``Study``.
        decoded: whether the text is made of token ids; ``split``: into prompt and answer by their losses.
        checked: rows that were held against the trainer's ids; 0 where it keeps none.
        same: of them, rows with the very ids.
        overlap: 0 to 1, shared places of the losses over all, the mean of the rows that are the same.
    """

    template: str
    turns: str = "all"
    end_of_turn: bool = True
    decoded: bool = False
    split: bool = False
    checked: int = 0
    same: int = 0
    overlap: float = 0.0

    def rows(self, rows: Iterable[Row], tokenizer: PreTrainedTokenizerBase) -> Iterable[Row]:
        """The rows as they are read, without token ids."""
        end = str(tokenizer.eos_token) if tokenizer.eos_token else None
        for row in rows:
            yield from decoded(row, tokenizer, self.split) if self.decoded else (as_given(row, end),)

    def sentences(self, trainer: str) -> list[str]:
        """What was taken for granted, and how well it is known."""
        told = f"the training data are the train_dataset of {trainer}"
        if self.decoded:
            told += ", which holds token ids alone: turned back into text"
        if not self.checked:
            return [f"{told}; it keeps no token ids to hold them against"]
        same = f"{self.same} of {self.checked} rows looked at have the very token ids of the training"
        losses = (
            "; it put a loss on other tokens than those of the answers too" if 0 < self.overlap < SAME_LOSSES else ""
        )
        return [told, f"read as {'plain text' if self.template == 'raw' else 'chats'}: {same}{losses}"]


def choose_reading(rows: Sequence[Row], model: Any, tokenizer: PreTrainedTokenizerBase, cut: int | None) -> Reading:
    """Return the reading of rows that agrees best with the trainer's ids; of equals the one closest to its columns.

    Args:
        rows: as ``rows_of`` yields them, ids too.
        model: the trained model, of which the configuration alone is read.
        cut: tokens after which the trainer cut a row, if it did.

    Raises ExplorerError for rows that hold neither text nor token ids.
    """
    text, ids = has_text(rows[0]), any(trained_on(row) for row in rows)
    if not text and not ids:
        columns = ", ".join(rows[0])[:120]
        raise ExplorerError(f"train_dataset holds neither text nor token ids, but {columns}; give data=.")
    if not ids:
        return Reading("chat" if is_chat(rows[0]) else "raw")
    loaded = LoadedModel(ModelSpec(f"{IN_MEMORY}the trained model"), model, tokenizer)
    compare, best = _Comparison(rows, loaded, cut), Reading("raw")
    for reading in _readings(rows[0], text, tokenizer):
        told = compare.with_(reading)
        if not best.checked or (told.same, round(told.overlap, 3)) > (best.same, round(best.overlap, 3)):
            best = told
        if best.same == best.checked and best.overlap >= SAME_LOSSES:
            break
    return best


def _readings(row: Row, text: bool, tokenizer: PreTrainedTokenizerBase) -> Iterable[Reading]:
    """The ways to try, the most natural one first."""
    templates = ["chat", "raw"] if is_chat(row) or not text else ["raw", "chat"]
    if not tokenizer.chat_template:
        templates = ["raw"]
    sources = [{"decoded": False}] if text else []
    sources += [{"decoded": True, "split": False}, {"decoded": True, "split": True}]
    for source in sources:
        for template in templates:
            if source["decoded"] and source["split"] == (template == "chat"):
                continue  # a chat is told by its marks, plain text by its losses
            for turns in ("all", "last"):
                for ends in (True, False):
                    yield Reading(template, turns, ends, **source)


class _Comparison:
    """Rows beside the ids that the trainer made of them."""

    def __init__(self, rows: Sequence[Row], loaded: LoadedModel, cut: int | None) -> None:
        self._rows, self._loaded, self._cut = rows, loaded, cut
        self._trained = [trained_on(row) for row in rows]

    def with_(self, reading: Reading) -> Reading:
        """The reading with how many rows have the trainer's ids."""
        same, overlaps, checked = 0, [], 0
        for row, trained in zip(self._rows, self._trained, strict=True):
            if not trained:
                continue
            checked += 1
            try:
                exchanges = self._encoded(row, reading)
            except ExplorerError:
                continue
            pairs = list(zip(exchanges, trained, strict=False))
            if len(exchanges) == len(trained) and all(self._agree(e.ids, t.ids) for e, t in pairs):
                same += 1
                overlaps += [_overlap(e.spans, len(e.ids), t) for e, t in pairs]
        overlap = sum(overlaps) / len(overlaps) if overlaps else 0.0
        return replace(reading, checked=checked, same=same, overlap=overlap)

    def _encoded(self, row: Row, reading: Reading) -> list[Any]:
        """The exchanges of a row, read so; of an unpaired answer its own."""
        made = [made | {"id": str(n)} for n, made in enumerate(reading.rows([row], self._loaded.tokenizer))]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            write_json_lines(path, made)
            table = import_data(path, "all", raw=reading.template == "raw").table
        how: dict[str, Any] = {"ended": reading.end_of_turn, "turns": reading.turns, "most": MOST_TRAINING_TOKENS}
        items = table_items(table, reading.template == "raw", **how)
        encoded = encode_items(self._loaded, items)
        return [
            e for item, both in zip(items, encoded, strict=True) for e in (both[1:] if item.rejected_alone else both)
        ]

    def _agree(self, ours: Sequence[int], trained: Sequence[int]) -> bool:
        """Whether ids are the same, up to white space at the trainer's end, or where the trainer cut the row."""
        if len(trained) < len(ours):
            return self._cut == len(trained) and tuple(ours[: len(trained)]) == tuple(trained)
        rest = str(self._loaded.tokenizer.decode(list(trained[len(ours) :])))
        return tuple(trained[: len(ours)]) == tuple(ours) and not rest.strip()


def _overlap(spans: Sequence[tuple[int, int]], n: int, trained: Trained) -> float:
    """Places with a loss in both, over those with a loss in either, within the first ``n`` tokens."""
    ours = {place for first, last in spans for place in range(first, last)}
    theirs = set(range(n)) if trained.losses is None else {place for place in trained.losses if place < n}
    return len(ours & theirs) / max(len(ours | theirs), 1)
