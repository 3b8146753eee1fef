"""What one does with whole studies: rename, duplicate, throw away and take back, each one call.

Studies that the app makes stand beside each other in one folder; what is thrown away lies in a folder ``.trash`` beside
them until it is taken back or deleted for good.
"""

import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from explorer.data.checkpoints import ADAPTER
from explorer.data.study import SETTINGS, Study, open_study
from explorer.errors import ExplorerError, count
from explorer.files import toml_text, write_whole, writing
from explorer.folders import whole_folder
from explorer.jobs import LOCK, STOP, is_running
from explorer.limits import STUDY_NAME, TOML_BYTES
from explorer.model import embedded
from explorer.reading import decode, parse_toml, read_bytes, read_toml

TRASH = ".trash"
_STAMP = "%Y%m%d-%H%M%S"
_NAME_LINE = re.compile(r"^[ \t]*(name|\"name\"|'name')[ \t]*=.*$", re.MULTILINE)
_LEFT_BEHIND = {LOCK, STOP, ".unfinished"}
"""Files that belong to a process, not to the study."""


def checked_name(name: str) -> str:
    """Return a study's name without white space round it. Raises ExplorerError for none, or a longer one."""
    name = name.strip()
    if not name or len(name) > STUDY_NAME or "\n" in name:
        raise ExplorerError(f"The name has {len(name):,} characters; expected 1 to {STUDY_NAME}, on one line.")
    return name


def folder_for(studies: Path, name: str) -> Path:
    """A folder below ``studies`` for a study of this name, that is not there yet: ``my-study``, ``my-study-2``, …"""
    plain = re.sub(r"[^a-z0-9]+", "-", checked_name(name).lower()).strip("-")[:60] or "study"
    number, folder = 1, studies / plain
    while os.path.lexists(folder):
        number += 1
        folder = studies / f"{plain}-{number}"
    return folder


def rename_study(folder: Path, name: str) -> Study:
    """Change the name in ``study.toml``; the folder stays, as links and jobs name it. Raises ExplorerError."""
    name, path = checked_name(name), folder / SETTINGS
    settings = read_toml(path, "the settings of a study")
    text = decode(read_bytes(path, "TOML", TOML_BYTES), path, "TOML")
    for line in _NAME_LINE.finditer(text):
        changed = text[: line.start()] + toml_text({"name": name}).strip() + text[line.end() :]
        if _parsed(changed, path) == settings | {"name": name}:
            write_whole(path, lambda scratch, new=changed: scratch.write_text(new, encoding="utf-8", newline=""))
            return open_study(folder)
    raise ExplorerError(f"{path}: the name does not stand on a line of its own; change it there by hand.")


def _parsed(text: str, path: Path) -> dict[str, Any] | None:
    try:
        return parse_toml(text, path, "the settings of a study")
    except ExplorerError:
        return None


def duplicate_study(folder: Path, studies: Path, name: str) -> Study:
    """Copy a study, vectors, repairs and all, to a folder of its own below ``studies``; returns the copy.

    Paths in ``study.toml`` that lead out of the study become absolute ones. Symbolic links and what belongs to running
    jobs stay behind. Raises ExplorerError where the disk is full or a file can't be read.
    """
    place, settings = folder_for(studies, name), moved_settings(folder) | {"name": checked_name(name)}
    with whole_folder(place, last=SETTINGS) as scratch, writing(place):
        for file in study_files(folder):
            target = scratch / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        (scratch / SETTINGS).write_text(toml_text(settings), encoding="utf-8")
    return open_study(place)


def study_files(folder: Path) -> list[Path]:
    """Every regular file of a study, in order, but for hidden ones, links, and a resumed training's scratch files."""
    found = []
    for parent, folders, files in os.walk(folder):  # does not follow links
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != "work")
        kept = (name for name in files if not name.startswith(".") and name not in _LEFT_BEHIND)
        found += [path for name in sorted(kept) if not (path := Path(parent) / name).is_symlink() and path.is_file()]
    return found


def study_bytes(folder: Path) -> int:
    """Bytes of all that a copy of the study would hold."""
    return sum(file.stat().st_size for file in study_files(folder))


def moved_settings(folder: Path) -> dict[str, Any]:
    """The settings of ``study.toml`` as they must be in another folder.

    A path inside the study is a relative one (``./…``), any other an absolute one; hub ids stay. What is neither text,
    number nor list is left out.
    """
    open_study(folder)  # its fields are what they should be
    written = read_toml(folder / SETTINGS, "the settings of a study")
    kept = (str, int, float, list)
    settings: dict[str, Any] = {name: value for name, value in written.items() if isinstance(value, kept)}
    settings["model"] = _moved(folder, settings["model"], base=True)
    for field in ("checkpoints", "adapters"):
        if field in settings:
            settings[field] = [_moved(folder, entry) for entry in settings[field]]
    if settings.get("reference"):
        settings["reference"] = _moved(folder, settings["reference"])
    return settings


def _moved(folder: Path, entry: str, base: bool = False) -> str:
    """One entry; ``base``: the study's model, which is relative to its folder only where it begins with ``./``."""
    kind, place = (ADAPTER, entry.removeprefix(ADAPTER)) if entry.startswith(ADAPTER) else ("", entry)
    if place == embedded.NAME:
        return entry
    outer = Path.cwd() if base and not place.startswith("./") else folder
    path = os.path.normpath(os.path.join(os.path.abspath(outer), os.path.expanduser(place)))
    if not os.path.lexists(path) and not place.startswith((".", "/", "~", "adapters/")):
        return entry  # a hub id
    inside = os.path.relpath(path, os.path.abspath(folder))
    return kind + (path if inside.split(os.sep)[0] == os.pardir else f"./{inside}")


# --- the trash ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trashed:
    """A study in the trash: ``folder`` is where it lies, ``was`` where it came from, ``when`` it was thrown away."""

    folder: Path
    name: str
    was: Path
    when: datetime


def trash_study(folder: Path) -> Trashed:
    """Move a study to the trash beside it. Raises ExplorerError while something is at work on it."""
    open_study(folder)
    require_idle(folder)
    now = datetime.now()
    place = folder.parent / TRASH / f"{now.strftime(_STAMP)}-{folder.name}"
    with writing(place):
        place.parent.mkdir(exist_ok=True)
        os.rename(folder, place)
    return next(one for one in trashed_studies(folder.parent) if one.folder == place)


def trashed_studies(studies: Path) -> list[Trashed]:
    """What lies in the trash of a folder of studies, the latest first."""
    places, found = sorted((studies / TRASH).glob(f"*/{SETTINGS}"), reverse=True), []
    for folder in (place.parent for place in places):
        try:
            when = datetime.strptime(folder.name[:15], _STAMP)
        except ValueError:  # of no name that this program gave
            continue
        try:
            name = open_study(folder).name
        except ExplorerError:
            name = folder.name[16:]
        found.append(Trashed(folder, name, studies / folder.name[16:], when))
    return found


def restore_study(trashed: Trashed) -> Path:
    """Take a study back out of the trash; returns its folder: the old one, or one beside it where that is taken."""
    place, number = trashed.was, 1
    while os.path.lexists(place):
        number += 1
        place = trashed.was.with_name(f"{trashed.was.name}-{number}")
    with writing(place):
        os.rename(trashed.folder, place)
    return place


def delete_for_good(trashed: Trashed) -> None:
    """Delete what lies in the trash; there is no way back. Raises ExplorerError for anything else."""
    if trashed.folder.parent.name != TRASH or trashed.folder.is_symlink():
        raise ExplorerError(f"{trashed.folder}: not in the trash; expected a study that was thrown away.")
    with writing(trashed.folder):
        shutil.rmtree(trashed.folder)


def require_idle(folder: Path) -> None:
    """Raise ExplorerError while a job or a build is at work in a study."""
    busy = [lock.parent.name for lock in sorted(folder.glob(f"*/*/{LOCK}")) if is_running(lock.parent)]
    if busy:
        raise ExplorerError(f"{folder}: {count(len(busy), 'job')} at work ({busy[0]}); stop it, or wait for it.")
