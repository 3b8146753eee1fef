"""Build the index of a study: one pass a batch, in shards that survive a kill."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from explorer.data.study import VECTORS, Study
from explorer.errors import ExplorerError, count
from explorer.model.load import LoadedModel, load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.vectors.fingerprint import CODE, READ_AS, model_digest, study_cutting, study_digest
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
    read_tensor,
    statistics,
    write_tensors,
)
from explorer.vectors.items import Item, encode_items, item_vectors, study_items
from explorer.vectors.layers import late_layer, rept_layer
from explorer.vectors.methods import DEFAULT_PARTS
from explorer.vectors.one_pass import PARTS
from explorer.vectors.precision import in_precision
from explorer.vectors.unfinished import UnfinishedShard

WORK = "Making vectors of the training examples"
"""What a build tells its ``progress``."""
_PROBES = 48
"""Rows that RepT's rule for the layer looks at."""


def plan(
    study: Study,
    loaded: LoadedModel,
    checkpoint: str,
    parts: Sequence[str] = DEFAULT_PARTS,
    layers: Sequence[int] | str = "auto",
    shard_rows: int | None = None,
) -> Manifest:
    """Return the manifest of the index that a build with these settings makes; writes nothing.

    ``layers``: numbers, or a name of ``LAYER_RULES``; ``auto``: the study's own layers, or else ``late_layer`` alone.
    Raises ExplorerError for an unknown layer or part.
    """
    table = study.datapoints()
    if not table.num_rows:
        raise ExplorerError(f"{study.folder}: the study has no datapoints.")
    if unknown := set(parts) - set(PARTS):
        raise ExplorerError(f"Part '{unknown.pop()}' is unknown; expected some of {', '.join(PARTS)}.")
    chosen, notes = _chosen_layers(study, loaded, table, layers)
    for layer in chosen:
        if not 1 <= layer <= loaded.n_layers:
            raise ExplorerError(f"Layer {layer} is not there; expected 1 to {loaded.n_layers}.")
    made_from = {
        "code": CODE,
        **model_digest(loaded),
        **{name: getattr(study, name) for name in READ_AS},
        "rows": study_digest(study),
        **study_cutting(study),
        "parts": [part for part in PARTS if part in parts],
        "layers": chosen,
    }
    size = shard_rows or (256 if table.num_rows <= 50_000 else 4096)
    default_layer = min(chosen, key=lambda layer: abs(layer - late_layer(loaded.n_layers)))
    return Manifest(checkpoint, made_from, table.num_rows, size, chosen, made_from["parts"], default_layer, notes)


def _chosen_layers(
    study: Study, loaded: LoadedModel, table: pa.Table, layers: Sequence[int] | str
) -> tuple[list[int], dict[str, int]]:
    """Return the layers that were asked for, ascending, and the notes of what was found on the way."""
    if not layers or layers == "auto":
        layers = study.layers or [late_layer(loaded.n_layers)]
    if layers == "rept":
        notes = {"rept_layer": rept_layer(loaded, _probes(study, table))}
        return list(notes.values()), notes
    return sorted({int(layer) for layer in layers}), {}


def build_index(
    study: Study,
    checkpoint: str = "before",
    *,
    parts: Sequence[str] = DEFAULT_PARTS,
    layers: Sequence[int] | str = "auto",
    shard_rows: int | None = None,
    dtype: str | None = None,
    progress: Progress = silent,
) -> Index:
    """Build the index of a study in one of its checkpoints, or go on with one that was stopped.

    Args:
        checkpoint: ``before``, ``after`` or a name of ``study.checkpoints()``.
        parts, layers, shard_rows: see ``plan``.
        dtype: precision of the model, see ``precision.in_precision``; default its usual one.
        progress: counts datapoints, after every batch; within a shard by their share of its tokens, as short ones are
            done first. Stopping loses a minute of the unfinished shard alone (``unfinished.SAVE_SECONDS``).

    Shards that are missing or damaged are made again. Raises ExplorerError where another process builds the same index.
    """
    name, spec = study.checkpoint(checkpoint)
    loaded = load_model(in_precision(study, name, spec, dtype))
    manifest = plan(study, loaded, name, parts, layers, shard_rows)
    folder = index_folder(study, manifest)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            manifest = _resumed(folder, manifest)
            _sweep(folder, manifest)
            manifest.write(folder)
            _write_shards(folder, manifest, study, loaded, progress)
            if not manifest.complete:
                _write_statistics(folder, manifest, study, loaded)
            return open_index(folder)
    except Timeout as error:
        raise ExplorerError(f"{folder}: another process builds this index; wait for it, or stop it.") from error


def cut_sentence(manifest: Manifest) -> str:
    """Say how many rows of a complete index were too long, what they lost, and what helps; empty for none."""
    n, most, reads = manifest.notes["cut"], manifest.made_from["max_tokens"], manifest.notes.get("reads", 0)
    if not n:
        return ""
    longer = f"{count(n, 'row')} of {manifest.n:,} cut, as longer than {min(most, reads or most):,} tokens"
    what = "the middle of what stands before the answer was left out, down to half, then the answer's end"
    if not reads or most < reads:
        has = f"; the model reads {reads:,}" if reads else ""
        what += f"{has}: 'build --max-tokens N' reads more"
    return f"{longer}: {what}."


def index_folder(study: Study, manifest: Manifest) -> Path:
    """Return the folder of a planned index."""
    return study.folder / VECTORS / manifest.fingerprint[:16]


def _write_shards(folder: Path, manifest: Manifest, study: Study, loaded: LoadedModel, progress: Progress) -> None:
    """Make and write the shards that are not there."""
    table = study.datapoints()
    missing = [shard for shard in manifest.shards if shard[0] not in manifest.files]
    done = manifest.n - sum(end - start for _, start, end in missing)
    for name, start, end in missing:
        items = study_items(study, table.slice(start, end - start))
        count_tokens = _share_of(progress, done, end - start, manifest.n)
        encoded = encode_items(loaded, items)
        unfinished = UnfinishedShard(folder, manifest, name)
        made = (loaded, items, manifest.layers, manifest.parts, count_tokens, encoded)
        vectors, kinds = item_vectors(*made, unfinished.begun, unfinished.save)
        if not vectors:  # no row of this shard has an answer
            vectors = {key: torch.zeros(len(items), width) for key, width in _widths(loaded, manifest).items()}
        cut = torch.tensor([any(exchange.lost for exchange in both) for both in encoded], dtype=torch.uint8)
        shard = {key: value.to(torch.bfloat16) for key, value in vectors.items()}
        manifest.files[name] = write_tensors(folder, name, shard | {"kinds": kinds, "cut": cut})
        unfinished.discard()
        done += end - start
        progress(WORK, done, manifest.n)


def _share_of(progress: Progress, done: int, rows: int, total: int) -> Progress:
    """Turn progress in tokens within a shard of ``rows`` into progress in rows of the whole study."""
    return lambda _what, tokens=0, tokens_total=1, /: progress(WORK, done + rows * tokens / tokens_total, total)


def _write_statistics(folder: Path, manifest: Manifest, study: Study, loaded: LoadedModel) -> None:
    """Write what completes an index: the statistics, and the notes of the manifest."""
    tensors = statistics(Index(folder, manifest))
    counts = tensors["kinds"].long().bincount(minlength=3).tolist()
    manifest.notes["cut"] = sum(int(read_tensor(folder / name, "cut").sum()) for name, _, _ in manifest.shards)
    manifest.notes["reads"] = loaded.max_tokens or 0
    manifest.notes |= {"unranked": counts[UNRANKED], "single": counts[SINGLE], "pairs": counts[PAIR]}
    if "rept_layer" not in manifest.notes:
        manifest.notes["rept_layer"] = rept_layer(loaded, _probes(study, study.datapoints()))
    manifest.files[STATS] = write_tensors(folder, STATS, tensors)
    manifest.write(folder)


def _resumed(folder: Path, planned: Manifest) -> Manifest:
    """Return the manifest in the folder less its broken files; the planned one where it is absent or of other make."""
    try:
        manifest = read_manifest(folder)
    except ExplorerError:
        return planned
    if manifest.made_from != planned.made_from or manifest.shard_rows != planned.shard_rows:
        return planned
    broken = broken_files(folder, manifest)
    for name in broken:
        manifest.files.pop(name)
    if broken:
        manifest.files.pop(STATS, None)
    return manifest


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Delete what a killed build left half-written, and shards of another size."""
    known = {STATS, *manifest.files, *(name for name, _, _ in manifest.shards)}
    for path in [*folder.glob(".shard-*"), *folder.glob(".stats*"), *folder.glob("*.safetensors")]:
        if path.name not in known:
            path.unlink(missing_ok=True)


def _widths(loaded: LoadedModel, manifest: Manifest) -> dict[str, int]:
    """Return the width of each vector, by making those of one item."""
    item = Item(Prompt("a", raw=True), "b")
    vectors: dict[str, Tensor] = item_vectors(loaded, [item], manifest.layers, manifest.parts)[0]
    return {key: value.shape[1] for key, value in vectors.items()}


def _probes(study: Study, table: pa.Table) -> list[Item]:
    """Return the items of rows that are evenly spaced over the table."""
    numbers = list(range(0, table.num_rows, max(1, table.num_rows // _PROBES)))[:_PROBES]
    return study_items(study, table.take(numbers))
