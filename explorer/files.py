"""Files that survive a kill: written whole or not at all, and JSON lines that are only added to.

``explorer/reading.py`` reads them.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explorer.errors import ExplorerError

_PACKAGE = Path(__file__).parent


def beside_code(name: str) -> Path:
    """Path of what comes with the program: inside an installed package, in a checkout beside it."""
    installed = _PACKAGE / name
    return installed if installed.exists() else _PACKAGE.parent / name


def shipped(name: str) -> Path:
    """Path of a file or folder of ``assets``."""
    return beside_code("assets") / name


Version = tuple[int, int, int, int]


def version_of(path: Path) -> Version | None:
    """What changes when a file is written: inode, bytes, the times of its content and of its entry; None if absent."""
    try:
        about = path.stat()
    except (OSError, ValueError):  # ValueError: a name that can't be one
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def write_whole(path: Path, write: Callable[[Path], object]) -> str:
    """Write a file in one step: nobody ever sees it half-written, and an old one stays where writing fails.

    Args:
        write: writes the content to the path that it is given, a scratch file beside ``path``.

    Returns the SHA-256 of the file. Raises ExplorerError where the disk is full or the folder can't be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(scratch)
        with scratch.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        os.replace(scratch, path)
        return digest
    except BaseException as error:
        scratch.unlink(missing_ok=True)
        # safetensors raises its own type for a full disk
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            message = f"{path}: the disk is full; what was written before is kept, free some space."
            raise ExplorerError(message) from error
        if isinstance(error, OSError):
            raise ExplorerError(f"{path}: can't be written ({error.strerror}).") from error
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one step; raises ExplorerError as ``write_whole`` does."""
    text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    write_whole(path, lambda scratch: scratch.write_text(text, encoding="utf-8"))


def no_link(path: str, flags: int) -> int:
    """Open a file for writing where it stands (an ``opener``): not what a symbolic link leads to, nor a pipe."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def append_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a JSON lines file, whose folder is made; a line that a kill cut short stays a line of its own.

    Raises ExplorerError where the file can't be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", opener=no_link) as file:
            file.write("\n".join(["", *(json.dumps(dict(row), ensure_ascii=False) for row in rows)]))


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, one object a row, in one step."""
    text = "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)
    write_whole(path, lambda scratch: scratch.write_text(text, encoding="utf-8"))


def toml_text(settings: Mapping[str, Any]) -> str:
    """Settings as TOML: text, numbers, true or false, lists of them; JSON writes them alike, but for one character."""
    lines = [f"{k} = {json.dumps(v, ensure_ascii=False)}".replace("\x7f", r"\u007f") for k, v in settings.items()]
    return "\n".join(lines) + "\n"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file that several processes change by reading and writing it. Raises ExplorerError."""
    with writing(path):
        try:
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):
                yield
        except Timeout as error:
            raise ExplorerError(f"{path}: another process has been writing it for 10 s; try again.") from error


@contextmanager
def writing(path: str | Path, *errors: type[Exception]) -> Iterator[None]:
    """While open, an OSError (or one of ``errors``) becomes an ExplorerError that names the file."""
    try:
        yield
    except (OSError, *errors) as error:
        name = "The standard output" if str(path) == "-" else path
        raise ExplorerError(f"{name} can't be written: {getattr(error, 'strerror', None) or error}.") from error
