"""Names and notes that people give to clusters: ``cluster-notes.json`` in the study folder.

```
{"format": 1, "clusters": {"<Cluster.key>": {"name": "flattery", "note": "praise where none was asked for"}}}
```

A key names a group of prompts, so a note stays with its group whatever the cut. A file that can't be read is never
overwritten.
"""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.files import write_json

FILE = "cluster-notes.json"
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Note:
    """A cluster's name and a note on it; either may be empty."""

    name: str = ""
    note: str = ""


def read_notes(study: Path) -> dict[str, Note]:
    """Notes by ``Cluster.key``; none where there is no file. Raises ExplorerError for a damaged one."""
    path = study / FILE
    if not path.exists():
        return {}
    damaged = f"{path}: damaged, so names and notes are neither shown nor saved; repair it or move it away"
    try:
        match json.loads(path.read_text(encoding="utf-8")):
            case {"format": 1, "clusters": dict(rows)}:
                notes = {key: Note(**row) for key, row in rows.items()}
            case _:
                raise ValueError("expected format 1 and an object 'clusters'")
        if not all(isinstance(text, str) for note in notes.values() for text in asdict(note).values()):
            raise ValueError("a name or a note is not text")
    except (ValueError, TypeError, OSError) as error:
        raise ExplorerError(f"{damaged} ({error}).") from error
    return notes


def write_note(study: Path, key: str, note: Note) -> None:
    """Save one cluster's name and note beside the others'; remove them where both are empty.

    Raises ExplorerError where the file is damaged or can't be written.
    """
    with _LOCK:
        notes = read_notes(study)
        notes.pop(key, None)
        if note != Note():
            notes[key] = note
        write_json(study / FILE, {"format": 1, "clusters": {name: vars(n) for name, n in notes.items()}})
