"""Names and notes that people give to clusters: ``cluster-notes.json`` in the study folder.

```
{"format": 1, "clusters": {"<Cluster.key>": {"name": "flattery", "note": "praise where none was asked for"}}}
```

A key names a group of prompts, so a note stays with its group whatever the cut. A file that can't be read is never
overwritten.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.errors import ExplorerError
from explorer.files import locked, write_json
from explorer.reading import read_json

FILE = "cluster-notes.json"


@dataclass(frozen=True)
class Note:
    """A cluster's name and a note on it; either may be empty."""

    name: str = ""
    note: str = ""


@dataclass(frozen=True)
class _File:
    format: Literal[1]
    clusters: dict[str, dict[Literal["name", "note"], str]]


def read_notes(study: Path) -> dict[str, Note]:
    """Notes by ``Cluster.key``; none where there is no file. Raises ExplorerError for a damaged one."""
    path = study / FILE
    if not os.path.lexists(path):
        return {}
    try:
        file: _File = read_json(path, "format 1 and an object 'clusters' of names and notes", _File)
    except ExplorerError as error:
        hint = "damaged, so names and notes are neither shown nor saved; repair it or move it away"
        raise ExplorerError(f"{path}: {hint} ({str(error).removeprefix(str(path)).strip(':,. ')}).") from error
    return {key: Note(**note) for key, note in file.clusters.items()}


def write_note(study: Path, key: str, note: Note) -> None:
    """Save one cluster's name and note beside the others'; remove them where both are empty.

    Raises ExplorerError where the file is damaged or can't be written.
    """
    with locked(study / FILE):
        notes = read_notes(study)
        notes.pop(key, None)
        if note != Note():
            notes[key] = note
        write_json(study / FILE, {"format": 1, "clusters": {name: vars(n) for name, n in notes.items()}})
