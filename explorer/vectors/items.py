"""Items, which vectors are made of, and the vectors of many items at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from explorer.data.study import Study
from explorer.data.turns import parse_history
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.vectors.fingerprint import FIELDS
from explorer.vectors.index import UNRANKED
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.tokenize import Exchange, Reply, batches, encode_exchanges


@dataclass(frozen=True)
class Item:
    """A prompt and its answer.

    Attributes:
        other: in a pair, the rejected answer (datapoints) or the good one (behaviors).
        ended, turns: where the loss is, see ``Reply``.
    """

    prompt: Prompt
    answer: str
    other: str | None = None
    ended: bool = True
    turns: str = "last"

    @property
    def answers(self) -> tuple[str, ...]:
        """One answer, or both of a pair."""
        return (self.answer,) if self.other is None else (self.answer, self.other)

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The prompt with each of the answers."""
        return tuple(Reply(self.prompt, answer, self.ended, self.turns) for answer in self.answers)

    @property
    def text(self) -> str:
        """Prompt, (first) answer and other turns, for searches: a conversation is about all that is said in it."""
        others = (content for _, content in (*self.prompt.history, *self.prompt.steps))
        return " ".join((self.prompt.text, self.answer, *others))


def row_items(rows: Sequence[Mapping[str, Any]], raw: bool, ended: bool = True, turns: str = "all") -> list[Item]:
    """Return the items of training rows: a pair where a row has two answers and no response.

    ``ended``, ``turns``: where the training put a loss, see ``Reply``. Preference training compares the two last
    answers alone, whatever ``turns`` is.
    """
    items = []
    for row in rows:
        history, steps = parse_history(row.get("history"), f"Datapoint {row.get('id')}")
        prompt = Prompt(row["prompt"], row.get("system") or None, raw, history=history, steps=steps)
        if not row.get("response") and row.get("chosen") is not None:
            items.append(Item(prompt, row["chosen"], row["rejected"] or "", ended))
        else:
            items.append(Item(prompt, row.get("response") or "", None, ended, turns))
    return items


def table_items(table: pa.Table, raw: bool, ended: bool = True, turns: str = "all") -> list[Item]:
    """Return the items of a table of training rows; see ``row_items``."""
    rows = table.select([name for name in FIELDS if name in table.column_names]).to_pylist()
    return row_items(rows, raw, ended, turns)


def study_items(study: Study, table: pa.Table) -> list[Item]:
    """Return the items of some of a study's datapoints, with the loss where its training had it."""
    return table_items(table, study.template == "raw", study.end_of_turn, study.turns)


def encode_items(loaded: LoadedModel, items: Sequence[Item]) -> list[list[Exchange]]:
    """Tokenise items: one exchange for each of an item's answers."""
    encoded = iter(encode_exchanges(loaded, [reply for item in items for reply in item.replies]))
    return [[next(encoded) for _ in item.answers] for item in items]


def item_vectors(
    loaded: LoadedModel,
    items: Sequence[Item],
    layers: Sequence[int],
    parts: Sequence[str] = PARTS,
    progress: Progress = silent,
    encoded: Sequence[Sequence[Exchange]] | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return ("<part>.<layer>" → (n, width) float32 on the CPU, kinds (n,)) of n items.

    A pair's vector is its answer's minus its other answer's; the state at p₀, which both share, stays. An item one of
    whose answers has no tokens is of kind ``UNRANKED``, and its vectors are 0.

    ``encoded``: what ``encode_items`` makes of them, where it is at hand. ``progress`` counts tokens; it is called
    after every batch but the last.
    """
    exchanges = encode_items(loaded, items) if encoded is None else encoded
    kinds = [len(both) if all(e.spans for e in both) else UNRANKED for both in exchanges]
    work = [
        (row, sign, exchange)
        for row, both in enumerate(exchanges)
        if kinds[row] != UNRANKED
        for sign, exchange in zip((1.0, -1.0), both, strict=False)
    ]
    vectors: dict[str, Tensor] = {}
    view, done, tokens = loaded.view("gradient"), 0, sum(len(exchange.ids) for _, _, exchange in work)
    for batch in batches([exchange for _, _, exchange in work], owners=[row for row, _, _ in work]):
        rows = torch.tensor([work[i][0] for i in batch])
        signs = torch.tensor([work[i][1] for i in batch])
        for (part, layer), passed in one_pass(view, [work[i][2] for i in batch], layers, parts).items():
            batch_vectors = passed.float().cpu()
            out = vectors.setdefault(f"{part}.{layer}", torch.zeros(len(items), batch_vectors.shape[1]))
            if part == "state":
                out[rows] = batch_vectors
            else:
                out.index_add_(0, rows, batch_vectors * signs[:, None])
        done += sum(len(work[i][2].ids) for i in batch)
        if done < tokens:
            progress("Making vectors", done, tokens)
    return vectors, torch.tensor(kinds, dtype=torch.uint8)
