"""Which files training data lies in: files, patterns such as ``data/*.parquet``, and folders as the hub has them."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from explorer.data.formats import EXPECTED, format_of, quoted
from explorer.errors import ExplorerError, count
from explorer.limits import DATA_FILES
from explorer.reading import decode, read_bytes

TRAIN = "train"
_SPLITS = {"training": TRAIN, "valid": "validation", "dev": "validation", "val": "validation", "testing": "test"}
_SPLIT = re.compile(r"(?:^|[^a-z])(train|training|test|testing|eval|validation|valid|dev|val)(?:[^a-z]|$)")
_ABOUT = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"}
"""Files that say something about data."""
_CONFIG = re.compile(r"^[\s-]*config_name:\s*['\"]?([^\s'\"]+)", re.MULTILINE)
_FRONT = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_CONFIGS = re.compile(r"^configs:[ \t]*\n((?:[ \t-].*\n?)*)", re.MULTILINE)


def find_sources(given: str | Path | Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Return the files (or ``save_to_disk`` folders) to read, in order, and sentences on what was chosen.

    Args:
        given: files, folders or patterns (``*``, ``?``, ``[…]``, ``**``), one or several. Of a folder as it is cloned
            from the hub all files of the split ``train`` are read, or all files where their names tell no split.

    Raises ExplorerError for a pattern without a match, and a folder without data or with several configurations.
    """
    files: dict[str, Path] = {}
    notes: list[str] = []
    for place in [given] if isinstance(given, str | Path) else given:
        for path in _found(os.path.expanduser(place), notes):
            name = os.path.realpath(path) if os.path.exists(path) else str(path)
            if files.setdefault(name, path) is not path:
                notes.append(f"{path}: given twice, read once")
    if not files:
        raise ExplorerError("No data; expected a file or folder of training examples.")
    return list(files.values()), notes


def _found(place: str, notes: list[str]) -> list[Path]:
    path = Path(place)
    if not os.path.lexists(path) and glob.has_magic(place):
        try:
            matches = sorted(map(Path, glob.iglob(place, recursive=True)))
        except (OSError, ValueError):  # a NUL, or half a character
            matches = []
        if not (files := [match for match in matches if match.is_dir() or format_of(match)]):
            raise ExplorerError(f"{place}: matches no file of training data; {EXPECTED}.")
        return files
    return _in_folder(path, notes) if os.path.isdir(path) and not _saved(path) else [path]


def _saved(folder: Path) -> bool:
    """Whether ``save_to_disk`` wrote a folder."""
    names = ("state.json", "*.arrow", "*/state.json")
    return any(next(folder.glob(name), None) for name in names)


def _in_folder(folder: Path, notes: list[str]) -> list[Path]:
    """The files of a folder, of the split ``train`` where names tell splits."""
    files = sorted(path for path in _walk(folder) if path.name not in _ABOUT and format_of(path))
    if not files:
        raise ExplorerError(f"{folder}: a folder without .arrow files or other data; {EXPECTED}.")
    if len(names := _configurations(folder)) > 1:
        one = "give the folder or the files of one of them"
        raise ExplorerError(f"{folder}: its README.md tells of the configurations {quoted(names)}; {one}.")
    splits: dict[str, list[Path]] = {}
    for path in files:
        splits.setdefault(_split(path.relative_to(folder)), []).append(path)
    chosen = splits.get(TRAIN) or (files if [*splits] == [""] else [])
    if not chosen:
        raise ExplorerError(f"{folder}: no split 'train'; found {quoted(filter(None, splits))}; give their files.")
    rest = [split or "no split" for split in splits if splits[split] is not chosen and chosen is not files]
    left = f"; left out: {', '.join(sorted(rest))}" if rest else ""
    notes.append(f"{folder}: {count(len(chosen), 'file')}{' of the split train' * (TRAIN in splits)}{left}")
    return chosen


def _walk(folder: Path) -> Iterable[Path]:
    """The files under a folder, hidden ones left out. Raises ExplorerError for too many."""
    number = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        number += len(names)
        if number > DATA_FILES:
            raise ExplorerError(f"{folder}: more than {DATA_FILES:,} files; expected a folder of one dataset.")
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _split(path: Path) -> str:
    """The split that a file's name tells, or else the nearest folder's; empty for none. As on the hub."""
    for part in reversed(path.parts):
        if match := _SPLIT.search(part.lower()):
            return _SPLITS.get(match[1], match[1])
    return ""


def _configurations(folder: Path) -> list[str]:
    """The configurations that the README.md of a hub folder lists."""
    readme = folder / "README.md"
    if not readme.is_file():
        return []
    try:
        text = decode(read_bytes(readme, "text"), readme, "text").replace("\r\n", "\n")
    except ExplorerError:
        return []
    front = _FRONT.match(text)
    configs = _CONFIGS.search(front[1] + "\n") if front else None
    return list(dict.fromkeys(_CONFIG.findall(configs[1]))) if configs else []
