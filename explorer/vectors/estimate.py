"""How long a build of vectors takes on this machine, and how much disk: timed on a few rows, nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import pyarrow as pa
import pyarrow.compute as pc

from explorer.data.study import Study
from explorer.model.load import load_model
from explorer.progress import Progress, silent
from explorer.vectors.build import plan
from explorer.vectors.items import encode_items, item_vectors, study_items
from explorer.vectors.methods import DEFAULT_PARTS
from explorer.vectors.precision import in_precision

TIMED = 24
"""Rows that are timed, evenly spaced over the study."""
_BYTES = 2
"""Of a number of a vector, which is bfloat16."""
_TEXTS = ("history", "system", "prompt", "response", "chosen", "rejected")


@dataclass(frozen=True)
class BuildEstimate:
    """A build of ``rows`` vectors at ``layers``: seconds on this machine as busy as it is now, bytes on disk."""

    seconds: float
    bytes: int
    rows: int
    layers: tuple[int, ...]


def estimate_build(
    study: Study,
    checkpoint: str = "before",
    *,
    parts: Sequence[str] = DEFAULT_PARTS,
    layers: Sequence[int] | str = "auto",
    dtype: str | None = "auto",
    progress: Progress = silent,
) -> BuildEstimate:
    """Estimate what ``build_index`` with the same settings takes, from nothing: load the model, time ``TIMED`` rows.

    The time of the timed rows is scaled by characters of text: a row of twice the text takes twice as long. What the
    model's loading takes is not in it. Raises ExplorerError as ``build_index`` does.
    """
    name, spec = study.checkpoint(checkpoint)
    loaded = load_model(in_precision(study, name, spec, dtype), progress)
    manifest = plan(study, loaded, name, parts, layers)
    table = study.datapoints()
    n = table.num_rows
    few = table.take([i * n // min(n, TIMED) for i in range(min(n, TIMED))])
    items = study_items(study, few)
    item_vectors(loaded, items[:1], manifest.layers, manifest.parts)  # the first pass is slower
    progress("Timing a few rows")
    began = perf_counter()
    vectors, _ = item_vectors(loaded, items, manifest.layers, manifest.parts, encoded=encode_items(loaded, items))
    took = perf_counter() - began
    width = sum(vector.shape[1] for vector in vectors.values())
    seconds = took * characters(table) / max(characters(few), 1)
    return BuildEstimate(seconds, n * width * _BYTES, n, tuple(manifest.layers))


def characters(table: pa.Table) -> int:
    """Characters of text in the rows of a study that a model reads."""
    columns = (table[name] for name in _TEXTS if name in table.column_names)
    texts = (column for column in columns if pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
    return sum(pc.sum(pc.utf8_length(text)).as_py() or 0 for text in texts)  # pyright: ignore[reportAttributeAccessIssue]
