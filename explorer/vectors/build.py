"""Building the index of a study: rows to exchanges, one pass a batch, shards that survive a kill."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from explorer.data.study import DATAPOINTS, VECTORS, Study
from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, load_model
from explorer.model.prompts import Prompt
from explorer.vectors.fingerprint import model_digest, rows_digest
from explorer.vectors.index import (
    PAIR,
    SINGLE,
    STATS,
    UNRANKED,
    Index,
    Manifest,
    broken_files,
    open_index,
    read_manifest,
    statistics,
    write_tensors,
)  # fmt: skip
from explorer.vectors.layers import auto_layers, late_layer, rept_layer
from explorer.vectors.one_pass import PARTS, one_pass
from explorer.vectors.tokenize import MAX_TOKENS, batches, encode_exchanges

CODE = 1
"""Raised with every change of the extraction that changes a vector."""


@dataclass(frozen=True)
class Item:
    """What a vector is made of: a prompt and its answer; in a pair ``other`` is the rejected or good answer."""

    prompt: Prompt
    answer: str
    other: str | None = None


@dataclass(frozen=True)
class Pace:
    """How far a build is: ``done`` of ``rows``, with the rate of this run in rows a second and seconds left.

    Within a shard, rows are counted by their share of its tokens, as short ones are done first.
    """

    done: int
    rows: int
    rate: float
    left: float


Progress = Callable[[Pace], None]


def item_vectors(
    loaded: LoadedModel,
    items: Sequence[Item],
    layers: Sequence[int],
    parts: Sequence[str] = PARTS,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[dict[str, Tensor], Tensor]:
    """("<part>.<layer>" → (n, width) float32 on the CPU, kinds (n,)) of n items.

    A pair's vector is its answer's minus its other answer's; the state at p₀, which both share, stays. An item whose
    answer, or either answer of whose pair, has no tokens is of kind ``UNRANKED`` and its vectors are 0.

    ``progress`` is told the share of all tokens that is done, after every batch but the last.
    """
    flat = [(item.prompt, text) for item in items for text in (item.answer, item.other) if text is not None]
    exchanges = iter(encode_exchanges(loaded, flat))
    own = [[next(exchanges) for text in (item.answer, item.other) if text is not None] for item in items]
    kinds = torch.tensor([len(some) if all(e.answer for e in some) else UNRANKED for some in own], dtype=torch.uint8)
    todo = [(i, sign, e) for i, some in enumerate(own) if kinds[i] for sign, e in zip((1, -1), some, strict=False)]
    view, found, done, tokens = loaded.view("gradient"), {}, 0, sum(len(e.ids) for _, _, e in todo)
    for batch in batches([e for _, _, e in todo]):
        where = torch.tensor([todo[j][0] for j in batch])
        signs = torch.tensor([float(todo[j][1]) for j in batch])
        for (part, layer), made in one_pass(view, [todo[j][2] for j in batch], layers, parts).items():
            vectors = made.float().cpu()
            out = found.setdefault(f"{part}.{layer}", torch.zeros(len(items), vectors.shape[1]))
            if part == "state":
                out[where] = vectors
            else:
                out.index_add_(0, where, vectors * signs[:, None])
        done += sum(len(todo[j][2].ids) for j in batch)
        if done < tokens:
            progress(done / tokens)
    return found, kinds


def row_items(rows: Sequence[Mapping[str, Any]], raw: bool) -> list[Item]:
    """Items of training rows: a pair where there are two answers, else one answer."""
    return [
        Item(Prompt(row["prompt"], row.get("system") or None, raw), row["chosen"] or "", row["rejected"] or "")
        if not row.get("response") and row.get("chosen") is not None
        else Item(Prompt(row["prompt"], row.get("system") or None, raw), row.get("response") or "")
        for row in rows
    ]


def plan(
    study: Study,
    loaded: LoadedModel,
    checkpoint: str,
    parts: Sequence[str] = PARTS,
    layers: Sequence[int] = (),
    shard_rows: int | None = None,
) -> Manifest:
    """The manifest of the index that a build with these settings makes, without any file.

    ``layers`` empty means ``auto_layers``. Raises ExplorerError for a layer or part that there is none of.
    """
    table = study.datapoints()
    if not table.num_rows:
        raise ExplorerError(f"{study.folder}: the study has no datapoints.")
    raw = study.template == "raw"
    if unknown := set(parts) - set(PARTS):
        raise ExplorerError(f"Part '{unknown.pop()}' is unknown; expected some of {', '.join(PARTS)}.")
    chosen, notes = sorted(set(layers)) or sorted(set(study.layers)), {}
    if not chosen:
        notes["rept_layer"] = rept_layer(loaded, row_items(_some(table), raw))
        chosen = auto_layers(loaded.n_layers, notes["rept_layer"])
    for layer in chosen:
        if not 1 <= layer <= loaded.n_layers:
            raise ExplorerError(f"Layer {layer} is not there; expected 1 to {loaded.n_layers}.")
    made_from = {
        "code": CODE,
        **model_digest(loaded),
        "template": study.template,
        "rows": rows_digest(_rows(table)),
        "max_tokens": MAX_TOKENS,
        "parts": [part for part in PARTS if part in parts],
        "layers": chosen,
    }
    size = shard_rows or (256 if table.num_rows <= 50_000 else 4096)
    nearest = min(chosen, key=lambda layer: abs(layer - late_layer(loaded.n_layers)))
    return Manifest(checkpoint, made_from, table.num_rows, size, chosen, made_from["parts"], nearest, notes)


def build_index(study: Study, checkpoint: str = "before", progress: Progress | None = None, **settings: Any) -> Index:
    """Build the index of a study in one of its checkpoints, or go on with one that was stopped.

    Args:
        checkpoint: ``before``, ``after`` or a name of ``study.checkpoints()``.
        progress: told after every batch; it may raise KeyboardInterrupt to stop, which loses the shard in hand alone.
        settings: ``parts``, ``layers`` and ``shard_rows`` of ``plan``.

    Shards that are missing or damaged are made again. Raises ExplorerError where another process builds the same index.
    """
    name, spec = study.checkpoint(checkpoint)
    loaded = load_model(spec)
    planned = plan(study, loaded, name, **settings)
    folder = index_folder(study, planned)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _fill(folder, planned, study, loaded, progress or (lambda _pace: None))
    except Timeout as error:
        raise ExplorerError(f"{folder}: another process builds this index; wait for it, or stop it.") from error


def index_made_of(study: Study, manifest: Manifest) -> bool:
    """Whether an index holds vectors of the study's present rows and template, in a checkpoint that it still has."""
    about = (study.folder / DATAPOINTS).stat()
    rows = _study_rows(study, about.st_size, about.st_mtime_ns)
    made = manifest.made_from
    known = manifest.checkpoint in study.checkpoints()
    return known and (made.get("rows"), made.get("template"), made.get("code")) == (rows, study.template, CODE)


@lru_cache(maxsize=8)
def _study_rows(study: Study, _size: int, _time: int) -> str:
    return rows_digest(_rows(study.datapoints()))


def check_index(index: Index, loaded: LoadedModel) -> None:
    """Raise ExplorerError that says what differs where an index was made in another model than this one."""
    made, now = index.manifest.made_from, model_digest(loaded)
    differs = [
        f"{name} is {now[name]}, the vectors are of {made.get(name)}" for name in now if made.get(name) != now[name]
    ]
    if differs:
        raise ExplorerError(f"{index.folder}: vectors of another model: {'; '.join(differs)}. Build them again.")


def index_folder(study: Study, planned: Manifest) -> Path:
    """Where the index of this plan is kept."""
    return study.folder / VECTORS / planned.fingerprint[:16]


def _fill(folder: Path, planned: Manifest, study: Study, loaded: LoadedModel, progress: Progress) -> Index:
    manifest = _resumed(folder, planned)
    _sweep(folder, manifest)
    manifest.write(folder)
    table, raw = study.datapoints(), study.template == "raw"
    todo = [shard for shard in manifest.shards if shard[0] not in manifest.files]
    before = manifest.n - sum(last - first for _, first, last in todo)
    done, began = before, perf_counter()

    def tell(rows: int, share: float) -> None:
        now = done + share * rows
        rate = (now - before) / (perf_counter() - began)
        progress(Pace(int(now), manifest.n, rate, (manifest.n - now) / rate))

    for name, first, last in todo:
        items = row_items(_columns(table).slice(first, last - first).to_pylist(), raw)
        inside = partial(tell, last - first)
        vectors, kinds = item_vectors(loaded, items, manifest.layers, manifest.parts, inside)
        if not vectors:  # no row of this shard has an answer
            vectors = {key: torch.zeros(len(items), x.shape[1]) for key, x in _sample(loaded, manifest).items()}
        whole = {key: value.to(torch.bfloat16) for key, value in vectors.items()} | {"kinds": kinds}
        manifest.files[name] = write_tensors(folder, name, whole)
        manifest.write(folder)
        tell(last - first, 1.0)
        done += last - first
    if not manifest.complete:
        found = statistics(Index(folder, manifest))
        counts = found["kinds"].long().bincount(minlength=3).tolist()
        manifest.notes |= {"unranked": counts[UNRANKED], "single": counts[SINGLE], "pairs": counts[PAIR]}
        if "rept_layer" not in manifest.notes:
            manifest.notes["rept_layer"] = rept_layer(loaded, row_items(_some(table), raw))
        manifest.files[STATS] = write_tensors(folder, STATS, found)
        manifest.write(folder)
    return open_index(folder)


def _resumed(folder: Path, planned: Manifest) -> Manifest:
    """The manifest that is there, without the files that are broken; the planned one where none can be read."""
    try:
        manifest = read_manifest(folder)
    except ExplorerError:
        return planned
    if manifest.made_from != planned.made_from or manifest.shard_rows != planned.shard_rows:
        return planned
    bad = broken_files(folder, manifest)
    for name in bad:
        manifest.files.pop(name)
    if bad:
        manifest.files.pop(STATS, None)
    return manifest


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Delete what a killed build left half-written, and shards of another size."""
    known = {STATS, *(name for name, _, _ in manifest.shards)}
    for path in [*folder.glob(".shard-*"), *folder.glob(".stats*"), *folder.glob("*.safetensors")]:
        if path.name not in known:
            path.unlink(missing_ok=True)


def _sample(loaded: LoadedModel, manifest: Manifest) -> dict[str, Tensor]:
    return item_vectors(loaded, [Item(Prompt("a", raw=True), "b")], manifest.layers, manifest.parts)[0]


def _columns(table: pa.Table) -> pa.Table:
    names = ("id", "prompt", "system", "response", "chosen", "rejected")
    return table.select([name for name in names if name in table.column_names])


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in _columns(table).to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _some(table: pa.Table, n: int = 48) -> list[dict[str, Any]]:
    """``n`` rows evenly spaced over the table."""
    step = max(1, table.num_rows // n)
    return _columns(table).take(list(range(0, table.num_rows, step))[:n]).to_pylist()
