"""The index on disk: safetensors shards of vectors and a manifest, written whole or not at all, read without copying.

```
vectors/<fingerprint>/
  manifest.json            what the vectors were made from, and the SHA-256 of every file
  shard-00000.safetensors  "<part>.<layer>" (rows, width) bfloat16, "kinds" and "cut" (rows,) uint8
  stats.safetensors        "kinds" (n,), and for each "<part>.<layer>" in float32: ".means" (3, width) by kind, ".norms"
                           (n,), ".centred-norms" (n,) after the mean of the row's kind is subtracted, ".common"
                           (width,) the unit vector along the mean of all rows, ".along" (n,) rows · common
```

Cut is 1 for a row that was longer than what is read. A row's kind: 0 has no answer and is never ranked, 1 has one
answer, 2 is a pair of answers.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from explorer.errors import ExplorerError, first_line
from explorer.files import Version, version_of, write_json, write_whole
from explorer.limits import DATA_ROWS
from explorer.reading import as_type, read_json
from explorer.vectors.fingerprint import file_digest

FORMAT = 1
MANIFEST, STATS = "manifest.json", "stats.safetensors"
UNRANKED, SINGLE, PAIR = 0, 1, 2
Backend = Literal["pread", "mmap"]


@dataclass
class Manifest:
    """What an index is, and which of its files are whole.

    Attributes:
        checkpoint: name of the checkpoint that the vectors were made in.
        made_from: digests and settings that name the index.
        n: number of datapoints.
        default_layer: the one of ``layers`` nearest to ``layers.late_layer``.
        notes: how many rows are of which kind, how many were ``cut``, how many tokens the model ``reads`` (0: it does
            not say), and the layer that RepT's rule chooses.
        files: SHA-256 of every whole file by name; an index with ``STATS`` among them is complete.
    """

    checkpoint: str
    made_from: dict[str, Any]
    n: int
    shard_rows: int
    layers: list[int]
    parts: list[str]
    default_layer: int
    notes: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def fingerprint(self) -> str:
        """SHA-256 of ``made_from``."""
        return hashlib.sha256(json.dumps(self.made_from, sort_keys=True).encode()).hexdigest()

    @property
    def complete(self) -> bool:
        """Whether every vector and the statistics are there."""
        return STATS in self.files

    @property
    def shards(self) -> list[tuple[str, int, int]]:
        """(file, first row, row after the last one) of each shard."""
        starts = range(0, self.n, self.shard_rows)
        return [(f"shard-{i:05d}.safetensors", s, min(s + self.shard_rows, self.n)) for i, s in enumerate(starts)]

    def write(self, folder: Path) -> None:
        """Put the manifest into the folder in one step."""
        write_json(folder / MANIFEST, asdict(self))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an index. Raises ExplorerError for one that is absent, broken or of another format."""
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise ExplorerError(f"{path}: no such file; expected an index of vectors.")
    try:
        values = read_json(path, "an object", dict[str, Any])
        if values.get("format") != FORMAT:
            raise ExplorerError(f"{path}: format is {str(values.get('format'))[:40]!r}; this version reads {FORMAT}.")
        manifest: Manifest = as_type(values, Manifest, path, "what a build wrote")
        if not 0 <= manifest.n <= DATA_ROWS or manifest.shard_rows < 1:
            raise ExplorerError(f"{path}: field 'n' or 'shard_rows' is out of range; expected what a build wrote.")
        for name in manifest.files:
            if name != Path(name).name or "\0" in name:
                raise ExplorerError(f"{path}: field 'files' names '{name[:60]}'; expected names without folders.")
        return manifest
    except ExplorerError as error:
        hint = "not a manifest of vectors: delete it and build again"
        raise ExplorerError(f"{str(error).rstrip('.')} ({hint}).") from error


def write_tensors(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> str:
    """Write a safetensors file in one step and return its SHA-256; raises ExplorerError where the disk is full."""
    contiguous = {key: value.contiguous() for key, value in tensors.items()}
    return write_whole(folder / name, lambda path: save_file(contiguous, path))


def broken_files(folder: Path, manifest: Manifest) -> list[str]:
    """Names of files that the manifest lists and that are absent or not what was written."""
    return [
        name
        for name, digest in manifest.files.items()
        if not (folder / name).is_file() or file_digest(folder / name) != digest
    ]


@dataclass
class Index:
    """A complete index, opened for reading: vectors stay on disk and are mapped into memory block by block.

    ``versions``: how each file stood when it was compared with its SHA-256. A file that has changed or shrunk since is
    not read again, but named in an ExplorerError: to look at a map beyond the end of its file ends the process.
    """

    folder: Path
    manifest: Manifest
    versions: dict[str, Version] = field(default_factory=dict, repr=False, kw_only=True)

    def __repr__(self) -> str:
        layers = ", ".join(map(str, self.manifest.layers))
        return f"Index({self.manifest.n:,} datapoints in {self.manifest.checkpoint} at layers {layers}, {self.folder})"

    @property
    def key(self) -> tuple[str, str]:
        """Folder and fingerprint: indexes of the same key hold the same vectors."""
        return str(self.folder), self.manifest.fingerprint

    @cached_property
    def kinds(self) -> Tensor:
        """(n,) kind of every row."""
        return self._stat("kinds")

    def blocks(self, part: str, layer: int) -> Iterator[tuple[int, Tensor]]:
        """Yield (first row, (rows, width) bfloat16) of each shard."""
        for name, first, _ in self.manifest.shards:
            yield first, self._tensor(name, f"{part}.{layer}", "mmap")

    def rows(self, part: str, layer: int, which: Tensor) -> Tensor:
        """Return (len(which), width) float32 vectors of the rows of these numbers, in their order."""
        if len(which) and not 0 <= int(which.min()) <= int(which.max()) < self.manifest.n:
            raise ExplorerError(f"{self.folder}: no such row; the index has {self.manifest.n}.")
        out = torch.empty(len(which), self.means(part, layer).shape[1])
        for name, first, last in self.manifest.shards:
            inside = ((which >= first) & (which < last)).nonzero()[:, 0]
            if len(inside):
                shard = self._tensor(name, f"{part}.{layer}", "mmap")
                out[inside] = shard[which[inside] - first].float()
        return out

    def means(self, part: str, layer: int) -> Tensor:
        """Return (3, width) mean vector of the rows of each kind; 0 for a kind without rows."""
        return self._stat(f"{part}.{layer}.means")

    def norms(self, part: str, layer: int, centred: bool) -> Tensor:
        """Return (n,) lengths of the vectors, as they are or after their kind's mean is subtracted."""
        return self._stat(f"{part}.{layer}.{'centred-' if centred else ''}norms")

    def common(self, part: str, layer: int) -> tuple[Tensor, Tensor]:
        """Return (width,) the unit vector along the mean of all rows, and (n,) how far each row reaches along it."""
        return self._stat(f"{part}.{layer}.common"), self._stat(f"{part}.{layer}.along")

    def require(self, part: str, layer: int) -> None:
        """Raise ExplorerError where the index was built without this part or layer."""
        if part not in self.manifest.parts or layer not in self.manifest.layers:
            built = f"parts {', '.join(self.manifest.parts)} at layers {', '.join(map(str, self.manifest.layers))}"
            raise ExplorerError(
                f"{self.folder}: no vectors of '{part}' at layer {layer}; the index has {built}. "
                f"Build it with 'explorer build --layers {layer}'."
            )

    def _stat(self, name: str) -> Tensor:
        return self._tensor(STATS, name)

    def _tensor(self, file: str, name: str, backend: Backend = "pread") -> Tensor:
        path = self.folder / file
        if self.versions and version_of(path) != self.versions.get(file):
            raise ExplorerError(f"{path}: changed since it was opened; open the study again.")
        return read_tensor(path, name, backend)


def open_index(folder: Path) -> Index:
    """Open a complete index. Compares every file with its SHA-256, once a file while it stays unchanged.

    Raises ExplorerError that names what is missing or broken.
    """
    manifest = read_manifest(folder)
    if not manifest.complete:
        done = sum(name in manifest.files for name, _, _ in manifest.shards)
        raise ExplorerError(
            f"{folder}: the index is not finished ({done} of {len(manifest.shards)} shards); "
            "run 'explorer build' to go on with it."
        )
    versions = {name: version for name in manifest.files if (version := version_of(folder / name))}
    if broken := broken_files(folder, manifest):
        raise ExplorerError(
            f"{folder}: {', '.join(broken)} {'is' if len(broken) == 1 else 'are'} missing or damaged; "
            "run 'explorer build' to make what is broken again."
        )
    return Index(folder, manifest, versions=versions)


def statistics(index: Index) -> dict[str, Tensor]:
    """Return the tensors of ``STATS``, read from the shards in two passes over each part and layer."""
    kinds = torch.cat([read_tensor(index.folder / name, "kinds") for name, _, _ in index.manifest.shards])
    tensors = {"kinds": kinds}
    for part, layer in itertools.product(index.manifest.parts, index.manifest.layers):
        for name, value in _part_statistics(index, part, layer, kinds.long()).items():
            tensors[f"{part}.{layer}.{name}"] = value.float()
    return tensors


def _part_statistics(index: Index, part: str, layer: int, kinds: Tensor) -> dict[str, Tensor]:
    sums = torch.zeros(())
    for first, block in index.blocks(part, layer):
        shard_sums = torch.zeros(3, block.shape[1], dtype=torch.float64)
        sums = sums + shard_sums.index_add_(0, kinds[first : first + len(block)], block.double())
    means = sums / kinds.bincount(minlength=3).clamp(min=1)[:, None]
    means[UNRANKED] = 0
    common = torch.nn.functional.normalize(sums[[SINGLE, PAIR]].sum(0), dim=0)
    rows = []
    for first, block in index.blocks(part, layer):
        x = block.double()
        centred = x - means[kinds[first : first + len(block)]]
        rows.append((x.norm(dim=1), centred.norm(dim=1), x @ common))
    norms, centred_norms, along = (torch.cat(values) for values in zip(*rows, strict=True))
    return {"means": means, "norms": norms, "centred-norms": centred_norms, "along": along, "common": common}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file as copies. Raises ExplorerError."""
    try:
        with safe_open(path, framework="pt", backend="pread") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise ExplorerError(f"{path}: not readable as safetensors ({first_line(error, 120)}).") from error
    return {name: read_tensor(path, name) for name in names}


def read_tensor(path: Path, name: str, backend: Backend = "pread") -> Tensor:
    """Read one tensor of a safetensors file, as a copy or, with ``mmap``, as a map. Raises ExplorerError."""
    try:
        with safe_open(path, framework="pt", backend=backend) as file:
            return file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ExplorerError(f"{path}: not readable as safetensors ({first_line(error, 120)}).") from error
