"""How Streamlit's caches tell arguments apart: by the versions of files and fingerprints, not by hand-made keys.

Use as ``@st.cache_resource(max_entries=…, hash_funcs=HASHES)``; plain dataclasses are hashed by their fields.
"""

from pathlib import Path
from typing import Any

from explorer.data.study import BEHAVIORS, DATAPOINTS, FAILURES, SETTINGS, Study
from explorer.vectors.index import Index

_MORE = ("controls.jsonl", "guard.jsonl", "discovery.jsonl", "training.json")


def file_version(path: Path) -> tuple[int, int]:
    """What changes when a file is written: its time and size; zeros for an absent file."""
    try:
        about = path.stat()
    except (OSError, ValueError):  # a name that can't be one
        return 0, 0
    return about.st_mtime_ns, about.st_size


def study_version(study: Study) -> tuple[Any, ...]:
    """What changes when a study's own files do."""
    names = (SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES, *_MORE)
    return (str(study.folder), *(file_version(study.folder / name) for name in names))


HASHES: dict[Any, Any] = {
    Study: study_version,
    Index: lambda index: (str(index.folder), index.manifest.fingerprint),
}
"""``hash_funcs`` of every cached function of the UI."""
