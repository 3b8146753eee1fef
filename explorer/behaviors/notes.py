"""Names, notes and tags that people give to clusters: ``cluster-notes.json`` in the study folder.

```
{"format": 1, "clusters": {"<Cluster.key>": {"name": "flattery", "note": "praise nobody asked for", "tag": "bad"}}}
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
from explorer.reading import as_type, read_json

FILE = "cluster-notes.json"
Tag = Literal["", "bad", "wanted", "unknown"]
"""What a person says of a cluster: bad, wanted, or looked at and still unknown; empty where nobody has said."""


@dataclass(frozen=True)
class Note:
    """A cluster's name, a note on it and its tag; each may be empty."""

    name: str = ""
    note: str = ""
    tag: Tag = ""


NO_NOTE = Note()


@dataclass(frozen=True)
class _File:
    format: Literal[1]
    clusters: dict[str, dict[Literal["name", "note", "tag"], str]]


def read_notes(study: Path) -> dict[str, Note]:
    """Notes by ``Cluster.key``; none where there is no file. Raises ExplorerError for a damaged one."""
    path = study / FILE
    if not os.path.lexists(path):
        return {}
    expected = "format 1 and an object 'clusters' of names, notes and tags"
    try:
        file: _File = read_json(path, expected, _File)
        return as_type(file.clusters, dict[str, Note], path, expected)
    except ExplorerError as error:
        hint = "damaged, so names, notes and tags are neither shown nor saved; repair it or move it away"
        raise ExplorerError(f"{path}: {hint} ({str(error).removeprefix(str(path)).strip(':,. ')}).") from error


def write_note(study: Path, key: str, note: Note) -> None:
    """Save one cluster's name, note and tag beside the others'; remove them where all are empty.

    Raises ExplorerError where the file is damaged or can't be written.
    """
    with locked(study / FILE):
        notes = read_notes(study)
        notes.pop(key, None)
        if note != NO_NOTE:
            notes[key] = note
        write_json(study / FILE, {"format": 1, "clusters": {name: vars(n) for name, n in notes.items()}})
