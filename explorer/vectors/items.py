"""Items, which vectors are made of, and the vectors of many items at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from explorer.data.study import Study
from explorer.data.turns import parse_history
from explorer.limits import TRAINING_TOKENS
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.vectors.fingerprint import FIELDS
from explorer.vectors.index import UNRANKED
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.tokenize import Exchange, Reply, batches, encode_exchanges


class Begun(NamedTuple):
    """Unfinished work of ``item_vectors``: what its vectors are so far, and which exchanges, by number, are in them."""

    vectors: Mapping[str, Tensor]
    done: frozenset[int]

    def if_fits(self, numbers: Sequence[Sequence[int]], rows: int) -> "Begun":
        """The work itself where it is whole batches of these, of so many rows; else none."""
        finished = {i for batch in numbers if self.done.issuperset(batch) for i in batch}
        fits = self.done == finished and all(len(vectors) == rows for vectors in self.vectors.values())
        return self if fits else Begun({}, frozenset())


@dataclass(frozen=True)
class Item:
    """A prompt and its answer.

    Attributes:
        other: in a pair, the rejected answer (datapoints) or the good one (behaviors).
        ended, turns, most: where the loss is, and how many tokens are read, see ``Reply``.
        rejected_alone: whether training pushed away from ``other``, and towards nothing (KTO); ``answer`` is empty.
    """

    prompt: Prompt
    answer: str
    other: str | None = None
    ended: bool = True
    turns: str = "last"
    most: int = TRAINING_TOKENS
    rejected_alone: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        """One answer, or both of a pair."""
        return (self.answer,) if self.other is None else (self.answer, self.other)

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The prompt with each of the answers."""
        return tuple(Reply(self.prompt, answer, self.ended, self.turns, self.most) for answer in self.answers)

    @property
    def said(self) -> str:
        """The (first) answer; the rejected one where there is no other."""
        return self.other or "" if self.rejected_alone else self.answer

    @property
    def text(self) -> str:
        """Prompt, ``said`` and other turns, for searches: a conversation is about all that is said in it."""
        others = (content for _, content in (*self.prompt.history, *self.prompt.steps))
        return " ".join((self.prompt.text, self.said, *others))


def row_items(
    rows: Sequence[Mapping[str, Any]], raw: bool, ended: bool = True, turns: str = "all", most: int = TRAINING_TOKENS
) -> list[Item]:
    """Return the items of training rows: a pair where a row has two answers and no response.

    A rejected answer beside an empty chosen one is one that training pushed away from, by itself.

    ``ended``, ``turns``, ``most``: how the training read them, see ``Reply``. Preference training compares the two last
    answers alone, whatever ``turns`` is.
    """
    items = []
    for row in rows:
        history, steps = parse_history(row.get("history"), f"Datapoint {row.get('id')}")
        prompt = Prompt(row["prompt"], row.get("system") or None, raw, history=history, steps=steps)
        if not row.get("response") and row.get("chosen") is not None:
            chosen, rejected = row["chosen"], row["rejected"] or ""
            alone = bool(rejected.strip()) and not chosen
            items.append(Item(prompt, chosen, rejected, ended, most=most, rejected_alone=alone))
        else:
            items.append(Item(prompt, row.get("response") or "", None, ended, turns, most))
    return items


def table_items(table: pa.Table, raw: bool, **read_as: Any) -> list[Item]:
    """Return the items of a table of training rows; ``read_as``: see ``row_items``."""
    rows = table.select([name for name in FIELDS if name in table.column_names]).to_pylist()
    return row_items(rows, raw, **read_as)


def study_items(study: Study, table: pa.Table) -> list[Item]:
    """Return the items of some of a study's datapoints, read as its training read them."""
    how: dict[str, Any] = {"ended": study.end_of_turn, "turns": study.turns, "most": study.max_tokens}
    return table_items(table, study.template == "raw", **how)


def encode_items(loaded: LoadedModel, items: Sequence[Item]) -> list[list[Exchange]]:
    """Tokenise items: one exchange for each of an item's answers."""
    encoded = iter(encode_exchanges(loaded, [reply for item in items for reply in item.replies]))
    return [[next(encoded) for _ in item.answers] for item in items]


def counted_answers(items: Sequence[Item], exchanges: Sequence[Sequence[Exchange]]) -> list[tuple[int, ...]]:
    """Return for each item the places of the answers that its vectors are made of.

    These are all answers where each has a token; of a rejected answer alone, its own; else none.
    """
    return [
        tuple(range(len(both)))
        if all(exchange.spans for exchange in both)
        else (1,) * (item.rejected_alone and bool(both[1].spans))
        for item, both in zip(items, exchanges, strict=True)
    ]


def item_vectors(
    loaded: LoadedModel,
    items: Sequence[Item],
    layers: Sequence[int],
    parts: Sequence[str] = PARTS,
    progress: Progress = silent,
    encoded: Sequence[Sequence[Exchange]] | None = None,
    begun: Begun = Begun({}, frozenset()),
    after_batch: Callable[[Begun], None] = lambda _begun: None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return ("<part>.<layer>" → (n, width) float32 on the CPU, kinds (n,)) of n items.

    A pair's vector is its answer's minus its other answer's; the state at p₀, which both share, stays. A rejected
    answer alone is a pair without the first of the two. Any other item one of whose answers has no tokens is of kind
    ``UNRANKED``, and its vectors are 0.

    ``encoded``: what ``encode_items`` makes of them, where it is at hand. ``begun``: work to go on from, ignored where
    batches are made in another way now. After every batch but the last, ``after_batch`` gets the work so far, to write
    but not to change, and ``progress`` counts tokens.
    """
    exchanges = encode_items(loaded, items) if encoded is None else encoded
    counted = counted_answers(items, exchanges)
    kinds = [len(both) if places else UNRANKED for both, places in zip(exchanges, counted, strict=True)]
    work = [(row, 1.0 - 2.0 * at, exchanges[row][at]) for row, places in enumerate(counted) for at in places]
    numbers = list(batches([exchange for _, _, exchange in work], owners=[row for row, _, _ in work]))
    begun = begun.if_fits(numbers, len(items))
    vectors = dict(begun.vectors)
    view, done, tokens = loaded.view("gradient"), 0, sum(len(exchange.ids) for _, _, exchange in work)
    for batch in numbers:
        done += sum(len(work[i][2].ids) for i in batch)
        if begun.done.issuperset(batch):
            continue
        rows, signs = torch.tensor([work[i][0] for i in batch]), torch.tensor([work[i][1] for i in batch])
        for (part, layer), passed in one_pass(view, [work[i][2] for i in batch], layers, parts).items():
            batch_vectors = passed.float().cpu()
            out = vectors.setdefault(f"{part}.{layer}", torch.zeros(len(items), batch_vectors.shape[1]))
            if part == "state":
                out[rows] = batch_vectors
            else:
                out.index_add_(0, rows, batch_vectors * signs[:, None])
        begun = Begun(vectors, begun.done.union(batch))
        if done < tokens:
            after_batch(begun)
            progress("Making vectors", done, tokens)
    return vectors, torch.tensor(kinds, dtype=torch.uint8)
