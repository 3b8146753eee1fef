"""Zips that others made: opened only where their list of members is sane, nothing of them unpacked before.

Refused are names outside of the zip, more unpacked bytes than a limit, members that lie over each other, and a list of
members that is too long to be read.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from explorer.errors import ExplorerError, first_line
from explorer.limits import LOG_DIRECTORY_BYTES

BROKEN = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, EOFError)
"""What ``zipfile`` raises for a file that is no zip, or a broken one."""


def open_zip(file: BinaryIO, path: Path, most: int, what: str) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """Open a zip and check it; returns it with its members by name, in its order (of a name twice the last counts).

    Args:
        file: the open file, which the caller closes.
        path: its name for sentences.
        most: bytes that all members may have unpacked.
        what: the zip is of, for sentences: a log, a study.

    Raises ExplorerError.
    """
    try:
        archive = zipfile.ZipFile(_DirectoryLimit(file, path))
        size = file.seek(0, io.SEEK_END)
        members = {info.filename: info for info in archive.infolist()}
        _check(path, members, size, most)
    except BROKEN as error:
        raise error if isinstance(error, ExplorerError) else broken_zip(path, what, error) from error
    return archive, members


def broken_zip(where: object, what: str, error: Exception) -> ExplorerError:
    """The error for a zip, or a member of one, that can't be read."""
    return ExplorerError(f"{where}: not readable as a zip of {what} ({first_line(error, 100)}); is the file cut off?")


def _check(path: Path, members: dict[str, zipfile.ZipInfo], size: int, most: int) -> None:
    """Refuse names outside, sizes above the limit, and members that lie over each other."""
    for name in members:
        if name.startswith(("/", "\\")) or ":" in name[:3] or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise ExplorerError(f"{path}: a member named '{name[:80]}'; expected names inside the zip only.")
    unpacked = sum(info.file_size for info in members.values())
    if unpacked > most:
        raise ExplorerError(f"{path}: unpacks to {unpacked:,} bytes; expected at most {most:,}.")
    if sum(info.compress_size for info in members.values()) > size:
        raise ExplorerError(f"{path}: members lie over each other; expected a zip with each member once.")


class _DirectoryLimit(io.RawIOBase):
    """The file for ``zipfile``, which reads the list of members in one call: one that is too long is refused."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self.seek: Callable[..., int] = file.seek
        self.tell = file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size > LOG_DIRECTORY_BYTES:
            raise ExplorerError(f"{self._path}: its list of members has {size:,} bytes; expected fewer members.")
        return self._file.read(size)
